package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// proxyError is the error of a proxy that refuses to connect to the registry.
type proxyError struct{ status string }

func (e *proxyError) Error() string { return "the proxy answers " + e.status }

// proxy returns the proxy for requests to the registry, or nil.
func (s *session) proxy() *url.URL {
	if !s.Remote || s.base == nil {
		return nil
	}
	choose := s.Proxy
	if choose == nil {
		choose = http.ProxyFromEnvironment
	}
	proxy, err := choose(&http.Request{URL: s.base})
	if err != nil {
		return nil // the request reports it
	}
	return proxy
}

// proxyName describes the proxy, with the variable that sets it and without its password. It
// returns "" without a proxy.
func (s *session) proxyName() string {
	p := s.proxy()
	if p == nil {
		return ""
	}
	return fmt.Sprintf("the proxy %s (%s)", p.Host, map[bool]string{true: "HTTPS_PROXY", false: "HTTP_PROXY"}[s.secure()])
}

// aroundProxy returns the remedy that bypasses the proxy.
func (s *session) aroundProxy() string {
	return "if clients reach the registry without the proxy, set NO_PROXY=" + s.base.Hostname()
}

// refuseProxy returns a proxy's refusal as a *proxyError.
func refuseProxy(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode != http.StatusOK {
		return &proxyError{answer.Status}
	}
	return nil
}

// proxyFault returns the result of a connection that failed at the proxy.
func (s *session) proxyFault(address string, err error) (Result, bool) {
	name := s.proxyName()
	if name == "" {
		return Result{}, false
	}
	if refusal, ok := errors.AsType[*proxyError](err); ok {
		return failed("proxy-refused", address+" through "+name, fmt.Sprintf("the proxy, not the registry, answers %s", refusal.status),
			"let the proxy connect to "+address+"; "+s.aroundProxy()), true
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "proxyconnect" {
		return failed("proxy-unreachable", address+" through "+name, "the proxy cannot be reached: "+op.Err.Error(), "correct the variable; "+s.aroundProxy()), true
	}
	return Result{}, false
}

// proxyAnswer returns the result for a plain HTTP response that came from the proxy instead of the
// registry.
func (s *session) proxyAnswer(a answer) (Result, bool) {
	name := s.proxyName()
	if name == "" || s.secure() || strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
		return Result{}, false
	}
	if a.status != http.StatusProxyAuthRequired && a.status != http.StatusForbidden && a.status < http.StatusInternalServerError {
		return Result{}, false
	}
	return failed("proxy-refused", fmt.Sprintf("%s through %s", s.hostPort(), name), fmt.Sprintf("the proxy, not the registry, answers %d", a.status),
		"let the proxy connect to "+s.hostPort()+"; "+s.aroundProxy()), true
}
