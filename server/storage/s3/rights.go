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

// rights tries what needs the bucket.
func (p *probing) rights(ctx context.Context) {
	dir := probeDir + newID() + "/"
	key, content := dir+"object", []byte("written to see whether it can be read")
	if _, err := p.c.put(ctx, key, content, condition{}); err != nil {
		remedy := "allow s3:PutObject below " + p.c.prefix
		if p.cfg.KeyID != "" {
			remedy += ", and kms:GenerateDataKey and kms:Decrypt with the key"
		}
		p.fail(RightPut, remedy, "writing fails: %s", brief(err))
		return
	}
	p.pass(RightPut, "writing works")
	p.get(ctx, key, content)
	p.multipart(ctx, dir, key)
	if p.remove(ctx, key, dir) { // else nothing that is written to try conditions would go away
		p.conditions(ctx)
	}
}

func (p *probing) get(ctx context.Context, key string, content []byte) {
	body, _, err := read(ctx, p.c, key, 1<<10)
	switch {
	case err != nil:
		p.fail(RightGet, "allow s3:GetObject below "+p.c.prefix, "reading fails: %s", brief(err))
	case !bytes.Equal(body, content):
		p.fail(RightGet, "look into the engine", "what was written does not come back")
	default:
		p.pass(RightGet, "what was written comes back")
	}
}

func (p *probing) multipart(ctx context.Context, dir, from string) {
	const remedy = "allow s3:PutObject, s3:GetObject, s3:AbortMultipartUpload and s3:ListMultipartUploadParts"
	if err := p.tryMultipart(ctx, dir+"multipart", from); err != nil {
		p.fail(RightMultipart, remedy, "uploading in parts fails: %s", brief(err))
		return
	}
	p.pass(RightMultipart, "uploading in parts works, and copying them")
}

func (p *probing) tryMultipart(ctx context.Context, key, from string) error {
	id, err := p.c.startMultipart(ctx, key)
	if err != nil {
		return err
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
		return err
	}
	second, err := p.c.copyPart(ctx, key, id, 2, from, "", 0, 10)
	if err != nil {
		return err
	}
	if _, err := p.c.completeMultipart(ctx, key, id, []part{first, second}); err != nil {
		return err
	}
	done = true
	o, err := p.c.head(ctx, key)
	if err == nil && o.size != smallestChunk+10 {
		err = fmt.Errorf("the result has %d bytes, not %d", o.size, smallestChunk+10)
	}
	if err != nil {
		return err
	}
	if id, err = p.c.startMultipart(ctx, key); err != nil {
		return err
	}
	if err := p.c.abortMultipart(ctx, key, id); err != nil {
		return fmt.Errorf("giving one up: %w", err)
	}
	return nil
}

func (p *probing) conditions(ctx context.Context) {
	traits, err := prove(ctx, p.c)
	switch weak := traits.Weaknesses(); {
	case err != nil:
		p.fail(RightConditions, "look into the engine", "writing with conditions fails: %s", brief(err))
	case !traits.Collectable():
		p.fail(RightConditions, "take a newer release of the engine; until then run one process and collect with it stopped", "%s", strings.Join(weak, "; "))
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
		_, err = p.c.head(ctx, key)
		if err == nil {
			err = errors.New("it is still there")
		} else if errors.Is(err, errMissing) {
			err = nil
		}
	}
	if err != nil {
		p.fail(RightDelete, "allow s3:DeleteObject below "+p.c.prefix, "deleting fails: %s", brief(err))
		return false
	}
	p.pass(RightDelete, "deleting works")
	return true
}

// Lifecycle is the rule that the bucket should have, as `aws s3api put-bucket-lifecycle-configuration` takes it: parts of uploads that
// nobody completes are paid for until they are aborted. Packhouse aborts its own; the rule is for what a process leaves that died within the
// same second.
func Lifecycle(cfg config.S3Storage) string {
	prefix := strings.Trim(cfg.RootDirectory, "/")
	if prefix != "" {
		prefix += "/"
	}
	rule := map[string]any{"Rules": []any{map[string]any{
		"ID": "packhouse-incomplete-uploads", "Status": "Enabled", "Filter": map[string]string{"Prefix": prefix},
		"AbortIncompleteMultipartUpload": map[string]int{"DaysAfterInitiation": 7},
	}}}
	text, _ := json.MarshalIndent(rule, "", "  ") // strings and numbers
	return string(text)
}
