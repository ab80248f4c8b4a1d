package s3

// How uploads are cut: into parts of the configured size, doubled after every doubleAfter of them, so that S3's limit of 10,000 is reached by
// no blob that S3 takes at all (5 TiB). An upload whose size is announced is cut into parts that are all of one size.
const (
	doubleAfter = 1500
	mostParts   = 10_000
	// evenParts is how many parts an upload of announced size is cut into at most.
	evenParts = 8_000
	mebibyte  = 1 << 20
)

// partSize returns the size of the n-th part, counted from 0, of an upload that began with parts of base bytes.
func partSize(base int64, n int) int64 { return base << min(n/doubleAfter, 16) }

// baseFor returns the size of the parts of an upload of which size bytes are announced, or -1.
func baseFor(chunk, size int64) int64 {
	if size <= 0 || size <= chunk*evenParts {
		return chunk
	}
	base := (size + evenParts - 1) / evenParts
	return (base + mebibyte - 1) / mebibyte * mebibyte
}
