package packs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image/jpeg"
	"image/png"
)

// maxSide is the maximum width and height of a logo, in pixels. A browser needs four bytes of
// memory for each pixel.
const maxSide = 4096

const (
	pngSignature  = "\x89PNG\r\n\x1a\n"
	jpegSignature = "\xff\xd8\xff"
)

// LogoType returns the media type of a logo, image/png or image/jpeg. It returns an error unless
// content is exactly one image: the registry serves logos without credentials, so a logo must not
// contain anything before, after or between the parts of an image.
func LogoType(content []byte) (string, error) {
	switch {
	case len(content) > maxLogo:
		return "", errors.New("the logo is larger than 1 MiB")
	case bytes.HasPrefix(content, []byte(pngSignature)):
		return "image/png", checkPNG(content)
	case bytes.HasPrefix(content, []byte(jpegSignature)):
		return "image/jpeg", checkJPEG(content)
	}
	return "", errors.New("the logo is not a PNG image")
}

// checkSides validates width and height.
func checkSides(width, height int) error {
	if width < 1 || height < 1 || width > maxSide || height > maxSide {
		return fmt.Errorf("the logo is %d by %d pixels, at most %d by %d are shown", width, height, maxSide, maxSide)
	}
	return nil
}

// checkPNG walks the chunks of an image (PNG specification, section 5) and validates their
// checksums.
func checkPNG(content []byte) error {
	about, err := png.DecodeConfig(bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("the logo is not a valid PNG image: %w", err)
	}
	if err := checkSides(about.Width, about.Height); err != nil {
		return err
	}
	data := false
	for rest := content[len(pngSignature):]; len(rest) >= 12; {
		length := int64(binary.BigEndian.Uint32(rest))
		if length > int64(len(rest)-12) {
			break
		}
		kind, body := string(rest[4:8]), rest[4:8+length]
		if binary.BigEndian.Uint32(rest[8+length:]) != crc32.ChecksumIEEE(body) {
			return fmt.Errorf("the logo is not a valid PNG image: the checksum of its part %q is wrong", kind)
		}
		rest = rest[12+length:]
		data = data || kind == "IDAT"
		switch {
		case kind != "IEND":
		case len(rest) > 0:
			return fmt.Errorf("the logo has %d bytes behind the end of its image", len(rest))
		case !data || length > 0:
			return errors.New("the logo is not a valid PNG image: it has no pixels")
		default:
			return nil
		}
	}
	return errors.New("the logo is not a valid PNG image: it ends too early")
}

// Markers of a JPEG image (ITU T.81, table B.1).
const (
	markerRestart    = 0xd0 // to 0xd7, within the pixel data
	markerRestartEnd = 0xd7
	markerEnd        = 0xd9
	markerScan       = 0xda
)

// checkJPEG walks the segments of an image (ITU T.81, annex B).
func checkJPEG(content []byte) error {
	about, err := jpeg.DecodeConfig(bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("the logo is not a valid JPEG image: %w", err)
	}
	if err := checkSides(about.Width, about.Height); err != nil {
		return err
	}
	scans := 0
	for at := 2; at+1 < len(content); {
		marker := content[at+1]
		switch {
		case content[at] != 0xff:
			return errors.New("the logo is not a valid JPEG image: a part begins without a marker")
		case marker == 0xff: // fill byte
			at++
			continue
		case marker == markerEnd && scans == 0:
			return errors.New("the logo is not a valid JPEG image: it has no pixels")
		case marker == markerEnd && at+2 < len(content):
			return fmt.Errorf("the logo has %d bytes behind the end of its image", len(content)-at-2)
		case marker == markerEnd:
			return nil
		case marker < 0xc0 || marker >= markerRestart && marker < markerEnd:
			return fmt.Errorf("the logo is not a valid JPEG image: marker %#x is out of place", marker)
		case at+4 > len(content):
			return errEarlyJPEG
		}
		length := int(binary.BigEndian.Uint16(content[at+2:]))
		if at += 2 + length; length < 2 || at > len(content) {
			return errEarlyJPEG
		}
		if marker == markerScan {
			scans++
			at = scanEnd(content, at)
		}
	}
	return errEarlyJPEG
}

var errEarlyJPEG = errors.New("the logo is not a valid JPEG image: it ends too early")

// scanEnd returns the end of the pixel data that starts at an offset: the first marker that is not
// a restart.
func scanEnd(content []byte, at int) int {
	for ; at+1 < len(content); at++ {
		next := content[at+1]
		if content[at] == 0xff && next != 0 && next != 0xff && (next < markerRestart || next > markerRestartEnd) {
			return at
		}
	}
	return len(content)
}
