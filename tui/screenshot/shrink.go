package main

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"slices"
)

// shrink reduces a picture to its 256 most frequent colours, which saves two thirds of the bytes
// without a visible difference: a terminal has few colours, and the rest are smoothed edges.
func shrink(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read picture: %w", err)
	}
	picture, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("decode picture: %w", err)
	}
	bounds := picture.Bounds()
	count := make(map[color.NRGBA]int)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			count[nrgba(picture.At(x, y))]++
		}
	}
	most := slices.SortedFunc(maps.Keys(count), func(a, b color.NRGBA) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(order(a), order(b)))
	})
	colours := edges()
	for _, c := range most {
		if len(colours) == 256 {
			break
		}
		if !slices.Contains(colours, color.Color(c)) {
			colours = append(colours, c)
		}
	}
	index := make(map[color.NRGBA]uint8, len(count))
	for c := range count {
		index[c] = uint8(colours.Index(c)) //nolint:gosec // below 256, see above
	}
	small := image.NewPaletted(bounds, colours)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			small.SetColorIndex(x, y, index[nrgba(picture.At(x, y))])
		}
	}
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&out, small); err != nil {
		return fmt.Errorf("encode picture: %w", err)
	}
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write picture: %w", err)
	}
	return nil
}

// edges returns the terminal's colours with transitions to their backgrounds, so that a single
// coloured character keeps its colour.
func edges() color.Palette {
	var out color.Palette
	blend := func(front, back string, steps int) {
		f, b := hex(front), hex(back)
		for i := 1; i <= steps; i++ {
			mix := func(x, y uint8) uint8 { return uint8((int(x)*i + int(y)*(steps-i)) / steps) } //nolint:gosec // between two bytes
			out = append(out, color.NRGBA{mix(f.R, b.R), mix(f.G, b.G), mix(f.B, b.B), 255})
		}
	}
	for _, colour := range append([]string{foreground}, palette[1:7]...) {
		blend(colour, background, 10)
	}
	for _, colour := range buttons {
		blend(colour, barColour, 5)
	}
	return out
}

func hex(text string) color.NRGBA {
	var c color.NRGBA
	_, _ = fmt.Sscanf(text, "#%02x%02x%02x", &c.R, &c.G, &c.B) // the texts are constants of this program
	c.A = 255
	return c
}

func nrgba(c color.Color) color.NRGBA { return color.NRGBAModel.Convert(c).(color.NRGBA) } //nolint:errcheck,forcetypeassert // that is what the model makes

// order makes the choice among equally frequent colours deterministic.
func order(c color.NRGBA) uint32 {
	return uint32(c.R)<<24 | uint32(c.G)<<16 | uint32(c.B)<<8 | uint32(c.A)
}
