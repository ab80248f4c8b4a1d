package s3

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"packhouse/server/config"
)

// rights checks the permissions on the bucket.
func (p *probing) rights(ctx context.Context) {
	dir := probeDir + newID() + "/"
	key, content := dir+asContent, []byte("written to see whether it can be read")
	if _, err := p.c.put(ctx, key, content, condition{}); err != nil {
		p.failPut(ctx, key, content, err)
		return
	}
	p.pass(RightPut, "writing works")
	readable := p.get(ctx, key, content)
	p.multipart(ctx, dir, key, readable)
	if p.remove(ctx, key, dir) && readable { // the conditional checks must be able to read and remove what they write
		p.conditions(ctx)
	}
}

// failPut reports a failed write: either writing is denied in general, or only with the configured
// encryption or storage class.
func (p *probing) failPut(ctx context.Context, key string, content []byte, why error) {
	encryption := "give the S3 service what it encrypts with, a KMS mostly, or do not ask it for encryption"
	if p.cfg.KeyID != "" {
		encryption = "name a key that the S3 service knows, allow kms:GenerateDataKey and kms:Decrypt with it, or do not ask for encryption"
	}
	for _, wish := range []struct {
		asked        bool
		drop         func(*config.S3Storage)
		what, remedy string
	}{
		{p.cfg.Encrypt || p.cfg.KeyID != "", func(c *config.S3Storage) { c.Encrypt, c.KeyID = false, "" }, "not encrypted as asked", encryption},
		{
			p.c.class(key) != "", func(c *config.S3Storage) { c.StorageClass = "" },
			fmt.Sprintf("not in the storage class %q", p.cfg.StorageClass), "name a storage class that the S3 service has, or none",
		},
	} {
		if !wish.asked {
			continue
		}
		without := *p.c
		wish.drop(&without.cfg)
		if _, err := without.put(ctx, key, content, condition{}); err == nil {
			_ = without.delete(ctx, key)
			p.fail(RightPut, wish.remedy, "writing works, but %s: %s", wish.what, brief(why))
			return
		}
	}
	p.fail(RightPut, "allow s3:PutObject"+p.below(), "writing fails: %s", brief(why))
}

// below describes where a permission is needed.
func (p *probing) below() string {
	if p.c.prefix == "" {
		return " on everything in the bucket"
	}
	return " below " + p.c.prefix
}

func (p *probing) get(ctx context.Context, key string, content []byte) bool {
	body, _, err := read(ctx, p.c, key, 1<<10)
	switch {
	case err != nil:
		remedy := "allow s3:GetObject" + p.below()
		if p.cfg.KeyID != "" {
			remedy += ", or kms:Decrypt with the key"
		}
		if code(err) == "InvalidObjectState" {
			remedy = "name a storage class whose objects can be read at once, or none"
		}
		p.fail(RightGet, remedy, "reading fails: %s", brief(err))
	case !bytes.Equal(body, content):
		p.fail(RightGet, "look into the log of the S3 service", "what was written does not come back")
	default:
		p.pass(RightGet, "what was written comes back")
		return true
	}
	return false
}

// multipart checks multipart uploads. If reading fails, it skips copying, which needs it; that
// failure is already reported.
func (p *probing) multipart(ctx context.Context, dir, from string, readable bool) {
	what := "uploading in parts works, and copying them"
	if !readable {
		what, from = "uploading in parts works", ""
	}
	if err := p.tryMultipart(ctx, dir+"multipart", from); err != nil {
		remedy := "allow s3:PutObject and s3:AbortMultipartUpload" + p.below()
		if status(err) == 501 {
			remedy = "use a service or a release that has multipart uploads: this one says that it does not"
		}
		p.fail(RightMultipart, remedy, "uploading in parts fails: %v", err)
		return
	}
	if !p.c.copies() {
		what = "uploading in parts works; the S3 service cannot copy them (UploadPartCopy), so they are sent again"
	}
	p.pass(RightMultipart, "%s", what)
}

