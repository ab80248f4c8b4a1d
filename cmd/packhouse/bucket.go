package main

import (
	"context"

	"packhouse/server/config"
	"packhouse/server/storage/s3"
	"packhouse/setup"
	"packhouse/setup/check"
)

// tryStorage has the driver of the bucket try everything that a store needs.
func tryStorage(ctx context.Context, storage config.Storage) []setup.StorageTrial {
	if storage.Driver != config.S3 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, bucketPatience)
	defer cancel()
	var trials []setup.StorageTrial
	for _, f := range s3.Probe(ctx, storage.S3) {
		trials = append(trials, setup.StorageTrial{Right: f.Right, Passed: f.Passed, Tried: f.Tried, What: f.What, Remedy: f.Remedy})
	}
	return trials
}

// bucketProver tries the bucket of a configuration for the checks.
func bucketProver(storage config.Storage) check.Bucket {
	return func(ctx context.Context) check.BucketProof {
		proof := check.BucketProof{Lifecycle: s3.Lifecycle(storage.S3)}
		for _, f := range setup.JudgeTrials(storage.S3.Bucket, tryStorage(ctx, storage)) {
			if f.Severity == setup.Note {
				proof.Works = f.What
				continue
			}
			if proof.Code == "" || proof.Weak { // what is refused weighs more than what is weak
				proof.Code, proof.Cause, proof.Remedy, proof.Weak = f.Code, f.What, f.Remedy, f.Severity == setup.Warning
			}
		}
		return proof
	}
}
