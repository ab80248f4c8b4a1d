package packs

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"image"
	"image/color"
	"image/png"
	"maps"
	"slices"
)

// drawLogo draws a square whose color is derived from the name, to distinguish packs until a real
// logo is added. It contains a hash of the other files: registries serve a logo without credentials
// by its digest, which must not follow from the name alone.
func drawLogo(name string, files map[string][]byte) []byte {
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
	return slices.Insert(content.Bytes(), headerEnd, textChunk("Source", sumOf(files))...)
}

// headerEnd is the offset behind the header of a PNG image: the signature and one chunk of 13 bytes.
const headerEnd = len(pngSignature) + 12 + 13

// textChunk returns a chunk with text (PNG specification, section 11.3.4.3).
func textChunk(keyword, text string) []byte {
	body := "tEXt" + keyword + "\x00" + text
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(body)-4)) //nolint:gosec // short
	chunk = append(chunk, body...)
	return binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE([]byte(body)))
}

// sumOf returns the SHA-256 of files and their names.
func sumOf(files map[string][]byte) string {
	hash := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		_, _ = fmt.Fprintf(hash, "%q %d\n%s", name, len(files[name]), files[name])
	}
	return hex.EncodeToString(hash.Sum(nil))
}