// tryMultipart performs every multipart operation that the store uses, and names the failing
// one.
func (p *probing) tryMultipart(ctx context.Context, key, from string) error {
	id, err := p.c.startMultipart(ctx, key)
	if err != nil {
		return step("beginning one", err)
	}
	done := false
	defer func() {
		if !done {
			ctx, cancel := cleanup(ctx)
			defer cancel()
			_ = p.c.abortMultipart(ctx, key, id)
		}
	}()
	first, err := p.c.putPart(ctx, key, id, 1, make([]byte, smallestChunk))
	if err != nil {
		return step("sending a part", err)
	}
	parts, size := []part{first}, int64(smallestChunk)
	if from != "" {
		const some = 10
		second, err := p.c.copyPart(ctx, key, id, 2, from, "", 0, some)
		if err != nil {
			return step("copying a part", err)
		}
		parts, size = append(parts, second), size+some
	}
	if _, err := p.c.completeMultipart(ctx, key, id, parts); err != nil {
		return step("putting it together", err)
	}
	done = true
	if from != "" {
		o, err := p.c.head(ctx, key)
		if err == nil && o.size != size {
			err = fmt.Errorf("the result has %d bytes, not %d", o.size, size)
		}
		if err != nil {
			return step("looking at the result", err)
		}
	}
	if id, err = p.c.startMultipart(ctx, key); err != nil {
		return step("beginning another one", err)
	}
	if err := p.c.abortMultipart(ctx, key, id); err != nil {
		return step("giving one up", err)
	}
	return nil
}

// stepError is the failure of a step, in brief.
type stepError struct {
	what string
	err  error
}

// Error implements error.
func (e *stepError) Error() string { return e.what + ": " + brief(e.err) }

// Unwrap returns the cause.
func (e *stepError) Unwrap() error { return e.err }

func step(what string, err error) error { return &stepError{what, err} }

func (p *probing) conditions(ctx context.Context) {
	traits, err := prove(ctx, p.c)
	switch weak := traits.Weaknesses(); {
	case err != nil:
		p.fail(RightConditions, "look into the log of the S3 service", "writing with conditions fails: %s", brief(err))
	case !traits.Collectable():
		p.fail(RightConditions, WeakRemedy, "%s", strings.Join(weak, "; "))
	case len(weak) > 0:
		p.pass(RightConditions, "writing with conditions works; %s", strings.Join(weak, "; "))
	default:
		p.pass(RightConditions, "writing with conditions works")
	}
	if err == nil {
		f := p.found[RightConditions]
		f.Weaknesses = traits.Weaknesses()
		p.found[RightConditions] = f
	}
}

func (p *probing) remove(ctx context.Context, key, dir string) bool {
	err := errors.Join(p.c.delete(ctx, key), p.c.delete(ctx, dir+"multipart"))
	if err == nil {
		// List instead of reading the object, which could be denied.
		var left page
		if left, err = p.c.list(ctx, dir, "", 1, false); err == nil && len(left.objects) > 0 {
			err = errors.New("what was deleted is still there")
		}
	}
	if err != nil {
		p.fail(RightDelete, "allow s3:DeleteObject"+p.below(), "deleting fails: %s", brief(err))
		return false
	}
	p.pass(RightDelete, "deleting works")
	return true
}

// Lifecycle returns the recommended lifecycle rule of the bucket, in the format of `aws s3api
// put-bucket-lifecycle-configuration`. Incomplete multipart uploads are billed until they are
// aborted. Packhouse aborts its own; the rule covers those of a process that died before it could
// record them.
func Lifecycle(cfg config.S3Storage) string {
	prefix := strings.Trim(cfg.RootDirectory, "/")
	if prefix != "" {
		prefix += "/"
	}
	rule := map[string]any{"Rules": []any{map[string]any{
		"ID": "packhouse-incomplete-uploads", "Status": "Enabled", "Filter": map[string]string{"Prefix": prefix},
		"AbortIncompleteMultipartUpload": map[string]int{"DaysAfterInitiation": 7},
	}}}
	text, _ := json.MarshalIndent(rule, "", "  ") // cannot fail
	return string(text)
}
