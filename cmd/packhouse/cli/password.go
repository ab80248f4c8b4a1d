package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"golang.org/x/term"

	"packhouse/setup"
	"packhouse/tui/echo"
)

// FirstLine returns the first line of data without its line ending.
func FirstLine(data []byte) []byte {
	line, _, _ := bytes.Cut(data, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r"))
}

// ReadSecret reads a password: the first line of r.
func ReadSecret(r io.Reader) (setup.Secret, error) {
	line, err := bufio.NewReader(r).ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read password: %w", err)
	}
	return setup.Secret(FirstLine(line)), nil
}

// ReadPassword asks for a password without echo. It disables the echo before it prints the prompt,
// so that an immediate answer is not shown either.
func ReadPassword(a *App, prompt string) (setup.Secret, error) {
	defer echo.Off(int(a.Stdin.Fd()))()
	fmt.Fprint(a.Stderr, prompt)
	defer fmt.Fprintln(a.Stderr)
	password, err := term.ReadPassword(int(a.Stdin.Fd()))
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	return setup.Secret(password), nil
}
