// Command screenshot creates the screenshots of the documentation: it runs a program in tmux, presses
// keys, and converts the screen to SVG and PNG images of a terminal window.
//
//	go run ./tui/screenshot -scenes docs/images/scenes.txt -out docs/images -- bin/packhouse setup --dir /tmp/demo
//
// A scene file has one instruction per line:
//
//	size 120 34          window size from now on
//	key Enter            one or more keys, by their names in tmux
//	type some text       types the text
//	wait Review          waits until the text is on the screen
//	shot wizard-review   takes a screenshot with this name
//
// It requires tmux, rsvg-convert, and the font DejaVu Sans Mono.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// patience is how long to wait for a text on the screen.
const patience = 20 * time.Second

func main() {
	scenes := flag.String("scenes", "", "file of scenes")
	out := flag.String("out", ".", "directory for the pictures")
	title := flag.String("title", "packhouse", "in the title bar of the window")
	svg := flag.Bool("svg", false, "keep the SVG as well")
	flag.Parse()
	if *scenes == "" || flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: screenshot -scenes FILE [-out DIR] -- PROGRAM [ARGUMENT ...]")
		os.Exit(2)
	}
	if err := run(context.Background(), *scenes, *out, *title, *svg, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "screenshot:", err)
		os.Exit(1)
	}
}

// stage is the program in its tmux window.
type stage struct {
	socket     string // of a dedicated tmux server
	cols, rows int
	out, title string
	keepSVG    bool
}

func run(ctx context.Context, scenes, out, title string, keepSVG bool, program []string) error {
	file, err := os.Open(scenes)
	if err != nil {
		return fmt.Errorf("open scenes: %w", err)
	}
	defer file.Close()
	if err := os.MkdirAll(out, 0o750); err != nil {
		return fmt.Errorf("make directory for the pictures: %w", err)
	}
	dir, err := os.MkdirTemp("", "screenshot")
	if err != nil {
		return fmt.Errorf("make directory for the socket: %w", err)
	}
	defer os.RemoveAll(dir)
	s := &stage{socket: filepath.Join(dir, "tmux"), cols: 120, rows: 34, out: out, title: title, keepSVG: keepSVG}
	start := append([]string{"-f", os.DevNull, "new-session", "-d", "-x", "120", "-y", "34"}, quoted(program))
	if _, err := s.tmux(ctx, start...); err != nil {
		return err
	}
	defer func() { _, _ = s.tmux(ctx, "kill-server") }()
	lines := bufio.NewScanner(file)
	for number := 1; lines.Scan(); number++ {
		if err := s.play(ctx, strings.TrimSpace(lines.Text())); err != nil {
			return fmt.Errorf("%s:%d: %w", scenes, number, err)
		}
	}
	return lines.Err()
}

// quoted returns a shell command for a program and its arguments. The window stays open for a
// while, so that the error of a program that fails can be read.
func quoted(program []string) string {
	var words []string
	for _, word := range program {
		words = append(words, "'"+strings.ReplaceAll(word, "'", `'\''`)+"'")
	}
	return strings.Join(words, " ") + "; sleep 5"
}

func (s *stage) play(ctx context.Context, line string) error {
	word, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case "", "#":
		return nil
	case "size":
		if _, err := fmt.Sscanf(rest, "%d %d", &s.cols, &s.rows); err != nil {
			return fmt.Errorf("read size: %w", err)
		}
		_, err := s.tmux(ctx, "resize-window", "-x", fmt.Sprint(s.cols), "-y", fmt.Sprint(s.rows))
		return err
	case "key":
		for key := range strings.FieldsSeq(rest) {
			if _, err := s.tmux(ctx, "send-keys", key); err != nil {
				return err
			}
			time.Sleep(150 * time.Millisecond)
		}
		return nil
	case "type":
		_, err := s.tmux(ctx, "send-keys", "-l", rest)
		return err
	case "wait":
		return s.wait(ctx, rest)
	case "shot":
		time.Sleep(300 * time.Millisecond) // let the last frame render
		return s.shot(ctx, rest)
	}
	return fmt.Errorf("no instruction is called %q", word)
}

func (s *stage) wait(ctx context.Context, text string) error {
	screen := ""
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		var err error
		if screen, err = s.tmux(ctx, "capture-pane", "-p"); err != nil {
			return err
		}
		if strings.Contains(screen, text) {
			return nil
		}
	}
	return fmt.Errorf("%q never came to the screen:\n%s", text, screen)
}

// shot takes one screenshot.
func (s *stage) shot(ctx context.Context, name string) error {
	screen, err := s.tmux(ctx, "capture-pane", "-p", "-e")
	if err != nil {
		return err
	}
	if strings.TrimSpace(ansi.Strip(screen)) == "" {
		return errors.New("the screen is empty")
	}
	base := filepath.Join(s.out, name)
	if err := os.WriteFile(base+".svg", []byte(draw(parse(screen, s.cols, s.rows), s.title)), 0o600); err != nil {
		return fmt.Errorf("write picture: %w", err)
	}
	if !s.keepSVG {
		defer os.Remove(base + ".svg")
	}
	// The names come from this program's own command line and scene file.
	convert := exec.CommandContext(ctx, "rsvg-convert", "--zoom=1.5", "--output="+base+".png", base+".svg") //nolint:gosec
	convert.Stderr = os.Stderr
	if err := convert.Run(); err != nil {
		return fmt.Errorf("convert picture: %w", err)
	}
	return shrink(base + ".png")
}

func (s *stage) tmux(ctx context.Context, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, "tmux", append([]string{"-u", "-S", s.socket}, arguments...)...) //nolint:gosec // as above
	command.Stderr = os.Stderr
	answer, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("run tmux %s: %w", arguments[0], err)
	}
	return string(answer), nil
}
