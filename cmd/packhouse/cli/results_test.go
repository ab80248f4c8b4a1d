package cli

import (
	"errors"
	"io"
	"syscall"
	"testing"
)

// full is a device without space.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// TestWhatWentWrongWeighsMore than the result that was lost over it.
func TestWhatWentWrongWeighsMore(t *testing.T) {
	lost := &Results{To: full{}}
	if _, err := lost.Write([]byte("x")); err == nil {
		t.Fatal("it was written")
	}
	cause := errors.New("the disk is gone")
	for _, tc := range []struct {
		err  error
		code int
		says error
	}{
		{nil, ExitFailed, syscall.ENOSPC},
		{Silent(ExitFindings), ExitFailed, syscall.ENOSPC},
		{errors.Join(Silent(ExitPending), lost.cause), ExitFailed, syscall.ENOSPC},
		{cause, ExitFailed, cause},
		{&ExitError{ExitUsage, cause}, ExitUsage, cause},
	} {
		err := lost.Delivered(tc.err)
		if got := Classify(t.Context(), err); got.Code != tc.code || !errors.Is(err, tc.says) {
			t.Errorf("%v: %d, %v", tc.err, got.Code, err)
		}
	}
	if err := (&Results{To: io.Discard}).Delivered(nil); err != nil {
		t.Error(err)
	}
}
