package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"packhouse/server/admin"
	"packhouse/server/config"
	"packhouse/setup"
)

// stopWithin is how long a server may take to finish its requests.
const stopWithin = time.Minute

// stopServer stops the installation's server and waits until it has ended.
func (a *asked) stopServer(ctx context.Context) error {
	installed, err := a.reread(ctx)
	if err != nil {
		return err
	}
	if installed.Config == nil {
		return errors.New("read the configuration: it is missing or invalid")
	}
	ctx, cancel := context.WithTimeout(ctx, stopWithin)
	defer cancel()
	if installed.Supervised() && systemctl(ctx, "is-active", "--quiet", setup.Unit) == nil {
		return systemctl(ctx, "stop", setup.Unit)
	}
	client, err := findServer(installed.Config, installed.Dir)
	if errors.Is(err, admin.ErrNotRunning) {
		return nil
	}
	if err != nil {
		return err
	}
	status, err := client.Status(ctx)
	client.Close()
	if err != nil {
		return err
	}
	if err := signalServer(client.PID(), status); err != nil {
		return err
	}
	return awaitEnd(ctx, installed.Config, installed.Dir)
}

// signalServer sends SIGTERM to the server's process. pid is its ID on this machine: a server in a
// container reports another one.
func signalServer(pid int, status admin.Status) error {
	if pid <= 1 || pid != status.PID {
		return fmt.Errorf("stop server: process %d is not the one that serves %s on this machine; if the server runs in a container, stop the container", status.PID, status.Address)
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

// awaitEnd waits until no server of the configuration responds, or until ctx ends.
func awaitEnd(ctx context.Context, c *config.Config, dir string) error {
	for {
		client, err := findServer(c, dir)
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

// uninstaller returns the command that removes the installation.
func (a *asked) uninstaller() *exec.Cmd {
	program, err := os.Executable()
	if err != nil {
		program = os.Args[0]
	}
	command := exec.Command(program, "uninstall", "--dir", a.o.dir) //nolint:gosec // this program
	command.Env = a.env
	return command
}
