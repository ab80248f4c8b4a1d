package filesystem

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

// sweep handles all blobs whose digest begins with the given byte.
func (c *collection) sweep(ctx context.Context, first byte) error {
	live := map[string]reason{}
	err := c.marks.live.each(first, func(k string, tail []byte) {
		r := reason{tail[0], int(binary.BigEndian.Uint32(tail[1:]))}
		if was, ok := live[k]; !ok || r.why < was.why {
			live[k] = r
		}
	})
	if err != nil {
		return err
	}
	links := map[string][]linkedBy{}
	err = c.marks.links.each(first, func(k string, tail []byte) {
		if _, lives := live[k]; !lives {
			links[k] = append(links[k], linkedBy{int(binary.BigEndian.Uint32(tail[1:])), tail[0]})
		}
	})
	if err != nil {
		return err
	}
	var changed dirs
	err = c.s.eachBlob(ctx, first, c.marks.problem, func(d digest.Digest, info disk.Info) error {
		k, _ := key(d)
		verdict := storage.Verdict{Digest: d, Size: info.Size, Kind: "blob"}
		if r, lives := live[k]; lives {
			verdict.Repository = c.marks.repos[r.repo]
			verdict.Reason = c.worded(r.why, verdict.Repository)
			c.keep(verdict)
			return nil
		}
		by := links[k]
		delete(links, k)
		return c.dead(verdict, info, by, &changed)
	})
	if err == nil {
		// The remaining links refer to missing data.
		for k, by := range links {
			if err = errors.Join(ctx.Err(), c.dangling(digestOfKey(k), by, &changed)); err != nil {
				break
			}
		}
	}
	werr := c.s.barrier.wait(nil, changed.list)
	changed.remove()
	return errors.Join(err, mapped(werr))
}

// dirs collects directories that lost entries, and cleanup functions for what was renamed into
// trash.
type dirs struct {
	list  []string
	seen  map[string]struct{}
	after []func()
}

func (l *dirs) add(dir string, remove func()) {
	if l.seen == nil {
		l.seen = map[string]struct{}{}
	}
	if _, ok := l.seen[dir]; !ok {
		l.seen[dir] = struct{}{}
		l.list = append(l.list, dir)
	}
	l.after = append(l.after, remove)
}

func (l *dirs) remove() {
	for _, r := range l.after {
		r()
	}
}

func (c *collection) keep(v storage.Verdict) {
	c.sum.BlobsKept++
	c.report(v)
}

// dead removes an unreferenced blob unless it was touched within the window.
func (c *collection) dead(v storage.Verdict, info disk.Info, by []linkedBy, changed *dirs) error {
	if why, last, err := c.touched(v.Digest, info, by); err != nil {
		return err
	} else if why != "" {
		v.Reason, v.After = why, c.past(last).Add(c.opt.Window)
		if v.After.Before(c.until) {
			v.After = c.until
		}
		c.keep(v)
		return nil
	}
	if c.held() {
		v.Reason, v.After = c.heldWhy(), c.until
		c.keep(v)
		return nil
	}
	v.Reason = "no manifest refers to it, and it was not used within the window"
	if !c.opt.DryRun {
		why, err := c.remove(v.Digest, by, changed)
		if err != nil {
			return err
		}
		if why != "" {
			v.Reason = why
			c.keep(v)
			return nil
		}
	} else {
		for _, l := range by {
			if l.kind == layerLink {
				c.sum.LinksRemoved++
			}
		}
	}
	v.Removed = true
	c.sum.BlobsRemoved++
	c.sum.BytesFreed += info.Size
	c.report(v)
	return nil
}

// touched returns why an unreferenced blob is kept because of its age, and since when; "" if it is
// not kept.
func (c *collection) touched(d digest.Digest, info disk.Info, by []linkedBy) (why string, last time.Time, err error) {
	if c.fresh(info.ModTime, c.opt.Window) {
		why, last = "no manifest refers to it yet, it was pushed lately", info.ModTime
	}
	for _, l := range by {
		if l.kind != layerLink {
			continue
		}
		_, link, ok, err := c.s.linked(layerDir(c.marks.repos[l.repo], d), d)
		if err != nil {
			return "", last, err
		}
		if ok && c.fresh(link.ModTime, c.opt.Window) && link.ModTime.After(last) {
			why, last = fmt.Sprintf("no manifest refers to it yet, but %s touched it lately", c.marks.repos[l.repo]), link.ModTime
		}
	}
	return why, last, nil
}

// remove removes a blob's links and then its data, after checking again under its lock.
func (c *collection) remove(d digest.Digest, by []linkedBy, changed *dirs) (kept string, err error) {
	defer c.s.locks.exclusive(d)()
	if used, why := c.usedMeanwhile(d); used {
		return why, nil
	}
	info, ok, err := c.s.data(d)
	if err != nil {
		return "", err
	}
	if why, _, err := c.touched(d, info, by); err != nil || ok && why != "" {
		return why, err
	}
	if err := c.unlink(d, by, changed); err != nil {
		return "", err
	}
	dir := blobDir(d)
	if err := c.s.unjournal(dir); err != nil {
		return "", err
	}
	remove, err := c.s.discard(dir)
	if absent(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("remove blob: %w", mapped(err))
	}
	changed.add(parentOf(dir), remove)
	c.s.manifests.Remove(d)
	return "", nil
}

// unlink removes the links to a blob. The caller holds its lock.
func (c *collection) unlink(d digest.Digest, by []linkedBy, changed *dirs) error {
	for _, l := range by {
		if l.kind != layerLink {
			continue
		}
		dir := layerDir(c.marks.repos[l.repo], d)
		if err := c.s.unjournal(dir); err != nil {
			return err
		}
		remove, err := c.s.discard(dir)
		if absent(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("remove link: %w", mapped(err))
		}
		changed.add(parentOf(dir), remove)
		c.sum.LinksRemoved++
	}
	return nil
}

// dangling removes old links to missing data.
func (c *collection) dangling(d digest.Digest, by []linkedBy, changed *dirs) error {
	defer c.s.locks.exclusive(d)()
	if used, _ := c.usedMeanwhile(d); used || c.held() {
		return nil
	}
	for _, l := range by {
		if l.kind != layerLink {
			continue
		}
		target, link, ok, err := c.s.linked(layerDir(c.marks.repos[l.repo], d), d)
		if err != nil {
			return err
		}
		if !ok || c.fresh(link.ModTime, c.opt.Window) {
			return nil
		}
		if _, there, err := c.s.data(target); err != nil || there {
			return err // a link whose name differs from the digest of its data
		}
	}
	if c.opt.DryRun {
		c.sum.LinksRemoved += len(by)
		return nil
	}
	return c.unlink(d, by, changed)
}
