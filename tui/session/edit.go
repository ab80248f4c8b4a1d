package session

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// maxEdited bounds in bytes what is read back from an editor.
const maxEdited = 1 << 20

// EditCommand writes a copy of the content to repair, which only this user can read because it may
// contain secrets, and returns its path and the command that edits it. Pass the path to Edited
// after the command has ended.
func (s *Session) EditCommand() (path string, command *exec.Cmd, err error) {
	path, err = copyToEdit(s.Repair.Data())
	if err != nil {
		return "", nil, err
	}
	if s.Options.Editor != nil {
		command = s.Options.Editor(path)
	}
	if command == nil {
		_ = os.Remove(path)
		return "", nil, errors.New("no editor found: set the environment variable EDITOR")
	}
	return path, command, nil
}

// Edited makes the edited copy the draft and removes the file. It reports whether the draft
// changed.
func (s *Session) Edited(path string, editorErr error) (bool, error) {
	data, err := readEdited(path)
	switch {
	case editorErr != nil:
		return false, fmt.Errorf("the editor ended with an error, so the edits are discarded: %w", editorErr)
	case err != nil || bytes.Equal(data, s.Repair.Data()):
		return false, err
	}
	s.Repair.Draft = data
	return true, nil
}

// copyToEdit writes data to a temporary file that only this user can read.
func copyToEdit(data []byte) (string, error) {
	file, err := os.CreateTemp("", "myconfig-*.yml") // 0600
	if err != nil {
		return "", fmt.Errorf("copy the file: %w", err)
	}
	_, err = file.Write(data)
	if err := errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(file.Name())
		return "", fmt.Errorf("copy the file: %w", err)
	}
	return file.Name(), nil
}

// readEdited reads the edited copy and removes it.
func readEdited(path string) ([]byte, error) {
	defer func() { _ = os.Remove(path) }()
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the edited copy: %w", err)
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxEdited+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the edited copy: %w", err)
	case len(data) > maxEdited:
		return nil, errors.New("read the edited copy: it is larger than 1 MiB")
	}
	return data, nil
}
