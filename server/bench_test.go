package server

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"packhouse/server/config"
	"packhouse/server/observe"
)

// BenchmarkPing compares a request of a remembered user with one where nobody is asked: the gate is to cost next to nothing.
func BenchmarkPing(b *testing.B) {
	for name, method := range map[string]string{"remembered": config.AuthHtpasswd, "without authentication": config.AuthNone} {
		b.Run(name, func(b *testing.B) {
			path := b.TempDir() + "/htpasswd"
			hash, err := hashOf(readerPassword)
			if err != nil {
				b.Fatal(err)
			}
			if err := writeFile(path, "spectro:"+hash+"\n"); err != nil {
				b.Fatal(err)
			}
			c := &config.Config{
				Storage: config.Storage{Driver: config.InMemory},
				Auth:    config.Auth{Method: method, Htpasswd: config.Htpasswd{Realm: "r", Path: path}},
			}
			s, err := New(b.Context(), Options{Config: c, Log: observe.NewLogger(config.Log{}, io.Discard, new(slog.LevelVar)), AdminSocket: "-"})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Shutdown(b.Context())
			r := httptest.NewRequest(http.MethodGet, "/v2/", nil)
			r.SetBasicAuth("spectro", readerPassword)
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				if s.ServeHTTP(w, r); w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
			}
		})
	}
}
