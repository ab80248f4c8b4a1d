package filesystem

import (
	"encoding/hex"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
)

// spill holds any number of digests, each with a tail of a fixed size, in 256 buckets by the
// digest's first byte. What exceeds the memory limit goes to files, and one bucket is read at a
// time, so a million blobs can be processed with the memory for a few thousand.
type spill struct {
	s       *Store
	dir     string
	tail    int
	flushAt int // bytes of one bucket kept in memory
	buckets [256][]byte
	onDisk  [256]bool
	made    bool
}

// spillAt bounds a spill's memory to 4 MiB.
const spillAt = 16 << 10

func (s *Store) newSpill(tail int) *spill {
	p := &spill{s: s, dir: gcDir + "/" + s.temporary()[len(stageDir)+1:], tail: tail, flushAt: spillAt}
	if s.opt.ReadOnly {
		p.flushAt = 1 << 30
	}
	return p
}

// key encodes a digest compactly and comparably: one byte for the algorithm, then the raw digest.
func key(d digest.Digest) (string, bool) {
	raw := make([]byte, 1, 65)
	if d.Algorithm() == digest.SHA512 {
		raw[0] = 1
	}
	raw, err := hex.AppendDecode(raw, []byte(d.Encoded()))
	return string(raw), err == nil && len(raw) == keySize(raw[0])
}

func keySize(alg byte) int {
	if alg == 1 {
		return 65
	}
	return 33
}

func digestOfKey(k string) digest.Digest {
	return digest.NewDigestFromEncoded(algorithms[k[0]], hex.EncodeToString([]byte(k[1:])))
}

// add adds a digest.
func (p *spill) add(d digest.Digest, tail ...byte) error {
	k, ok := key(d)
	if !ok || len(tail) != p.tail {
		return fmt.Errorf("note %q: no digest", d)
	}
	i := k[1]
	p.buckets[i] = append(append(p.buckets[i], k...), tail...)
	if len(p.buckets[i]) >= p.flushAt {
		return p.flush(i)
	}
	return nil
}

func (p *spill) file(i byte) string { return fmt.Sprintf("%s/%02x", p.dir, i) }

func (p *spill) flush(i byte) error {
	if !p.made {
		if err := p.s.disk.Mkdir(p.dir); err != nil {
			return fmt.Errorf("note digests: %w", mapped(err))
		}
		p.made = true
	}
	open := p.s.disk.Create
	if p.onDisk[i] {
		open = p.s.disk.Reopen
	}
	f, err := open(p.file(i))
	if err != nil {
		return fmt.Errorf("note digests: %w", mapped(err))
	}
	defer f.Close()
	p.onDisk[i] = true
	if _, err = f.Seek(0, io.SeekEnd); err == nil {
		_, err = f.Write(p.buckets[i])
	}
	if err != nil {
		return fmt.Errorf("note digests: %w", mapped(err))
	}
	p.buckets[i] = p.buckets[i][:0]
	return nil
}

// each calls visit for all digests of one bucket. The tail is valid only during the call.
func (p *spill) each(i byte, visit func(k string, tail []byte)) error {
	all := p.buckets[i]
	if p.onDisk[i] {
		earlier, err := p.s.read(p.file(i), 1<<40)
		if err != nil {
			return fmt.Errorf("read noted digests: %w", err)
		}
		all = append(earlier, all...)
	}
	for len(all) > 0 {
		n := keySize(all[0])
		if len(all) < n+p.tail {
			return fmt.Errorf("read noted digests: %s is cut", p.file(i))
		}
		visit(string(all[:n]), all[n:n+p.tail])
		all = all[n+p.tail:]
	}
	return nil
}

func (p *spill) close() {
	if p.made {
		p.s.removeTree(p.dir)
	}
}
