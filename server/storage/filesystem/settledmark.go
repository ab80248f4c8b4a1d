package filesystem

import (
	"fmt"
	"hash/crc32"
)

// settledFile contains the number of the last settled journal record. It copies the segment headers
// to a place outside the journal: in a file-by-file backup, in which the journal is older than the
// rest, it shows that the records are settled although the headers do not say so yet.
const settledFile = leaseDir + "/settled"

// noteSettled writes settledFile, without a sync: it is correct whenever it is visible, and an
// older one only makes a replay repeat what is already in place.
func (s *Store) noteSettled(seq uint64) {
	line := fmt.Sprintf("%d", seq)
	body := fmt.Appendf(nil, "%s %08x\n", line, crc32.ChecksumIEEE([]byte(line)))
	c := s.begin()
	defer c.end()
	if err := c.rough(settledFile, body); err != nil {
		s.log.Debug("note what is settled", "error", err)
	}
}

// notedSettled reads settledFile. It returns 0 if the file is missing or torn.
func (s *Store) notedSettled() uint64 {
	body, err := s.read(settledFile, 64)
	if err != nil {
		return 0
	}
	var seq uint64
	var sum uint32
	if n, err := fmt.Sscanf(string(body), "%d %08x\n", &seq, &sum); n != 2 || err != nil {
		return 0
	}
	if crc32.ChecksumIEEE(fmt.Appendf(nil, "%d", seq)) != sum {
		return 0
	}
	return seq
}
