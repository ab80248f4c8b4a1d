package s3

import (
	"testing"

	"packhouse/server/packview/packviewtest"
	"packhouse/server/storage"
)

func TestPackView(t *testing.T) {
	packviewtest.Run(t, func(t *testing.T) storage.Store { return openMemory(t, newMemoryBucket(), nil) })
}
