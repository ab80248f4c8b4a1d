package verify

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"packhouse/server/config"
)

// Limits beyond which a setting protects nothing. They are far above the defaults.
const (
	maxGuesses       = 10_000 // passwords per hour for a user from an address
	maxConnections   = 1_000_000
	maxRequests      = 100_000
	maxUploads       = 10_000
	maxHeaderBytes   = 1 << 20
	maxStallTimeout  = time.Hour
	maxLockoutDelay  = time.Hour
	maxClientCAs     = 20 // in a file; the bundle of a system has more than 100
	unlimitedGuesses = 1 << 62
)

// settingRule is a warning about a setting.
type settingRule struct {
	unsafe                  bool
	code, key, what, remedy string
}

// warn adds the warnings that apply.
func (v *verifier) warn(rules []settingRule) {
	for _, rule := range rules {
		if rule.unsafe {
			v.warnf(rule.code, rule.key, rule.remedy, "%s", rule.what)
		}
	}
}

// unsafeFront warns about a server on loopback that a proxy makes public.
func (v *verifier) unsafeFront() {
	c := v.loaded.Config
	if !config.Local(c.HTTP.Net, c.HTTP.Addr) {
		return
	}
	open, proxies, public := c.Auth.Method == config.AuthNone, len(c.HTTP.TrustedProxies) > 0, publicHost(c.HTTP.Host)
	v.warn([]settingRule{
		{
			open && (proxies || public), config.CodeOpen, "auth",
			": no password is required, so anyone who reaches the proxy in front of this server can push and delete",
			"give auth.htpasswd, unless the proxy signs every client in",
		},
		{
			open && proxies && c.HTTP.Net != "unix" &&
				c.HTTP.Host == "", config.CodeProxiesHost, "http.trustedproxies",
			": without a password, the server refuses what a proxy passes on, " +
				"except to names of this machine and of its certificate",
			"set http.host to the URL that clients use",
		},
		{
			!open && public && strings.HasPrefix(c.HTTP.Host, "http://"), config.CodePlainPasswords, "http.host",
			": clients send their passwords unencrypted to " + config.Quote(c.HTTP.Host),
			"let the proxy speak TLS, and write its https URL",
		},
	})
}

// unsafeSettings warns about single settings that protect nothing, or permit more than intended.
func (v *verifier) unsafeSettings() {
	c := v.loaded.Config
	lockout, htpasswd := c.Auth.Htpasswd.Lockout, c.Auth.Method == config.AuthHtpasswd
	v.warn([]settingRule{
		{
			c.HTTP.TLS.Enabled() && c.HTTP.TLS.ClientAuth != "" && !verifiesClients(c.HTTP.TLS) &&
				len(c.Auth.Htpasswd.ClientNames) == 0,
			config.CodeClientAuth, "http.tls.clientauth",
			fmt.Sprintf(": %s verifies no client certificate, so clients can present any", c.HTTP.TLS.ClientAuth),
			"use require-and-verify-client-cert with http.tls.clientcas, or remove it",
		},
		{
			htpasswd && guessesPerHour(lockout) > maxGuesses, config.CodeLockoutWeak, "auth.htpasswd.lockout",
			": it permits more than 10,000 guesses per hour for a user from one address",
			"use its defaults: attempts: 10, window: 5m, delay: 1s",
		},
		{
			htpasswd && lockout.MaxDelay > maxLockoutDelay, config.CodeLockoutLong, "auth.htpasswd.lockout.maxdelay",
			": wrong passwords of anyone delay the first sign-in of a user for more than an hour", "use at most 1h",
		},
		{
			htpasswd && onlyWriters(c.Auth.Htpasswd.Rules), config.CodeRulesNoReader, "auth.htpasswd.rules",
			": with rules, users read only what a rule or role names, and no rule has the role reader",
			`add {repositories: "**", users: ["*"], role: reader} if every user may read everything`,
		},
	})
	v.unsafeLimits(c.HTTP.Limits)
	v.unsafeHeaders(c.HTTP.Headers)
	v.unsafeOrigins()
	if htpasswd {
		v.unsafeRules()
	}
}

