package check

import (
	"context"
	"strings"

	"packhouse/finding"
)

// proveBucket tests the bucket directly, beyond the round trip through the server, and recommends a
// lifecycle rule.
func proveBucket(ctx context.Context, s *session) Result {
	bucket := "bucket " + s.Config.Storage.S3.Bucket
	if s.Bucket == nil {
		return notProven("%s was not tried", bucket)
	}
	if s.Quick {
		return notProven("%s was not tried: left out by --quick", bucket)
	}
	s.doing("trying the " + bucket)
	proof := s.Bucket(ctx)
	var r Result
	switch f := proof.Failure; {
	case f == nil:
		r = passed("%s", proof.Works)
	case f.Severity == finding.Warning:
		r = warning(f.Code, bucket, f.What, f.Remedy)
	default:
		return failed(f.Code, bucket, f.What, f.Remedy)
	}
	if len(proof.Lost) > 0 && r.Status == Passed {
		r.Advice = "missing in this S3 service:\n- " + strings.Join(proof.Lost, "\n- ") + "\n"
	}
	r.Advice += "lifecycle rule for the bucket, so that incomplete uploads are removed:\n" + proof.Lifecycle
	return r
}
