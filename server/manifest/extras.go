package manifest

// maxExtras is how many annotations and URLs a manifest may have, in all its descriptors. Each takes some hundred bytes of memory and can be
// written with five, so they are counted before any is decoded.
const maxExtras = 50_000

// extras returns how many annotations and URLs a manifest has, less one for each list and object of them.
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

// extrasOf is extras for one descriptor.
func extrasOf(raw []byte) int {
	o := object(members(raw))
	return items(o.get("annotations")) + items(o.get("urls"))
}

// items returns how many commas part the items of a list or the members of an object.
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
