package s3

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// Traits are the capabilities of an S3 service, found by probing.
type Traits struct {
	Create           bool // a write with If-None-Match: * creates only once, even if several race
	Replace          bool // a write with If-Match replaces only that object, and never creates one
	ConditionalDrop  bool // a deletion with If-Match deletes only that object
	ReadAfterWrite   bool // writes and deletions are visible to reads immediately
	ListedAfterWrite bool // the same for listings
	Copy             bool // the service copies parts of an upload itself (UploadPartCopy)
}

// Conditional reports whether conditional writes work. Without them, only one process may use the
// bucket, and it must not collect.
func (t Traits) Conditional() bool { return t.Create && t.Replace }

// Collectable reports whether garbage collection is safe while pushes run.
func (t Traits) Collectable() bool {
	return t.Conditional() && t.ReadAfterWrite && t.ListedAfterWrite
}

// WeakRemedy is the remedy for a service on which garbage collection is not safe.
const WeakRemedy = "take a newer release of the S3 service; until then run one process; nothing is collected"

// Weaknesses describes, in sentences, what does not work and the consequences.
func (t Traits) Weaknesses() []string {
	var all []string
	add := func(good bool, what string) {
		if !good {
			all = append(all, what)
		}
	}
	add(t.Create, "a write with If-None-Match is not held: a tag that must not be overwritten is only safe from this process; run one process, and no collection")
	add(t.Replace, "a write with If-Match is not held: uploads cannot move between processes; run one process, and no collection")
	add(t.ConditionalDrop, "a deletion with If-Match is not held: damaged blobs are refused but not moved away, and released markers stay a while")
	add(t.ReadAfterWrite, "what was written cannot be read at once: run one process, and no collection")
	add(t.ListedAfterWrite, "what was written is not listed at once: listings lag, and no collection")
	add(t.Copy, "parts of an upload cannot be copied (UploadPartCopy): this server reads the parts of a chunked upload "+
		"and sends them again at its end")
	return all
}

// asContent is the last element of the key of a probe object that is stored as blob content is, in
// its storage class.
const asContent = "content"

// racing is how many writers race for one key.
const racing = 16

// prove probes the capabilities that the store needs from a bucket. It writes and removes a few
// objects below packhouse/v1/probe. An error means that the bucket cannot be used at all; Probe
// finds out why.
func prove(ctx context.Context, b bucket) (Traits, error) {
	var t Traits
	dir := probeDir + newID() + "/"
	keys := []string{dir + "create", dir + asContent, dir + "missing", dir + "race"}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
		defer cancel() // a collection removes what remains
		_ = inParallel(ctx, len(keys), len(keys), func(ctx context.Context, i int) error { return b.delete(ctx, keys[i]) })
	}()
	// The first write shows whether anything works at all, with the storage class of content.
	etag, err := b.put(ctx, keys[1], []byte("1"), condition{})
	if err != nil {
		return t, err
	}
	if err := t.proveReading(ctx, b, keys[1], dir); err != nil {
		return t, err
	}
	var errs [3]error
	var wait sync.WaitGroup
	wait.Go(func() { t.Create, errs[0] = proveCreate(ctx, b, keys[0], keys[3]) })
	wait.Go(func() { t.Replace, errs[1] = proveReplace(ctx, b, keys[1], etag, keys[2]) })
	wait.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return t, err
	}
	t.Copy = proveCopy(ctx, b, keys[1], dir+"copied")
	t.ConditionalDrop, err = proveDrop(ctx, b, keys[1])
	if err != nil {
		return t, err
	}
	switch _, err := b.head(ctx, keys[1]); {
	case err == nil:
		t.ReadAfterWrite = false // stale read: it was deleted
	case !errors.Is(err, errMissing):
		return t, err
	}
	p, err := b.list(ctx, dir, "", mostListed, false)
	if err != nil {
		return t, err
	}
	for _, o := range p.objects {
		t.ListedAfterWrite = t.ListedAfterWrite && o.key != keys[1] // stale entry: it was deleted
	}
	return t, nil
}

func (t *Traits) proveReading(ctx context.Context, b bucket, key, dir string) error {
	body, _, err := read(ctx, b, key, 1)
	if err != nil && !errors.Is(err, errMissing) {
		return err
	}
	t.ReadAfterWrite = string(body) == "1"
	p, err := b.list(ctx, dir, "", mostListed, false)
	if err != nil {
		return err
	}
	t.ListedAfterWrite = len(p.objects) == 1 && p.objects[0].key == key
	return nil
}

// refused reports whether a write was rejected because of its condition.
func refused(err error) (bool, error) {
	if errors.Is(err, errCondition) {
		return true, nil
	}
	// A service that does not support conditions may respond with 501.
	if s := status(err); s == 501 || s == 400 {
		return false, nil
	}
	return false, err
}

func proveCreate(ctx context.Context, b bucket, key, raced string) (bool, error) {
	if _, err := b.put(ctx, key, []byte("1"), ifAbsent); err != nil {
		_, err = refused(err)
		return false, err
	}
	_, err := b.put(ctx, key, []byte("2"), ifAbsent)
	if ok, err := refused(err); err != nil || !ok {
		return false, err
	}
	var won atomic.Int32
	err = inParallel(ctx, racing, racing, func(ctx context.Context, i int) error {
		_, err := b.put(ctx, raced, fmt.Appendf(nil, "racer %d", i), ifAbsent)
		if err == nil {
			won.Add(1)
			return nil
		}
		_, err = refused(err)
		return err
	})
	return won.Load() == 1, err
}

func proveReplace(ctx context.Context, b bucket, key, etag, missing string) (bool, error) {
	if _, err := b.put(ctx, key, []byte("2"), ifMatch(etag)); err != nil {
		_, err = refused(err)
		return false, err
	}
	_, err := b.put(ctx, key, []byte("3"), ifMatch(etag))
	if ok, err := refused(err); err != nil || !ok {
		return false, err
	}
	_, err = b.put(ctx, missing, []byte("1"), ifMatch(etag))
	if ok, err := refused(err); err != nil || !ok {
		return false, err
	}
	body, _, err := read(ctx, b, key, 1)
	return string(body) == "2", err
}

// proveCopy copies an object into a part. A failure for another reason than the capability is not
// reported here: Probe names it.
func proveCopy(ctx context.Context, b bucket, from, key string) bool {
	id, err := b.startMultipart(ctx, key)
	if err != nil {
		return b.copies()
	}
	_, _ = b.copyPart(ctx, key, id, 1, from, "", 0, 1)
	ctx, cancel := cleanup(ctx)
	defer cancel()
	_ = b.abortMultipart(ctx, key, id)
	return b.copies()
}

// proveDrop deletes the object.
func proveDrop(ctx context.Context, b bucket, key string) (bool, error) {
	o, err := b.head(ctx, key)
	if err != nil {
		return false, err
	}
	if ok, err := refused(b.deleteIf(ctx, key, `"00000000000000000000000000000000"`)); err != nil || !ok {
		return false, errors.Join(err, b.delete(ctx, key))
	}
	if err := b.deleteIf(ctx, key, o.etag); err != nil {
		return false, b.delete(ctx, key)
	}
	return true, nil
}
