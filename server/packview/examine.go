package packview

import (
	"context"
	"errors"
	"slices"

	"packhouse/pattern"
	"packhouse/server/reference"
	"packhouse/server/storage"
)

// examinedAtOnce is the number of versions of one pack that Examine describes at once.
const examinedAtOnce = 500

// attachedTag matches tags of signatures and other attachments, which are not versions of a pack: those
// of cosign and of the referrers tag schema (distribution-spec, "Unavailable Referrers API").
var attachedTag = pattern.Lazy(`^sha(256-[0-9a-f]{64}|512-[0-9a-f]{128})(\.[a-z]+)?$`)

var errEnough = errors.New("enough versions were examined")

// Examine calls visit with the versions of all packs that have a tag, by name of the repository, at
// most most of them. complete reports whether there are no others. It returns the error of ctx if that
// ends before. Missing records are created in the background.
func (v *View) Examine(
	ctx context.Context, most int, visit func(reference.Repository, *Version),
) (complete bool, err error) {
	err = v.eachPack(ctx, func(repo reference.Repository) error {
		tags, err := v.Tags(ctx, repo)
		if err != nil {
			return err
		}
		tags = slices.DeleteFunc(tags, attachedTag().MatchString)
		for some := range slices.Chunk(tags, examinedAtOnce) {
			if most <= 0 {
				return errEnough
			}
			examined := some[:min(len(some), most)]
			most -= len(examined)
			versions, err := v.Versions(ctx, repo, nil, examined)
			if err != nil {
				return err
			}
			for _, version := range versions {
				visit(repo, version)
			}
			if len(examined) < len(some) {
				return errEnough
			}
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return false, nil
	}
	return err == nil, err
}

// eachPack calls visit for the repository of every pack, by name, and returns the first error. It skips
// repositories that were deleted in the meantime.
func (v *View) eachPack(ctx context.Context, visit func(reference.Repository) error) error {
	isPack := func(repository reference.Repository) bool {
		_, _, pack := repository.Pack()
		return pack
	}
	for last := ""; ; {
		names, more, err := v.o.Store.Repositories(ctx, last, repositoriesAtOnce, isPack)
		if err != nil {
			return err
		}
		for _, name := range names {
			repo, err := reference.ParseRepository(name)
			if err != nil {
				continue
			}
			if err := visit(repo); err != nil && !errors.Is(err, storage.ErrRepositoryUnknown) {
				return err
			}
		}
		if !more || len(names) == 0 {
			return nil
		}
		last = names[len(names)-1]
	}
}