// unsafeLimits warns about limits so large that they protect nothing.
func (v *verifier) unsafeLimits(l config.Limits) {
	const larger, high = ": the limit is so large that it protects nothing", config.CodeLimitsHigh
	v.warn([]settingRule{
		{l.Connections > maxConnections, high, "http.limits.connections", larger, "use at most 1000000"},
		{l.Requests > maxRequests, high, "http.limits.requests", larger, "use at most 100000"},
		{l.UploadsPerUser > maxUploads, high, "http.limits.uploadsperuser", larger, "use at most 10000"},
		{l.HeaderBytes > maxHeaderBytes, high, "http.limits.headerbytes", larger, "use at most 1MiB"},
		{l.StallTimeout > maxStallTimeout, high, "http.limits.stalltimeout", larger, "use at most 1h"},
		{l.BodyStallTimeout > maxStallTimeout, high, "http.limits.bodystalltimeout", larger, "use at most 1h"},
		{
			l.BodyRate <= 0, high, "http.limits.bodyrate", ": a client can hold a request open for days with a few bytes",
			"remove the line to use the default, 128",
		},
	})
}

// unsafeHeaders warns about default headers that the configuration removes.
func (v *verifier) unsafeHeaders(headers map[string][]string) {
	const remedy = "remove the line to send the default"
	for _, h := range []struct{ name, what string }{
		{config.PolicyHeader, " is removed, so pages of the registry can load and run content of other sites"},
		{config.FrameHeader, " is removed, so pages of other sites can show the registry in a frame"},
		{config.SniffHeader, " is removed, so browsers can run content of the registry as another type"},
	} {
		if emptied(headers[h.name]) {
			v.warnf(config.CodeHeadersRemoved, config.Join("http.headers", h.name), remedy, "%s", h.what)
		}
	}
}

// verifiesClients reports whether the server verifies client certificates against
// http.tls.clientcas.
func verifiesClients(t config.TLS) bool {
	return t.Enabled() && len(t.ClientCAs) > 0 && (t.ClientAuth == "" || strings.Contains(t.ClientAuth, "verify"))
}

// guessesPerHour returns about how many passwords a client at one address can try for one user.
func guessesPerHour(l config.Lockout) int64 {
	if l.Delay <= 0 {
		return unlimitedGuesses
	}
	return max(
		int64(time.Hour/l.MaxDelay),
		int64(l.Attempts)*int64(time.Hour/time.Second)/int64(l.Window/time.Second),
	)
}

// publicHost reports whether http.host, a URL or empty, names another host than this machine.
func publicHost(host string) bool {
	u, err := url.Parse(host)
	return err == nil && u.Host != "" && !loopbackName(u.Hostname())
}

// emptied reports whether the configuration removed a default header, or set it to nothing.
func emptied(values []string) bool { return strings.TrimSpace(strings.Join(values, "")) == "" }

// unsafeOrigins warns about plain HTTP sites that may use a registry with TLS: an attacker on the
// network can change their pages.
func (v *verifier) unsafeOrigins() {
	c := v.loaded.Config
	if !c.HTTP.TLS.Enabled() {
		return
	}
	for part := range strings.SplitSeq(strings.Join(c.HTTP.Headers[config.OriginHeader], ","), ",") {
		u, err := url.Parse(strings.TrimSpace(part))
		if err == nil && u.Scheme == "http" && u.Host != "" && !loopbackName(u.Hostname()) {
			v.warnf(config.CodeOriginPlain, config.Join("http.headers", config.OriginHeader),
				"serve those pages over https, and list that origin",
				": pages of %s can be changed on their way, and then use the registry with the rights of their reader",
				config.Quote(u.Scheme+"://"+u.Host))
		}
	}
}

// onlyWriters reports whether rules only add rights, as it seems, but take the right to read from
// the users that they do not name.
func onlyWriters(rules []config.Rule) bool {
	return len(rules) > 0 && !slices.ContainsFunc(rules, func(r config.Rule) bool {
		return r.Role == "reader" || slices.Contains(r.Users, config.EveryUser) && config.CoversAll(r.Repositories)
	})
}

// unsafeRules warns about rules that make every user an admin, or a writer of every repository.
func (v *verifier) unsafeRules() {
	for i, rule := range v.loaded.Config.Auth.Htpasswd.Rules {
		if !slices.Contains(rule.Users, config.EveryUser) {
			continue
		}
		key := fmt.Sprintf("auth.htpasswd.rules[%d].users", i)
		switch {
		case rule.Role == "admin":
			v.warnf(config.CodeRoleEveryone, key, "list the users who need the role",
				": every user is an admin of %s, and can delete there", config.Quote(rule.Repositories))
		case rule.Role == "writer" && config.CoversAll(rule.Repositories):
			v.warnf(config.CodeRoleEveryone, key, "list the users who need the role, or the repositories",
				": every user can push to every repository")
		}
	}
}
