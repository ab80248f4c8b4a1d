package cli

import (
	"bytes"
	"fmt"

	"golang.org/x/term"

	"packhouse/tui/echo"
)

// FirstLine returns the first line of data without its line ending.
func FirstLine(data []byte) []byte {
	line, _, _ := bytes.Cut(data, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r"))
}

// ReadPassword asks for a password without echo. It disables the echo before it prints the prompt,
// so that an immediate answer is not shown either.
func ReadPassword(a *App, prompt string) ([]byte, error) {
	defer echo.Off(int(a.Stdin.Fd()))()
	fmt.Fprint(a.Stderr, prompt)
	defer fmt.Fprintln(a.Stderr)
	password, err := term.ReadPassword(int(a.Stdin.Fd()))
	if err != nil {
		return nil, fmt.Errorf("read password: %w", err)
	}
	return password, nil
}
