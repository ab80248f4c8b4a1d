package s3

// How uploads are cut: into parts of the configured size, which doubles after every thousand of them, so that S3's limit of 10,000 parts is
// reached by no blob that S3 takes at all (5 TiB), and a blob of up to ten gigabytes has parts of one size.
const (
	doubleAfter = 1000
	mostParts   = 10_000
)

// partSize returns the size of the n-th part, counted from 0, of an upload that began with parts of base bytes.
func partSize(base int64, n int) int64 { return base << min(n/doubleAfter, mostParts/doubleAfter-1) }
