// Package registrytest is the protocol suite: what the OCI distribution specification 1.1 demands of a registry, section by section, each
// demand a row that is named after its section and says it.
//
//	registrytest.Run(t, func(t *testing.T) string { return registrytest.Serve(t, registry.Options{Store: store}) })
//
// It speaks HTTP and knows nothing of what is behind, so it runs over every storage engine and against whole servers.
package registrytest

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"packhouse/server/auth"
	"packhouse/server/packview"
	"packhouse/server/problem"
	"packhouse/server/registry"
	"packhouse/server/route"
)

// row is one demand. Each gets a repository of its own.
type row struct {
	name string
	run  func(c *client)
}

// RunSparse checks a registry with registry.Options.Sparse, as Run does.
func RunSparse(t *testing.T, open func(t *testing.T) string) {
	base := open(t)
	for i, r := range sparseRows {
		t.Run(r.name, func(t *testing.T) { r.run(newClient(t, base, "sparse", i)) })
	}
}

// Run checks the registry at the address that open returns: the URL of its root, without a slash at its end. Whoever asks must be let do
// everything, deletion included. Rows leave content behind in repositories below "suite".
func Run(t *testing.T, open func(t *testing.T) string) {
	base := open(t)
	for _, section := range []struct {
		name string
		rows []row
	}{
		{"version check", versionRows},
		{"pulling manifests", pullManifestRows},
		{"pulling blobs", pullBlobRows},
		{"pushing a blob monolithically", monolithicRows},
		{"pushing a blob in chunks", chunkRows},
		{"broken uploads", brokenRows},
		{"mounting a blob", mountRows},
		{"pushing manifests", pushManifestRows},
		{"pushing manifests that are none", badManifestRows},
		{"pushing manifests with preconditions", preconditionRows},
		{"listing tags", tagRows},
		{"listing repositories", catalogRows},
		{"listing referrers", referrerRows},
		{"deleting", deleteRows},
		{"error codes", errorRows},
	} {
		t.Run(section.name, func(t *testing.T) {
			for i, r := range section.rows {
				t.Run(r.name, func(t *testing.T) { r.run(newClient(t, base, section.name, i)) })
			}
		})
	}
}

// Serve runs a registry for the time of a test and returns its URL. It asks nobody for a password: a user named reader or writer in the
// Authorization header has that role, everybody else is an admin.
func Serve(t *testing.T, o registry.Options) string {
	t.Helper()
	server := httptest.NewServer(Handler(o))
	t.Cleanup(server.Close)
	return server.URL
}

// Handler is what Serve serves.
func Handler(o registry.Options) http.Handler {
	g, v := registry.New(o), packview.New(packview.Options{Store: o.Store, Base: o.Base})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, err := route.Paths{}.Parse(r)
		if err == nil {
			user, _, _ := r.BasicAuth()
			grant := auth.Grant{Request: req, Identity: auth.Identity{User: user, Anonymous: user == ""}, Role: roleOf(user)}
			switch req.Action {
			case route.PackPing, route.PackCatalog:
				err = v.Serve(w, r, grant)
			default:
				err = g.Serve(w, r, grant)
			}
		}
		if err != nil {
			_ = problem.Write(w, r, err) // what was sent is for logs
		}
	})
}

func roleOf(user string) auth.Role {
	switch user {
	case "reader":
		return auth.Reader
	case "writer":
		return auth.Writer
	}
	return auth.Admin
}
