package main

import (
	"encoding/xml"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	grid := parse("\x1b[1;36mab\x1b[0m c\n日\x1b[7mx\x1b[27my\x1b[38;5;9m", 6, 2)
	if c := grid[0][0]; c.text != "a" || !c.bold || c.colour != 6 {
		t.Errorf("first cell is %+v", c)
	}
	if c := grid[0][3]; c.text != "c" || c.bold || c.colour != -1 {
		t.Errorf("fourth cell is %+v", c)
	}
	if c := grid[1][0]; c.text != "日" || c.width != 2 || grid[1][1].text != "" {
		t.Errorf("wide cell is %+v", c)
	}
	if !grid[1][2].reverse || grid[1][3].reverse {
		t.Error("reverse is on the wrong cell")
	}
}

func TestDrawIsWellFormed(t *testing.T) {
	picture := draw(parse("╭─╮\n│<│ & \x1b[32m✓\x1b[0m\n╰─╯", 10, 3), "a < b")
	decoder := xml.NewDecoder(strings.NewReader(picture))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, picture)
		}
	}
	for _, want := range []string{"&lt;", "&amp;", palette[2], "<path", "a &lt; b"} {
		if !strings.Contains(picture, want) {
			t.Errorf("%q is not in the picture", want)
		}
	}
}

func TestShrinkKeepsRareColours(t *testing.T) {
	noisy := image.NewNRGBA(image.Rect(0, 0, 64, 64))
	for y := range 64 {
		for x := range 64 {
			noisy.Set(x, y, color.NRGBA{uint8(x * 4), uint8(y * 4), 90, 255})
		}
	}
	green := hex(palette[2])
	noisy.Set(5, 5, green)
	path := filepath.Join(t.TempDir(), "x.png")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(file, noisy); err != nil {
		t.Fatal(err)
	}
	file.Close()
	if err := shrink(path); err != nil {
		t.Fatal(err)
	}
	file, err = os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	small, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := nrgba(small.At(5, 5)); got != green {
		t.Errorf("one green dot became %v", got)
	}
	if _, ok := small.(*image.Paletted); !ok {
		t.Errorf("the picture is a %T", small)
	}
}
