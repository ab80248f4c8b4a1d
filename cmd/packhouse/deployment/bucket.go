package deployment

import (
	"context"
	"time"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/server/storage/s3"
	"packhouse/setup/check"
	"packhouse/setup/question"
)

// TryStorage tests all operations that a store needs on the storage.
func TryStorage(ctx context.Context, storage config.Storage) []finding.Trial {
	if storage.Driver != config.S3 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, BucketPatience)
	defer cancel()
	return s3.Probe(ctx, storage.S3)
}

// bucketProver returns the bucket test of a configuration.
func bucketProver(storage config.Storage) check.Bucket {
	return func(ctx context.Context) check.BucketProof {
		ctx, cancel := context.WithTimeout(ctx, BucketPatience)
		defer cancel()
		return judgeBucket(storage.S3, s3.Probe(ctx, storage.S3))
	}
}

// judgeBucket converts the results of a bucket test.
func judgeBucket(bucket config.S3Storage, trials []finding.Trial) check.BucketProof {
	proof := check.BucketProof{Lifecycle: s3.Lifecycle(bucket)}
	for i := range trials {
		if len(trials[i].Weaknesses) > 0 && trials[i].Passed {
			proof.Lost = trials[i].Weaknesses
			trials[i].What = "writing with conditions works" // Lost contains the rest
		}
	}
	for _, f := range question.JudgeTrials(bucket.Bucket, trials) {
		if f.Severity == finding.Note {
			proof.Works = f.What
			continue
		}
		if proof.Failure == nil || proof.Failure.Severity == finding.Warning { // a refusal takes precedence
			proof.Failure = &f
		}
	}
	return proof
}

// StoreFindings returns what the service of a bucket lacks: a warning for what limits the store to one
// process, else a notice.
func StoreFindings(store any) (lacking []finding.Finding) {
	s, ok := store.(interface{ Traits() s3.Traits })
	if !ok {
		return nil
	}
	traits := s.Traits()
	for _, what := range traits.Weaknesses() {
		p := finding.Finding{Severity: finding.Note, What: what}
		if !traits.Collectable() {
			p.Severity, p.Remedy = finding.Warning, s3.WeakRemedy
		}
		lacking = append(lacking, p)
	}
	return lacking
}

// BucketPatience is the timeout of testing a bucket.
const BucketPatience = 30 * time.Second
