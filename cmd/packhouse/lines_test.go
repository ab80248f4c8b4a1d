//go:build unix

package main

import (
	"net"
	"strings"
	"testing"
)

// TestLinesAtATerminal: a password that is typed line by line is never echoed, nothing moves the cursor, and ctrl+c leaves with the terminal as it was.
func TestLinesAtATerminal(t *testing.T) {
	dir := t.TempDir()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	_ = listener.Close()
	c := openConsole(t, 100, 60, "setup", "--accessible", "--dir", dir+"/etc", "--hostname", "localhost", "--addr", addr, "--storage-path", dir+"/data")
	c.wants("Question 1 of")
	c.keys("\r\r\r\r")
	c.wants("add NAME ROLE")
	c.keys("password admin\r")
	c.wants("Password of admin, not shown")
	c.keys("never-to-be-seen\r")
	c.wants("Once more")
	c.keys("never-to-be-seen\r")
	c.wants("admin, admin, password typed")
	c.keys("\r\r\r\r")
	c.wants("Type write to write this")
	c.keys("write\r")
	c.wants("Enter stops it")
	c.keys("\x03")
	c.ends(0)
	if strings.Contains(c.all(), "never-to-be-seen") {
		t.Error("the password was echoed")
	}
	if strings.Contains(c.all(), "\x1b[") {
		t.Error("the cursor was moved")
	}

	c = openConsole(t, 100, 60, "setup", "--accessible", "--dir", dir+"/other")
	c.wants("Question 1 of")
	c.keys("\x03")
	c.ends(130)
	c = openConsole(t, 100, 60, "setup", "--accessible", "--dir", dir+"/other")
	c.wants("Question 1 of")
	c.keys("\x04")
	c.wants("the input has ended: nothing was written")
	c.ends(1)
}
