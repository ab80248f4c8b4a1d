package main

import (
	"errors"
	"fmt"
	"io"
)

// results is standard output as every command writes to it. It remembers the first write that failed, so that no command has to look: a
// result that nobody got is a failure, whatever else went well.
type results struct {
	to    io.Writer
	cause error // of the first write that failed
}

// Write implements io.Writer.
func (r *results) Write(p []byte) (int, error) {
	n, err := r.to.Write(p)
	if err != nil && r.cause == nil {
		r.cause = err
	}
	return n, err
}

// delivered is how a command ends that ended with err: with a failure where its result did not arrive. What went wrong besides weighs more.
func (r *results) delivered(err error) error {
	if r.cause == nil {
		return err
	}
	exit, ended := errors.AsType[*exitError](err)
	if err == nil || errors.Is(err, r.cause) || ended && exit.err == nil {
		return &exitError{exitFailed, withHint(fmt.Errorf("write the result: %w", r.cause),
			"see where standard output goes; whatever else the command had to do is done")}
	}
	return err
}
