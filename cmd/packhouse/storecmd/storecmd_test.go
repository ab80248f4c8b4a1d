package storecmd

import (
	"errors"
	"io/fs"
	"os"
	"testing"
)

// TestAsOwner verifies that root, which became the owner of the store, is not advised to be root.
func TestAsOwner(t *testing.T) {
	denied := &fs.PathError{Op: "open", Path: "/store/blob", Err: fs.ErrPermission}
	for _, tc := range []struct {
		uid    int
		err    error
		hinted bool
	}{
		{os.Geteuid() + 1, denied, true},
		{os.Geteuid() + 1, errors.New("damaged"), false},
		{os.Geteuid() + 1, nil, false},
		{os.Geteuid(), denied, false},
	} {
		err := asOwner(tc.uid, tc.err)
		if !errors.Is(err, tc.err) || (err != tc.err) != tc.hinted { //nolint:errorlint // whether it was wrapped
			t.Errorf("asOwner(%d, %v): %v", tc.uid, tc.err, err)
		}
	}
}
