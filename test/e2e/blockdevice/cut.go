package blockdevice

import (
	"maps"
	"math/rand/v2"
)

// Cutter computes what a recorded image may hold after a power cut. It is not safe for concurrent
// use.
type Cutter struct {
	image *Image
	base  map[int64][]byte // durable content after the first `done` operations
	done  int
}

// Cut describes a power cut.
type Cut struct {
	At   int     // the operations log[:At] reached the device
	Keep float64 // probability that a sector written after the last flush survives
	Tear int     // bytes that the device writes atomically: 512 or 4096
}

// AtRisk returns how many writes before a position are behind the last flush.
func (c *Cutter) AtRisk(at int) int {
	log := c.log(at)
	return len(log) - lastFlush(log)
}

// log returns the first operations of the log.
func (c *Cutter) log(length int) []Operation {
	c.image.mu.Lock()
	defer c.image.mu.Unlock()
	return c.image.log[:length]
}

// lastFlush returns how many operations the last flush covers, with itself.
func lastFlush(log []Operation) int {
	length := len(log)
	for length > 0 && !log[length-1].Flush {
		length--
	}
	return length
}

// State returns one possible content of the device after a power cut: every write before the last
// flush, and a random subset of the sectors written after it, in log order. Cuts must be requested
// in ascending order of At.
func (c *Cutter) State(cut Cut, random *rand.Rand) *Image {
	log := c.log(cut.At)
	flushed := lastFlush(log)
	for ; c.done < flushed; c.done++ {
		apply(c.base, log[c.done])
	}
	state := &Image{size: c.image.size, blocks: maps.Clone(c.base)}
	for _, op := range log[flushed:] {
		for at := 0; at < len(op.Data); {
			// The first block holds the super block of ext4, which spans two sectors and which
			// ext4 relies on the device to write as one.
			unit := cut.Tear
			if op.Offset+int64(at) < blockSize {
				unit = blockSize
			}
			next := min(len(op.Data), at+unit-int((op.Offset+int64(at))%int64(unit)))
			if random.Float64() < cut.Keep {
				apply(state.blocks, Operation{Offset: op.Offset + int64(at), Data: op.Data[at:next]})
			}
			at = next
		}
	}
	return state
}
