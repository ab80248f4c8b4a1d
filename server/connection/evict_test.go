package connection

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"packhouse/server/auth"
	"packhouse/server/auth/htpasswd"
	"packhouse/server/config"
)

// pipe is one end of a connection from this machine.
type pipe struct{ net.Conn }

func (pipe) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// TestBusyAndProvenConnectionsStay checks that neither a connection with a request in progress nor one
// with an authenticated request is evicted, and that a new one waits until one is idle.
func TestBusyAndProvenConnectionsStay(t *testing.T) {
	const password = "canary-writer-4712"
	hash, err := htpasswd.HashCost([]byte(password), htpasswd.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(file, []byte("ci:"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	users, err := auth.NewAuthenticator(
		config.Auth{Method: config.AuthHtpasswd, Htpasswd: config.Htpasswd{Path: file}},
		auth.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		const busyPath = "/busy"
		finish := make(chan struct{})
		from := peers{next: make(chan net.Conn, 3)}
		l := Limit(from, 2, func(netip.Addr) bool { return false })
		h := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == busyPath {
				c := connectionOf(r)
				c.begin()
				c.grant()
				defer c.settle(granted)
				<-finish
			} else if _, err := users.Authenticate(r); err != nil {
				w.WriteHeader(http.StatusUnauthorized)
			}
		})}
		l.Serve(h)
		go func() { _ = h.Serve(l) }()
		dial := func() net.Conn {
			client, server := net.Pipe()
			t.Cleanup(func() { _ = client.Close() })
			from.next <- pipe{server}
			return client
		}
		// ask sends a request, and waits until it is answered or has to wait.
		ask := func(c net.Conn, path string) (status chan string) {
			status = make(chan string, 1)
			go func() {
				_, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\n\r\n",
					path, base64.StdEncoding.EncodeToString([]byte("ci:"+password)))
				if err != nil {
					status <- err.Error()
					return
				}
				answer, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					status <- err.Error()
					return
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				status <- answer.Status
			}()
			synctest.Wait()
			return status
		}
		want := func(what string, status chan string, want string) {
			t.Helper()
			got := "none"
			select {
			case got = <-status:
			default:
			}
			if got != want {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
		}
		proven := dial()
		want("sign in", ask(proven, "/v2/"), "200 OK")
		busy := ask(dial(), busyPath)
		late := ask(dial(), "/v2/")
		want("one more connection than the limit", late, "none")
		want("the busy connection", busy, "none")
		close(finish)
		synctest.Wait()
		want("the busy connection", busy, "200 OK")
		want("once a connection is idle", late, "200 OK")
		want("the connection that has authenticated", ask(proven, "/v2/"), "200 OK")
		_ = h.Close()
	})
}
