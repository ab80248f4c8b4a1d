package server_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"packhouse/server"
	"packhouse/server/config"
)

// A Server is an http.Handler. This one keeps its content in memory and asks for no passwords.
func ExampleNew() {
	const document = `
version: 0.1
storage: inmemory
http: {addr: "127.0.0.1:0"}
`
	loaded, err := config.Load(config.Source{Path: "myconfig.yml", Data: []byte(document)})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	registry, err := server.New(ctx, server.Options{
		Config: &loaded.Config, Log: slog.New(slog.DiscardHandler), AdminSocket: "-",
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = registry.Shutdown(ctx) }()

	for _, path := range []string{"/v2/", "/v2/_catalog", "/v2/missing/tags/list"} {
		recorder := httptest.NewRecorder()
		registry.ServeHTTP(recorder, httptest.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil))
		fmt.Println(recorder.Code, path)
	}

	// Output:
	// 200 /v2/
	// 200 /v2/_catalog
	// 404 /v2/missing/tags/list
}
