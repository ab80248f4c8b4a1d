// Command packhouse is a self-hosted pack registry and the terminal wizard that sets it up.
//
// Each command is in a file of its own; groups with many are packages of their own, above what
// commands share (package cli) and what connects an installation with its server (package
// deployment).
package main

import (
	"context"
	"os"
	"time"

	"packhouse/cmd/packhouse/cli"
	"packhouse/tui/noquery"
)

// version is set by the linker.
var version = "dev"

func main() {
	noquery.Restore()
	os.Exit(run(context.Background(), &cli.App{
		Stdin:  os.Stdin,
		Stdout: os.Stdout,
		Stderr: os.Stderr,
		Env:    os.Environ(),
		Now:    time.Now,

		Version: version,
	}, os.Args[1:]))
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, a *cli.App, args []string) int {
	ctx, stop := cli.WithSignals(ctx, a)
	defer stop()
	out := &cli.Results{To: a.Stdout}
	a.Stdout = out
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(a.Stdin)
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	err := out.Delivered(root.ExecuteContext(ctx))
	if err == nil {
		return cli.ExitOK
	}
	return a.Report(cli.Classify(ctx, err))
}
