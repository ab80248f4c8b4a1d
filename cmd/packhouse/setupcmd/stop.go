package setupcmd

import (
	"context"
	"errors"
	"os"
	"os/exec"

	"packhouse/cmd/packhouse/deployment"
	"packhouse/server/admin"
	"packhouse/setup"
)

// stopServer stops the installation's server and waits until it has ended.
func (a *asked) stopServer(ctx context.Context) error {
	installed, err := a.reread(ctx)
	if err != nil {
		return err
	}
	if installed.Config == nil {
		return errors.New("read the configuration: it is missing or invalid")
	}
	ctx, cancel := context.WithTimeout(ctx, deployment.StopWithin)
	defer cancel()
	if installed.Supervised() && deployment.Systemctl(ctx, "is-active", "--quiet", setup.Unit) == nil {
		return deployment.Systemctl(ctx, "stop", setup.Unit)
	}
	client, err := deployment.FindServer(installed.Config, installed.Dir)
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
	if err := deployment.SignalServer(client.PID(), status); err != nil {
		return err
	}
	return deployment.AwaitEnd(ctx, installed.Config, installed.Dir)
}

// uninstaller returns the command that removes the installation.
func (a *asked) uninstaller() *exec.Cmd {
	program, err := os.Executable()
	if err != nil {
		program = os.Args[0]
	}
	command := exec.Command(program, "uninstall", "--dir", a.o.dir) //nolint:gosec // this program
	command.Env = a.Env
	return command
}
