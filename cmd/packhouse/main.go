// Command packhouse is a self-hosted pack registry and the terminal wizard that sets it up.
//
// Each command is in its own file: an options struct and a run function. Shared code is in app.go;
// words.go formats all messages, and exit.go defines the exit codes.
package main

import (
	"context"
	"os"
	"time"

	"packhouse/tui/noquery"
)

// version is set by the linker.
var version = "dev"

func main() {
	noquery.Restore()
	os.Exit(run(context.Background(), &app{
		stdin:  os.Stdin,
		stdout: os.Stdout,
		stderr: os.Stderr,
		env:    os.Environ(),
		now:    time.Now,

		version: version,
	}, os.Args[1:]))
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, a *app, args []string) int {
	ctx, stop := withSignals(ctx, a)
	defer stop()
	out := &results{to: a.stdout}
	a.stdout = out
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !a.started {
		err = wrongUsage(cmd, args, err)
	}
	if err = out.delivered(err); err == nil {
		return exitOK
	}
	return a.report(a.classify(ctx, err))
}
