package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"packhouse/setup"
)

// command returns a line for a shell that runs this program with args, from any directory: with the
// program's path unless PATH finds this very program.
func (a *app) command(args ...string) string {
	words := []string{setup.Shell(a.program())}
	for _, arg := range args {
		words = append(words, setup.Shell(arg))
	}
	return strings.Join(words, " ")
}

// program returns what to type to run this program.
func (a *app) program() string {
	const name = "packhouse"
	path, err := os.Executable()
	if err != nil {
		return name
	}
	for _, dir := range filepath.SplitList(a.getenv("PATH")) {
		if !filepath.IsAbs(dir) {
			continue
		}
		found, err := exec.LookPath(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		if setup.SameFile(found, path) {
			return name
		}
		return path // another program is found under the name
	}
	return path
}
