package manifest

import (
	"bytes"
	"encoding/base64"
	"io"
	"slices"
	"unicode"
)

// Known keys by kind of object (image-spec 1.1, and Docker's manifests of schema 1 and 2).
var (
	manifestKeys = [][]byte{
		[]byte("schemaVersion"), []byte("mediaType"), []byte("artifactType"), []byte("config"), []byte("layers"),
		[]byte("manifests"), []byte("subject"), []byte("annotations"), []byte("fsLayers"), []byte("history"), []byte("signatures"),
	}
	descriptorKeys = [][]byte{
		[]byte("mediaType"), []byte("digest"), []byte("size"), []byte("urls"), []byte("annotations"), []byte("data"),
		[]byte("artifactType"), []byte("platform"),
	}
	platformKeys = [][]byte{
		[]byte("architecture"), []byte("os"), []byte("os.version"), []byte("os.features"), []byte("variant"), []byte("features"),
	}
)

// ParsePushed is Parse for a manifest that a client pushes. It also rejects content that readers
// could interpret differently: encoding/json ignores the case of keys, so a Go program reads
// "Layers" where others read "layers" (the class of CVE-2021-41190). In the manifest, its
// descriptors and their platforms, known keys must be spelled exactly, and no two keys of an object
// may differ only in case. Annotations and custom fields are not restricted.
func ParsePushed(content []byte) (*Manifest, error) {
	m, err := Parse(content)
	if err != nil {
		return nil, err
	}
	top := members(content[blank(content, 0):])
	if err := checkKeys("", top, manifestKeys); err != nil {
		return nil, err
	}
	for _, member := range top {
		switch string(member.key) {
		case "config", "subject":
			err = checkDescriptor(string(member.key), member.value)
		case "layers", "manifests":
			err = checkDescriptors(string(member.key), member.value)
		}
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}

// CheckObject rejects a JSON object that readers could interpret differently, by the rules of
// ParsePushed: repeated keys, keys that differ only in case, and known keys in another case. The
// error is an *Error.
func CheckObject(content []byte, known ...string) error {
	if err := checkSyntax(content); err != nil {
		return err
	}
	keys := make([][]byte, len(known))
	for i, key := range known {
		keys[i] = []byte(key)
	}
	return checkKeys("", members(content[blank(content, 0):]), keys)
}

func checkDescriptors(where string, raw []byte) error {
	all, _ := elements(raw)
	for _, element := range all {
		if err := checkDescriptor(where, element); err != nil {
			return err
		}
	}
	return nil
}

func checkDescriptor(where string, raw []byte) error {
	all := members(raw)
	if err := checkKeys(where+".", all, descriptorKeys); err != nil {
		return err
	}
	if platform := object(all).get("platform"); platform != nil {
		if err := checkKeys(where+".platform.", members(platform), platformKeys); err != nil {
			return err
		}
	}
	return checkData(where, all)
}

// checkData rejects embedded content that does not match its descriptor (image-spec, "Embedded
// Content"): clients that use it would read other bytes than those that fetch the digest.
func checkData(where string, descriptor object) error {
	raw := descriptor.get("data")
	if raw == nil {
		return nil
	}
	d, err := descriptor.toDescriptor(where)
	if err != nil {
		return err
	}
	if raw[0] != '"' {
		return refuse(ErrDescriptor, "%s.data: embedded content is a string of base64", where)
	}
	text := unquoted(raw)
	hash := d.Digest.Algorithm().Digester()
	size, err := io.Copy(hash.Hash(), base64.NewDecoder(base64.StdEncoding.Strict(), bytes.NewReader(text)))
	switch {
	case err != nil || bytes.ContainsAny(text, "\r\n"):
		return refuse(ErrDescriptor, "%s.data: embedded content is a string of base64", where)
	case size != d.Size:
		return refuse(ErrDescriptor, "%s.data: embedded content has %d bytes, but size is %d", where, size, d.Size)
	case hash.Digest() != d.Digest:
		return refuse(ErrDescriptor, "%s.data: embedded content has digest %s, not %s", where, hash.Digest(), d.Digest)
	}
	return nil
}

// checkKeys compares the keys of one object with the known ones and with each other. It folds case
// as encoding/json does, which also treats U+017F as s and U+212A as k.
func checkKeys(where string, object []member, known [][]byte) error {
	for _, m := range object {
		for _, k := range known {
			if bytes.EqualFold(m.key, k) && !bytes.Equal(m.key, k) {
				return refuse(ErrAmbiguous, "key %.100q is read as %s%s by some clients: spell it that way or remove it", m.key, where, k)
			}
		}
	}
	if len(object) < 2 {
		return nil
	}
	folded := make([][]byte, len(object))
	for i, m := range object {
		folded[i] = fold(m.key)
	}
	slices.SortFunc(folded, bytes.Compare)
	for i := 1; i < len(folded); i++ {
		if bytes.Equal(folded[i-1], folded[i]) {
			return refuse(ErrAmbiguous, "two keys of %.100q differ in case only: remove one", where+string(folded[i]))
		}
	}
	return nil
}

// fold returns the same spelling for all keys that are equal by bytes.EqualFold.
func fold(key []byte) []byte {
	if isLower(key) {
		return key
	}
	return bytes.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return unicode.ToLower(least)
	}, key)
}

// isLower reports whether key consists of ASCII characters without capital letters, as most keys
// do.
func isLower(key []byte) bool {
	for _, c := range key {
		if c >= 0x80 || c >= 'A' && c <= 'Z' {
			return false
		}
	}
	return true
}
