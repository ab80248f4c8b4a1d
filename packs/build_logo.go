package packs

import (
	"bytes"
	"hash/fnv"
	"image"
	"image/color"
	"image/png"
)

// drawLogo draws a square whose color is derived from the name, to distinguish packs until a real
// logo is added.
func drawLogo(name string) []byte {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(name))
	sum := hash.Sum32()
	dark := func(shift uint) uint8 { return uint8(64 + (sum>>shift)%128) } //nolint:gosec // stays below 192
	const side, edge, corner = 128, 8, 20
	logo := image.NewNRGBA(image.Rect(0, 0, side, side))
	fill := color.NRGBA{dark(0), dark(8), dark(16), 255}
	for y := edge; y < side-edge; y++ {
		for x := edge; x < side-edge; x++ {
			dx, dy := max(edge+corner-x, x-(side-edge-corner-1), 0), max(edge+corner-y, y-(side-edge-corner-1), 0)
			if dx*dx+dy*dy <= corner*corner {
				logo.SetNRGBA(x, y, fill)
			}
		}
	}
	var content bytes.Buffer
	_ = png.Encode(&content, logo) // writing to a buffer cannot fail
	return content.Bytes()
}
