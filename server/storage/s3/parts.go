package s3

// Part sizes of uploads: the configured size, doubled after every thousand parts. This way, no blob
// that S3 accepts (5 TiB) reaches the limit of 10,000 parts, and blobs up to ten gigabytes have
// parts of one size.
const (
	doubleAfter = 1000
	mostParts   = 10_000
)

// partSize returns the size of the n-th part, counted from 0, of an upload whose first part has
// base bytes.
func partSize(base int64, n int) int64 { return base << min(n/doubleAfter, mostParts/doubleAfter-1) }
