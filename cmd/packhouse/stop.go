package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"packhouse/server/admin"
	"packhouse/server/config"
	"packhouse/setup"
)

// stopWithin bounds how long a server may take to finish its requests.
const stopWithin = time.Minute

// stopServer stops the server of the installation and returns when it has ended.
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
	if err := signalServer(status.PID, status.Address, a.found.Load()); err != nil {
		return err
	}
	return awaitEnd(ctx, installed.Config, installed.Dir)
}

// signalServer sends SIGTERM to the process that listens on address. It verifies that pid, which the server reported, is
// that process, because process IDs differ inside a container.
func signalServer(pid int, address string, machine *setup.Machine) error {
	_, portText, _ := net.SplitHostPort(address)
	port, _ := strconv.Atoi(portText)
	if holder := machine.Host.Holder(port); pid <= 1 || holder.PID != 0 && holder.PID != pid {
		return fmt.Errorf("stop server: process %d does not listen on %s on this machine; if the server runs in a container, stop the container", pid, address)
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

// awaitEnd waits until no server of the configuration answers, or until ctx ends.
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
