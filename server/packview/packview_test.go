package packview_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"packhouse/server/auth"
	"packhouse/server/packview"
	"packhouse/server/reference"
	"packhouse/server/route"
)

// names is a store that lists repositories.
type names struct {
	packview.Store
	all []string
}

func (s names) Repositories(_ context.Context, last string, n int, visible func(reference.Repository) bool) (page []string, more bool, err error) {
	slices.Sort(s.all)
	for _, name := range s.all {
		repository, err := reference.ParseRepository(name)
		if err != nil {
			return nil, false, err
		}
		if name <= last || !visible(repository) {
			continue
		}
		if len(page) == n {
			return page, true, nil
		}
		page = append(page, name)
	}
	return page, false, nil
}

var store = names{all: []string{
	"nginx", "spectro-packs", "spectro-packs/archive", "spectro-packs/archive/nginx", "spectro-packs/archive/nginx-ingress", "spectro-packs/archive/a.b",
	"spectro-packs/archive/deep/er", "spectro-packs/archive/secret", "team/spectro-packs/archive/own", "zzz",
}}

// folders is a store that lists the repositories of a folder by themselves, and no others.
type folders struct{ names }

func (s folders) Repositories(context.Context, string, int, func(reference.Repository) bool) ([]string, bool, error) {
	return nil, false, errors.New("all repositories were listed")
}

func (s folders) RepositoriesIn(ctx context.Context, prefix, last string, n int, visible func(reference.Repository) bool) ([]string, bool, error) {
	return s.names.Repositories(ctx, last, n, func(r reference.Repository) bool { return strings.HasPrefix(r.String(), prefix) && visible(r) })
}

func get(t *testing.T, v *packview.View, target string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("GET", target, nil)
	req, err := route.Paths{}.Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := v.Serve(w, r, auth.Grant{Request: req, Visible: func(r reference.Repository) bool { return !strings.HasSuffix(r.String(), "secret") }}); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestTheCatalogueShowsPacksByName(t *testing.T) {
	for base, want := range map[string]string{
		"": `{"repositories":["a.b","nginx","nginx-ingress"]}`, "team": `{"repositories":["own"]}`, "other": `{"repositories":[]}`,
	} {
		for _, store := range []packview.Store{store, folders{store}} {
			w := get(t, packview.New(packview.Options{Store: store}), "/v1/_catalog?base="+base)
			if w.Code != 200 || w.Body.String() != want || w.Header().Get("Link") != "" || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("below %q: %d %s %v", base, w.Code, w.Body, w.Header())
			}
		}
	}
}

func TestPagesOfTheCatalogueAreLinked(t *testing.T) {
	v := packview.New(packview.Options{Store: store, Base: "/prefix"})
	w := get(t, v, "/v1/_catalog?n=2")
	if w.Body.String() != `{"repositories":["a.b","nginx"]}` || w.Header().Get("Link") != `</prefix/v1/_catalog?last=nginx&n=2>; rel="next"` {
		t.Errorf("%s %v", w.Body, w.Header())
	}
	w = get(t, v, "/v1/_catalog?n=2&last=nginx")
	if w.Body.String() != `{"repositories":["nginx-ingress"]}` || w.Header().Get("Link") != "" {
		t.Errorf("%s %v", w.Body, w.Header())
	}
	w = get(t, v, "/v1/_catalog?n=0")
	if w.Body.String() != `{"repositories":[]}` || w.Header().Get("Link") != "" {
		t.Errorf("%s %v", w.Body, w.Header())
	}
	w = get(t, packview.New(packview.Options{Store: store, MaxCatalog: 1}), "/v1/_catalog?n=1000")
	if w.Body.String() != `{"repositories":["a.b"]}` {
		t.Errorf("%s", w.Body)
	}
}

func TestPing(t *testing.T) {
	if w := get(t, packview.New(packview.Options{Store: store}), "/v1/"); w.Code != 200 || w.Body.String() != `{}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// broken is a store whose listing fails.
type broken struct{ packview.Store }

var errBroken = errors.New("broken")

func (broken) Repositories(context.Context, string, int, func(reference.Repository) bool) ([]string, bool, error) {
	return nil, false, errBroken
}

func TestErrorsOfTheStoreComeOut(t *testing.T) {
	v := packview.New(packview.Options{Store: broken{}})
	err := v.Serve(httptest.NewRecorder(), httptest.NewRequest("GET", "/v1/_catalog", nil), auth.Grant{Request: route.Request{Action: route.PackCatalog}})
	if !errors.Is(err, errBroken) {
		t.Error(err)
	}
	if v.Serve(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), auth.Grant{Request: route.Request{Action: route.Ping}}) == nil {
		t.Error("an action of another was served")
	}
}
