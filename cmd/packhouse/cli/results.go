package cli

import (
	"errors"
	"fmt"
	"io"
)

// Results is standard output for all commands. It records the first failed write, so that commands
// need not check: a result that could not be written is a failure, even if everything else
// succeeded.
type Results struct {
	To    io.Writer
	cause error // first write error
}

// Write implements io.Writer.
func (r *Results) Write(p []byte) (int, error) {
	n, err := r.To.Write(p)
	if err != nil && r.cause == nil {
		r.cause = err
	}
	return n, err
}

// Delivered returns the error of a command that returned err: a failure if its result could not be
// written. Other errors of the command take precedence.
func (r *Results) Delivered(err error) error {
	if r.cause == nil {
		return err
	}
	exit, ended := errors.AsType[*ExitError](err)
	if err == nil || errors.Is(err, r.cause) || ended && exit.err == nil {
		return &ExitError{ExitFailed, WithHint(fmt.Errorf("write the result: %w", r.cause),
			"see where standard output goes; whatever else the command had to do is done")}
	}
	return err
}
