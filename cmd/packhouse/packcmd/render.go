package packcmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"packhouse/cmd/packhouse/cli"
	"packhouse/packs/render"
	"packhouse/trust"
)

// RenderCommand is the command of pack that renders in a process of its own.
const RenderCommand = "render"

// Limits of rendering one pack. The largest community pack needs 3 s and 200 MiB.
const (
	renderTime   = 30 * time.Second
	renderMemory = 1 << 30 // bytes
	renderOutput = 8 << 20 // bytes
)

// renderPack renders the pack in a folder, in a child process with limits: templates can loop or
// need all memory, and cannot be stopped otherwise. The child gets no environment.
func renderPack(ctx context.Context, dir string) (*render.Result, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find program: %w", err)
	}
	dir, err = trust.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find pack: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, renderTime)
	defer cancel()
	command := exec.CommandContext(limited, program, "pack", RenderCommand, dir) //nolint:gosec // this program
	command.Env = []string{fmt.Sprintf("GOMEMLIMIT=%d", renderMemory*3/4)}
	command.WaitDelay = time.Second
	out, complaint := &boundedBuffer{limit: renderOutput}, &boundedBuffer{limit: 4 << 10}
	command.Stdout, command.Stderr = out, complaint
	err = command.Run()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case limited.Err() != nil:
		return nil, fmt.Errorf("rendering took longer than %s", renderTime)
	case out.full:
		return nil, errors.New("the list of images is too long")
	case err != nil:
		return nil, fmt.Errorf("rendering failed, or needed more than %d MiB of memory: %w: %s",
			renderMemory>>20, err, cli.FirstLine(complaint.Bytes()))
	}
	result := &render.Result{}
	if err := json.Unmarshal(out.Bytes(), result); err != nil {
		return nil, fmt.Errorf("read result of rendering: %w", err)
	}
	return result, nil
}

// boundedBuffer keeps the first bytes written to it and discards the rest.
type boundedBuffer struct {
	bytes.Buffer
	limit int
	full  bool
}

func (b *boundedBuffer) Write(text []byte) (int, error) {
	kept := text[:min(len(text), b.limit-b.Len())]
	b.full = b.full || len(kept) < len(text)
	b.Buffer.Write(kept)
	return len(text), nil
}
