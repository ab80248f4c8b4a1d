//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package echo

import (
	"os"
	"strings"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// TestTypedAheadIsNotShown: also what is typed before anybody reads it.
func TestTypedAheadIsNotShown(t *testing.T) {
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer slave.Close()
	before, err := term.GetState(int(slave.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	outer := Off(int(slave.Fd()))
	inner := Off(int(slave.Fd()))
	if _, err := master.WriteString("secret\n"); err != nil {
		t.Fatal(err)
	}
	inner()
	if _, err := master.WriteString("again\n"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := slave.Read(make([]byte, 64)); err != nil {
			t.Fatal(err)
		}
	}
	outer()
	if after, err := term.GetState(int(slave.Fd())); err != nil || *after != *before {
		t.Errorf("the terminal is not what it was: %v", err)
	}
	if _, err := slave.WriteString("the end"); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 256)
	n, err := master.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	if shown := string(buffer[:n]); strings.Contains(shown, "secret") || strings.Contains(shown, "again") {
		t.Errorf("shown: %q", shown)
	}
}

func TestNoTerminal(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	Off(int(null.Fd()))()
}
