package filesystem

import (
	"bytes"
	"reflect"
	"testing"
)

// segmentOf is a segment that two runs wrote: what is left of the first lies behind the records of the second.
func segmentOf(t testing.TB, batches ...[][]item) []byte {
	t.Helper()
	p := make([]byte, block)
	old := bytes.Repeat([]byte{0}, 8*block)
	for at := 0; at < len(old); at += block {
		copy(old[at:], appendRecord(nil, stamp{1, uint64(3 + at/block), 9}, encode([]item{{kind: itemRepository, name: "of/an/earlier/run"}})))
	}
	seq := uint64(2)
	for _, batch := range batches {
		var buf []byte
		for _, items := range batch {
			seq++
			buf = appendRecord(buf, stamp{2, seq, 9}, encode(items))
		}
		p = append(p, pad(buf)...)
	}
	return append(p, old[min(len(old), len(p)-block):]...)
}

var someItems = []item{
	{kind: itemRepository, name: "team/a"},
	{kind: itemMoved, name: "blobs/data", from: "stage/x", size: 1 << 40},
	{kind: itemFile, name: "link", body: []byte("sha256:00")},
	{kind: itemFile, name: "empty", body: []byte{}},
}

func TestSegmentComesBack(t *testing.T) {
	big := []item{{kind: itemFile, name: "big", body: bytes.Repeat([]byte("x"), 3*block)}}
	p := segmentOf(t, [][]item{someItems, big}, [][]item{someItems})
	want := []foundRecord{{3, 9, someItems}, {4, 9, big}, {5, 9, someItems}}
	if got := parseSegment(p); !reflect.DeepEqual(got.records, want) {
		t.Errorf("came back:\n%v\nwant\n%v", got.records, want)
	}
	for settled, want := range map[uint64]int{2: 3, 3: 0, 5: 0} { // a segment is settled whole, or not at all
		h := bytes.Clone(p)
		f := &bytesFile{h}
		if err := writeHeader(f, header{settled: settled, failed: true}); err != nil {
			t.Fatal(err)
		}
		got := parseSegment(f.p)
		if len(got.records) != want || got.settled != settled || !got.failed {
			t.Errorf("settled up to %d: %+v", settled, got)
		}
	}
	h := bytes.Clone(p)
	h[0] ^= 1
	if got := parseSegment(h); len(got.records) != 3 || got.settled != 0 {
		t.Errorf("without a header: %+v", got)
	}
}

// TestTornSegment holds that whatever a power cut makes of the bytes, what is read is the beginning of what was written.
func TestTornSegment(t *testing.T) {
	p := segmentOf(t, [][]item{someItems}, [][]item{someItems, someItems}, [][]item{someItems})
	whole := parseSegment(p).records
	parse := func(at int, torn []byte) {
		t.Helper()
		got := parseSegment(torn).records
		if len(got) > len(whole) || len(got) > 0 && !reflect.DeepEqual(got, whole[:len(got)]) {
			t.Fatalf("torn at %d: %v", at, got)
		}
	}
	zeros := bytes.Clone(p) // zeros from at to the end
	clear(zeros[block:])
	for at := block; at < len(p); at += 7 {
		parse(at, p[:at])
		parse(at, zeros)
		copy(zeros[at:], p[at:min(at+7, len(p))])
		p[at] ^= 0x40
		parse(at, p)
		p[at] ^= 0x40
	}
}

func FuzzSegment(f *testing.F) {
	f.Add(segmentOf(f, [][]item{someItems}, [][]item{someItems}))
	f.Add(make([]byte, 2*block))
	f.Add([]byte("PKHH"))
	f.Fuzz(func(t *testing.T, p []byte) {
		got := parseSegment(p)
		for i, r := range got.records {
			if r.seq <= got.settled || i > 0 && r.seq != got.records[i-1].seq+1 {
				t.Fatalf("record %d after %d settled: %v", r.seq, got.settled, got.records)
			}
			if again, ok := decode(encode(r.items)); !ok || len(again) != len(r.items) {
				t.Fatalf("%v came back as %v, %v", r.items, again, ok)
			}
		}
	})
}

// bytesFile takes a header.
type bytesFile struct{ p []byte }

func (b *bytesFile) Write(p []byte) (int, error)             { return copy(b.p, p), nil }
func (b *bytesFile) Seek(offset int64, _ int) (int64, error) { return offset, nil }
func (b *bytesFile) SyncData() error                         { return nil }
