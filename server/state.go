package server

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"packhouse/server/auth"
	"packhouse/server/config"
	"packhouse/server/route"
)

// state is what the configuration makes of requests. It never changes; a reload puts another in its place, and requests that have begun go
// on with the one they began with.
type state struct {
	config  *config.Config
	prefix  string
	policy  *auth.Policy
	headers []header
	cors    cors
	proxies []netip.Prefix
	stall   time.Duration // no byte moved for this long ends a request

	registry handler
	packview handler
	pages    handler
}

// paths is what the configuration makes of paths.
func (st *state) paths() route.Paths {
	return route.Paths{Prefix: st.prefix, Packs: st.config.Packs.Base}
}

// handler answers what was granted. An error is worded by the server, unless the answer has begun.
type handler interface {
	Serve(w http.ResponseWriter, r *http.Request, g auth.Grant) error
}

type header struct {
	name   string // canonical
	values []string
}

// defaultStall is the stall timeout of a configuration that was made by hand.
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
	st := &state{cors: newCORS(c.HTTP.Headers), config: c, policy: policy, prefix: strings.TrimSuffix(c.HTTP.Prefix, "/"), proxies: proxies, stall: c.HTTP.Limits.StallTimeout}
	if st.stall <= 0 {
		st.stall = defaultStall
	}
	for name, values := range c.HTTP.Headers {
		st.headers = append(st.headers, header{http.CanonicalHeaderKey(name), slices.Clip(values)})
	}
	if err := s.addHandlers(st); err != nil {
		return nil, err
	}
	return st, nil
}

// answer hands a granted request to whom its action belongs.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, st *state, g auth.Grant) error {
	action := g.Request.Action
	if action == route.Health {
		return s.health(w, r)
	}
	switch kind, _, _ := strings.Cut(string(action), "."); kind {
	case "pack":
		return st.packview.Serve(w, r, g)
	case "page":
		return st.pages.Serve(w, r, g)
	}
	return st.registry.Serve(w, r, g)
}
