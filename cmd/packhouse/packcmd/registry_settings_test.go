package packcmd

import (
	"bytes"
	"strings"
	"testing"

	"packhouse/cmd/packhouse/cli"
)

// TestInsecureConnectionsAreReported verifies that every use of plain HTTP or of an unverified
// certificate is reported, except for plain HTTP on this machine.
func TestInsecureConnectionsAreReported(t *testing.T) {
	for _, tc := range []struct {
		connection connection
		want       string
	}{
		{connection{server: "packs.example.com", plain: true}, "is not encrypted"},
		{connection{server: "10.0.0.5:5000", plain: true}, "is not encrypted"},
		{connection{server: "localhost.example.com:5000", plain: true}, "is not encrypted"},
		{connection{server: "packs.example.com", insecure: true}, "is not verified"},
		{connection{server: "localhost:5000", insecure: true}, "is not verified"},
		{connection{server: "localhost:5000", plain: true}, ""},
		{connection{server: "127.0.0.1", plain: true}, ""},
		{connection{server: "[::1]:5000", plain: true}, ""},
		{connection{server: "packs.example.com"}, ""},
	} {
		var said bytes.Buffer
		warnInsecure((&cli.App{Stderr: &said}), tc.connection)
		if tc.want == "" && said.Len() > 0 || !strings.Contains(said.String(), tc.want) {
			t.Errorf("%+v: %q, want %q", tc.connection, said.String(), tc.want)
		}
	}
}
