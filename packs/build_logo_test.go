package packs

import (
	"bytes"
	"image/png"
	"testing"
)

// TestDrawnLogo verifies that a generated logo looks the same for every version of a pack, and that
// its digest follows from the content of the pack, not from the name.
func TestDrawnLogo(t *testing.T) {
	files := func(text string) map[string][]byte {
		return map[string][]byte{MetadataFile: []byte("{}"), ReadmeFile: []byte(text)}
	}
	first, same, second := drawLogo("a", files("1")), drawLogo("a", files("1")), drawLogo("a", files("2"))
	if !bytes.Equal(first, same) {
		t.Error("two logos of the same pack differ")
	}
	if bytes.Equal(first, second) {
		t.Error("the logo follows from the name alone")
	}
	var pixels [][]byte
	for _, logo := range [][]byte{first, second} {
		if mediaType, err := LogoType(logo); err != nil || mediaType != "image/png" {
			t.Fatalf("LogoType: %q, %v", mediaType, err)
		}
		drawn, err := png.Decode(bytes.NewReader(logo))
		if err != nil {
			t.Fatal(err)
		}
		var plain bytes.Buffer
		if err := png.Encode(&plain, drawn); err != nil {
			t.Fatal(err)
		}
		pixels = append(pixels, plain.Bytes())
	}
	if !bytes.Equal(pixels[0], pixels[1]) {
		t.Error("two versions look different")
	}
}
