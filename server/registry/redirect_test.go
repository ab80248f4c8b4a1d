package registry_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/auth"
	"packhouse/server/problem"
	"packhouse/server/reference"
	"packhouse/server/registry"
	"packhouse/server/route"
	"packhouse/server/storage"
)

func TestRedirectSendsReadersToTheEngine(t *testing.T) {
	d := digest.FromString("somewhere else")
	repo, err := reference.ParseRepository("demo")
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		address string
		err     error
		status  int
	}{
		"to the engine":    {"https://engine.example/blob?signature=x", nil, http.StatusTemporaryRedirect},
		"not linked there": {"", storage.ErrBlobUnknown, http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			g := registry.New(registry.Options{Redirect: func(_ context.Context, asked reference.Repository, of digest.Digest) (string, error) {
				if asked != repo || of != d {
					return "", errors.New("asked for something else")
				}
				return row.address, row.err
			}})
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, "/v2/demo/blobs/"+d.String(), http.NoBody)
			if err := g.Serve(w, r, auth.Grant{Request: route.Request{Action: route.BlobRead, Repository: repo, Digest: d}, Role: auth.Reader}); err != nil {
				problem.Write(w, r, err)
			}
			if w.Code != row.status || w.Header().Get("Location") != row.address {
				t.Errorf("%d to %q, want %d to %q", w.Code, w.Header().Get("Location"), row.status, row.address)
			}
		})
	}
}
