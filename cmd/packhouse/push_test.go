package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// push pushes a file as an artifact of one layer and tags it, and sets variables to what was pushed:
// push HOST CA USER PASSWORDFILE REPOSITORY TAG FILE sets BLOB and MANIFEST to the digests in hexadecimal.
func push(ts *testscript.TestScript, _ bool, args []string) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(ts.ReadFile(args[1])))
	p := pusher{
		ts: ts, base: "https://" + args[0] + "/v2/" + args[4] + "/", user: args[2], password: strings.TrimSpace(ts.ReadFile(args[3])),
		client: &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}},
	}
	defer p.client.CloseIdleConnections()
	layer, config := []byte(ts.ReadFile(args[6])), []byte("{}")
	p.send(http.MethodPost, "blobs/uploads/?digest="+digestOf(layer), "application/octet-stream", layer)
	p.send(http.MethodPost, "blobs/uploads/?digest="+digestOf(config), "application/octet-stream", config)
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": manifestType, "artifactType": "application/vnd.test",
		"config": descriptor("application/vnd.oci.empty.v1+json", config),
		"layers": []any{descriptor("application/octet-stream", layer)},
	})
	ts.Check(err)
	p.send(http.MethodPut, "manifests/"+args[5], manifestType, manifest)
	ts.Setenv("BLOB", strings.TrimPrefix(digestOf(layer), "sha256:"))
	ts.Setenv("MANIFEST", strings.TrimPrefix(digestOf(manifest), "sha256:"))
}

const manifestType = "application/vnd.oci.image.manifest.v1+json"

func digestOf(content []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }

func descriptor(mediaType string, content []byte) map[string]any {
	return map[string]any{"mediaType": mediaType, "digest": digestOf(content), "size": len(content)}
}

type pusher struct {
	ts                   *testscript.TestScript
	client               *http.Client
	base, user, password string
}

// send makes one request that has to create something.
func (p pusher) send(method, path, mediaType string, body []byte) {
	request, err := http.NewRequestWithContext(context.Background(), method, p.base+path, bytes.NewReader(body))
	p.ts.Check(err)
	request.Header.Set("Content-Type", mediaType)
	request.SetBasicAuth(p.user, p.password)
	response, err := p.client.Do(request)
	p.ts.Check(err)
	defer response.Body.Close() //nolint:errcheck // read only
	answer, err := io.ReadAll(response.Body)
	p.ts.Check(err)
	if response.StatusCode != http.StatusCreated {
		p.ts.Fatalf("%s %s: %s: %s", method, path, response.Status, answer)
	}
}
