package server

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"packhouse/server/auth"
	"packhouse/server/config"
	"packhouse/server/connection"
	"packhouse/server/health"
	"packhouse/server/route"
)

// state is the immutable state derived from the configuration. A reload replaces it; requests in
// progress keep theirs.
type state struct {
	config  *config.Config
	prefix  string
	policy  *auth.Policy
	headers []header
	cors    cors
	proxies []netip.Prefix
	stall   time.Duration // a response without progress for this long is ended
	body    connection.BodyLimits

	health   *health.Checks
	registry handler
	packview handler
	pages    handler
}

// paths returns the configuration for parsing paths.
func (st *state) paths() route.Paths {
	return route.Paths{Prefix: st.prefix, Packs: st.config.Packs.Base}
}

// handler responds to a granted request. The server sends the error it returns, unless the response
// has started.
type handler interface {
	Serve(w http.ResponseWriter, r *http.Request, g auth.Grant) error
}

type header struct {
	name   string // canonical
	values []string
}

// defaultStall is the stall timeout for a configuration that was not parsed from a file.
const defaultStall = time.Minute

func (s *Server) newState(c *config.Config) (*state, error) {
	policy, err := auth.NewPolicy(c.Auth, auth.State{DeleteEnabled: c.Storage.Delete.Enabled, ReadOnly: c.Storage.Maintenance.ReadOnly.Enabled})
	if err != nil {
		return nil, err
	}
	proxies, err := parseProxies(c.HTTP.TrustedProxies)
	if err != nil {
		return nil, err
	}
	st := &state{
		config: c, policy: policy, health: s.health, cors: newCORS(c.HTTP.Headers), proxies: proxies,
		prefix: strings.TrimSuffix(c.HTTP.Prefix, "/"),
		stall:  c.HTTP.Limits.StallTimeout, body: connection.NewBodyLimits(c.HTTP.Limits),
	}
	if st.stall <= 0 {
		st.stall = defaultStall
	}
	for name, values := range c.HTTP.Headers {
		st.headers = append(st.headers, header{http.CanonicalHeaderKey(name), slices.Clip(values)})
	}
	if err := addHandlers(s, st); err != nil {
		return nil, err
	}
	return st, nil
}

// serve passes a granted request to the handler of its action.
func (st *state) serve(w http.ResponseWriter, r *http.Request, g auth.Grant) error {
	switch g.Request.Action.API() {
	case route.APIHealth:
		return st.health.Serve(w, r)
	case route.APIPacks:
		return st.packview.Serve(w, r, g)
	case route.APIPages:
		return st.pages.Serve(w, r, g)
	default:
		return st.registry.Serve(w, r, g)
	}
}
