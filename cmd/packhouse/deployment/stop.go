package deployment

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"packhouse/server/admin"
	"packhouse/server/config"
)

// StopWithin is how long a server may take to finish its requests.
const StopWithin = time.Minute

// SignalServer sends SIGTERM to the server's process. pid is its ID on this machine: a server in a
// container reports another one.
func SignalServer(pid int, status admin.Status) error {
	if pid <= 1 || pid != status.PID {
		return fmt.Errorf("stop server: on this machine, process %d does not serve %s; "+
			"if the server runs in a container, stop the container", status.PID, status.Address)
	}
	process, err := os.FindProcess(pid)
	if err == nil {
		err = process.Signal(syscall.SIGTERM)
	}
	if err != nil {
		return fmt.Errorf("signal process %d: %w", pid, err)
	}
	return nil
}

// AwaitEnd waits until no server of the configuration responds, or until ctx ends.
func AwaitEnd(ctx context.Context, c *config.Config, dir string) error {
	for {
		client, err := FindServer(c, dir)
		if errors.Is(err, admin.ErrNotRunning) {
			return nil
		}
		if err == nil {
			client.Close()
		}
		select {
		case <-ctx.Done():
			return errors.New("the server was asked to stop and is still finishing requests")
		case <-time.After(100 * time.Millisecond):
		}
	}
}
