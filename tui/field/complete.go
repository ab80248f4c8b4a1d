package field

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// completeWithin bounds the wait for a directory listing. A file server that is down may never
// answer.
const completeWithin = time.Second

// Completer lists completions of a path in the background, so that ctrl+c works even if a disk does
// not answer.
type Completer struct {
	busy   atomic.Bool                // a directory is being read that has not answered
	list   func(path string) []string // nil: completePath
	within time.Duration              // 0: completeWithin
}

// Complete returns completions of a path, or none if the directory does not answer in time.
func (c *Completer) Complete(path string) []string {
	if !c.busy.CompareAndSwap(false, true) {
		return nil
	}
	list, within := c.list, c.within
	if list == nil {
		list = completePath
	}
	if within == 0 {
		within = completeWithin
	}
	found := make(chan []string, 1)
	go func() {
		defer func() { _ = recover() }() // a panic must not end the program with the terminal in raw mode
		paths := list(path)
		c.busy.Store(false)
		found <- paths
	}()
	select {
	case paths := <-found:
		return paths
	case <-time.After(within):
		return nil
	}
}

// completePath lists completions of a path.
func completePath(path string) []string {
	if below, ok := strings.CutPrefix(path, "~/"); ok { // offered as it is typed
		home, err := os.UserHomeDir()
		if err != nil {
			return nil
		}
		paths := completePath(home + "/" + below)
		for i := range paths {
			paths[i] = "~" + strings.TrimPrefix(paths[i], home)
		}
		return paths
	}
	if !filepath.IsAbs(path) {
		return nil
	}
	directory, begun := filepath.Split(path)
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil
	}
	var out []string
	for _, entry := range entries {
		name := entry.Name()
		if begun == "" || !strings.HasPrefix(name, begun) || Invisible(name) != "" {
			continue
		}
		if entry.IsDir() {
			name += string(filepath.Separator)
		}
		if out = append(out, directory+name); len(out) == 20 {
			break
		}
	}
	return out
}
