package manifest

// maxExtras is the maximum number of annotations and URLs in all descriptors of a manifest. Each
// takes some hundred bytes of memory but can be written in five, so they are counted before
// decoding.
const maxExtras = 50_000

// extras returns the number of annotations and URLs of a manifest, minus one per list and object.
func (o object) extras() int {
	n := items(o.get("annotations"))
	for _, key := range []string{"config", "subject"} {
		n += extrasOf(o.get(key))
	}
	for _, key := range []string{"layers", "manifests"} {
		all, _ := elements(o.get(key))
		for _, raw := range all {
			n += extrasOf(raw)
		}
	}
	return n
}

// extrasOf returns the extras of one descriptor.
func extrasOf(raw []byte) int {
	o := object(members(raw))
	return items(o.get("annotations")) + items(o.get("urls"))
}

// items returns the number of commas that separate the items of a list or the members of an object.
func items(raw []byte) (n int) {
	depth := 0
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			i = text(raw, i) - 1
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case ',':
			if depth == 1 {
				n++
			}
		}
	}
	return n
}
