package filesystem

import (
	"encoding/binary"
	"reflect"
	"testing"
	"time"

	"packhouse/server/storage/disk"
)

// decodeVersion1 is the reader of the version before origins, as it was released.
func decodeVersion1(p []byte) ([]item, bool) {
	var items []item
	ok := true
	number := func() uint64 {
		v, n := binary.Uvarint(p)
		if n <= 0 {
			ok = false
			return 0
		}
		p = p[n:]
		return v
	}
	bytes := func() []byte {
		n := number()
		if !ok || n > uint64(len(p)) {
			ok = false
			return nil
		}
		b := p[:n:n]
		p = p[n:]
		return b
	}
	for ok && len(p) > 0 && p[0] != itemEnd {
		i := item{kind: p[0]}
		p = p[1:]
		i.name = string(bytes())
		switch i.kind {
		case itemFile:
			i.body = bytes()
		case itemMoved:
			i.from = string(bytes())
			i.size = int64(number()) //nolint:gosec // of a test
			ok = ok && i.size >= 0
		case itemRepository:
		default:
			ok = false
		}
		items = append(items, i)
	}
	return items, ok
}

// TestVersion1ReadsOrigins: the version before reads every item of a record with origins.
func TestVersion1ReadsOrigins(t *testing.T) {
	o := &origin{place: "volume/7", staged: identity{11, 1_700_000_000_000_000_001}, before: identity{9, -5}, held: "sha256:00"}
	items := append([]item{}, someItems...)
	items = append(items, item{kind: itemFile, name: "tags/v1/current/link", body: []byte("sha256:11"), origin: o})
	p := encode(items)
	got, ok := decode(p)
	if !ok || !reflect.DeepEqual(got, items) {
		t.Errorf("decoded %+v, %v; want %+v", got, ok, items)
	}
	old, ok := decodeVersion1(p)
	items[len(items)-1].origin = nil
	if !ok || !reflect.DeepEqual(old, items) {
		t.Errorf("version 1 decoded %+v, %v; want %+v", old, ok, items)
	}
	for at := len(encode(items)); at < len(p); at++ { // torn origins leave the items
		if got, ok := decode(p[:at]); !ok || len(got) != len(items) {
			t.Errorf("cut at %d: %+v, %v", at, got, ok)
		}
	}
}

// TestForeign decides for each state of a link whether another server wrote it.
func TestForeign(t *testing.T) {
	const before, first, final, other = "sha256:" + hex0, "sha256:" + hex1, "sha256:" + hex2, "sha256:" + hex3
	at := time.Unix(1_700_000_000, 0)
	file := func(inode uint64, mod time.Duration) disk.Info {
		return disk.Info{Inode: inode, ModTime: at.Add(mod), Regular: true}
	}
	id := func(inode uint64, mod time.Duration) identity { return identityOf(file(inode, mod)) }
	records := func(origins bool, place string) *history {
		h := &history{here: true, origins: true, bodies: map[string]struct{}{}, mods: map[int64]struct{}{}, inodes: map[uint64]struct{}{}}
		one := item{kind: itemFile, body: []byte(first)}
		two := item{kind: itemFile, body: []byte(final)}
		if origins {
			one.origin = &origin{place: place, before: id(1, -time.Hour), staged: id(2, 1), held: before}
			two.origin = &origin{place: place, before: id(2, 1), staged: id(3, 2), held: first}
		}
		h.add(one, 0, at.UnixNano(), "here")
		h.add(two, 1, at.UnixNano(), "here")
		return h
	}
	for name, tc := range map[string]struct {
		origins bool
		place   string
		now     string
		info    disk.Info
		want    bool
	}{
		"as the last record wants":          {true, "here", final, file(9, time.Hour), false},
		"what was before":                   {true, "here", before, file(1, -time.Hour), false},
		"what was before, written again":    {true, "here", before, file(8, -time.Hour), false},
		"the first move":                    {true, "here", first, file(2, 1), false},
		"another digest":                    {true, "here", other, file(9, time.Hour), true},
		"another digest, earlier time":      {true, "here", other, file(9, -2*time.Hour), true},
		"moved back":                        {true, "here", before, file(9, time.Hour), true},
		"moved back, inode used again":      {true, "here", other, file(3, time.Hour), true},
		"no digest":                         {true, "here", "\x00\x00", file(9, time.Hour), false},
		"a copy, what was before":           {true, "there", before, file(9, time.Hour), false},
		"a copy, another digest":            {true, "there", other, file(9, -time.Hour), true},
		"version 1, the first move":         {false, "", first, file(9, time.Hour), false},
		"version 1, another digest, soon":   {false, "", other, file(9, time.Minute), false},
		"version 1, another digest, later":  {false, "", other, file(9, time.Hour), true},
		"version 1, another digest, before": {false, "", other, file(9, -time.Hour), false},
	} {
		if got := records(tc.origins, tc.place).foreign([]byte(tc.now), tc.info); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

const (
	hex0 = "0000000000000000000000000000000000000000000000000000000000000000"
	hex1 = "1111111111111111111111111111111111111111111111111111111111111111"
	hex2 = "2222222222222222222222222222222222222222222222222222222222222222"
	hex3 = "3333333333333333333333333333333333333333333333333333333333333333"
)
