package certificates

import (
	"testing"

	"packhouse/server/config"
)

func TestClientAuthIsKnown(t *testing.T) {
	if _, err := clientAuth(config.TLS{ClientAuth: "perhaps"}); err == nil {
		t.Error("taken")
	}
	if _, err := cipherSuite("TLS_PERHAPS"); err == nil {
		t.Error("taken")
	}
}
