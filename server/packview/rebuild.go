package packview

import (
	"context"
	"log/slog"

	"packhouse/server/reference"
)

// tagsAtOnce and repositoriesAtOnce are the numbers of names that are listed at once.
const tagsAtOnce, repositoriesAtOnce = 500, 500

// Rebuild creates missing records in the background, one at a time: after an upgrade, or after the
// store was restored without them. Logos then return without a request that opens an archive. It
// does nothing if all records exist.
func (v *View) Rebuild(log *slog.Logger) {
	v.o.Records.Run("rebuild", func(ctx context.Context) {
		if v.o.Records.Complete(ctx) {
			return
		}
		made, err := v.rebuild(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			log.LogAttrs(ctx, slog.LevelWarn, "make records of packs; the next start retries", slog.Any("error", err))
			return
		}
		if made > 0 {
			v.o.Records.SetComplete(ctx)
			log.LogAttrs(ctx, slog.LevelInfo, "records of packs are complete", slog.Int("versions", made))
		}
	})
}

// rebuild creates the records of all packs. It skips archives that cannot be read, and returns an
// error if a listing fails.
func (v *View) rebuild(ctx context.Context) (versions int, err error) {
	err = v.eachPack(ctx, func(repo reference.Repository) error {
		n, err := v.rebuildPack(ctx, repo)
		versions += n
		return err
	})
	return versions, err
}

// rebuildPack creates the missing records of one pack and the notes of its logos. The note of the
// last tag in byte order wins.
func (v *View) rebuildPack(ctx context.Context, repo reference.Repository) (versions int, err error) {
	for last := ""; ; {
		tags, more, err := v.o.Store.Tags(ctx, repo, last, tagsAtOnce)
		if err != nil {
			return versions, ctx.Err() // the repository was deleted in the meantime
		}
		for _, tag := range tags {
			if err := ctx.Err(); err != nil {
				return versions, err
			}
			d, artifact, err := v.artifactOf(ctx, repo, tag)
			if err != nil {
				continue
			}
			versions++
			s, err := v.o.Records.Make(ctx, repo, artifact.Archive)
			if err != nil {
				continue
			}
			v.o.Records.NoteLogo(ctx, repo, s, d, true)
			v.o.Records.RemoveOld(ctx, artifact.Archive)
		}
		if !more || len(tags) == 0 {
			return versions, nil
		}
		last = tags[len(tags)-1]
	}
}
