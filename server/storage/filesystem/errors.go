package filesystem

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"

	"packhouse/server/storage"
)

// deviceErrors are what a system call returns when the device or the connection behind a file
// system fails.
var deviceErrors = append([]error{
	syscall.EIO, syscall.ENXIO, syscall.ENODEV, syscall.ESTALE, syscall.ETIMEDOUT, syscall.EBADMSG, syscall.ENOTCONN,
}, systemDeviceErrors...)

// mapped wraps system errors in the matching sentinel of package storage.
func mapped(err error) error {
	is := func(target error) bool { return errors.Is(err, target) }
	switch {
	case err == nil, slices.ContainsFunc(sentinels, is):
		return err
	case is(syscall.ENOSPC), is(syscall.EDQUOT):
		return fmt.Errorf("%w: %w", storage.ErrFull, err)
	case is(syscall.EROFS), is(fs.ErrPermission):
		return fmt.Errorf("%w: %w", storage.ErrUnwritable, err)
	case slices.ContainsFunc(deviceErrors, is):
		return fmt.Errorf("%w: %w", storage.ErrUnavailable, err)
	}
	return err
}

// sentinels are the errors that mapped returns unchanged.
var sentinels = []error{
	storage.ErrFull, storage.ErrReadOnly, storage.ErrUnwritable, storage.ErrUnavailable, storage.ErrFailing,
	storage.ErrUploadUnknown,
}

// unavailable is mapped for an error that blocks all changes: an error without another meaning
// becomes storage.ErrUnavailable.
func unavailable(err error) error {
	if err = mapped(err); err == nil || slices.ContainsFunc(sentinels, func(s error) bool { return errors.Is(err, s) }) {
		return err
	}
	return fmt.Errorf("%w: %w", storage.ErrUnavailable, err)
}

// mapping replaces the error that a change returns with the mapped one. It is deferred.
func mapping(err *error) { *err = mapped(*err) }

// absent reports whether err means that a name does not exist.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
