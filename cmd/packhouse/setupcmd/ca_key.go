package setupcmd

import (
	"context"

	"packhouse/cmd/packhouse/certcmd"
)

// moveCAKey moves the key of the private CA in dir to the file given by --move-ca-key, if any.
func (s *Run) moveCAKey(ctx context.Context, dir string) error {
	if s.o.moveCAKey == "" {
		return nil
	}
	return certcmd.MoveCAKey(ctx, s.App, dir, s.o.moveCAKey)
}
