package s3

import "bytes"

func newBody(content []byte) *bytes.Reader { return bytes.NewReader(content) }
