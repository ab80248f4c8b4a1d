package plan

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/trust"
)

// storeOwner plans the owner record in a store on disk. A store in a bucket may be shared and has
// no record. The record of another owner is kept unless the store is taken over.
func (b *builder) storeOwner() {
	root := b.answers.StoreRoot()
	if root == "" || machine.ThisMachine().Writable(root) != nil || readOnly(b.installed) {
		return
	}
	have, planted := installation.ReadStoreOwner(root)
	if planted != nil {
		b.refusePlanted(planted)
		return
	}
	id := installation.InstallationID(b.installed.Manifest, b.dir)
	if have != nil && have.ID != id && !b.answers.TakeOver {
		return
	}
	owner := installation.StoreOwner{ID: id, Dir: b.dir, Created: b.creates(root, have, id)}
	data, err := json.MarshalIndent(owner, "", "  ")
	if err != nil {
		b.fail(fmt.Errorf("encode owner of the store: %w", err))
		return
	}
	record := filepath.Join(root, installation.OwnerFile)
	if have != nil && *have == owner && b.ofOtherUser(record) {
		return // the manifest keeps listing it
	}
	b.directory(filepath.Dir(record), 0o750)
	b.ownedAs(root)
	meaning := "records that this installation owns the store"
	if have != nil && have.ID != id {
		meaning += ", no longer the one in " + setup.Clip(have.Dir)
	}
	b.put(record, 0o644, append(data, '\n'), false, meaning)
	b.ownedAs(root)
}

// ofOtherUser reports whether the installation lists a file in its store that a user who is not known to
// run its server can write, as with a container. Only changes of the store depend on such files.
func (b *builder) ofOtherUser(path string) bool {
	return b.installed.Lists(path) && trust.Unsafe(b.places().Policy().Check(path)) != nil
}

// refusePlanted reports what is in the place of the owner record. The server's user must not be able
// to block changes of the installation with it, so it is refused in a new store only.
func (b *builder) refusePlanted(fault *trust.Error) {
	if !b.answers.UsesStore() {
		b.fail(fault)
		return
	}
	f := setup.Warn(installation.CodeUnsafe, fault.Error()+", so the owner of the store is not recorded", fault.Fix)
	b.plan.Findings = append(b.plan.Findings, f)
}

// creates reports whether the installation creates the store in root, or created it: an
// installation of an earlier version counts as the creator of its store.
func (b *builder) creates(root string, have *installation.StoreOwner, id string) bool {
	if have != nil {
		return have.ID == id && have.Created
	}
	c := &config.Config{}
	c.Storage.Driver, c.Storage.Filesystem.RootDirectory = config.Filesystem, root
	in := b.installed
	uses := in.Manifest != nil && in.Config != nil && in.Config.Storage.Driver == config.Filesystem &&
		filepath.Clean(in.Config.Storage.Filesystem.RootDirectory) == filepath.Clean(root)
	return uses || len(installation.StoreTrees(c)) == 0
}

// ownedAs sets the owner of the last planned change, if that creates a file, to the owner of an
// existing directory.
func (b *builder) ownedAs(dir string) {
	c := &b.plan.Changes[len(b.plan.Changes)-1]
	if info, err := os.Stat(dir); err == nil && c.Kind == setup.Create {
		c.UID, c.GID = machine.Owner(info)
	}
}

// OwnsStore reports whether path is the owner record in the installation's store.
func OwnsStore(in *installation.Installed, path string) bool {
	return in.Config != nil &&
		path == filepath.Join(in.Config.Storage.Filesystem.RootDirectory, installation.OwnerFile)
}

// readOnly reports whether the installation's store is in read-only mode.
func readOnly(in *installation.Installed) bool {
	return in != nil && in.Config != nil && in.Config.Storage.Maintenance.ReadOnly.Enabled
}

// KeepsStore returns a *finding.Error if uninstall must not remove the content of an installation's
// store: another installation owns the store, or the content existed before the installation.
func KeepsStore(in *installation.Installed) error {
	trees := installation.StoreTrees(in.Config)
	if len(trees) == 0 {
		return nil
	}
	root := in.Config.Storage.Filesystem.RootDirectory
	owner, planted := installation.ReadStoreOwner(root)
	refuse := func(what, remedy string) error { return setup.Refusal(setup.CodeStoreOwned, what, remedy) }
	if planted != nil {
		return refuse(planted.Error()+", so nothing records that this installation created the store", planted.Fix)
	}
	if link, target := installation.LinkInStore(root); link != "" {
		return refuse(fmt.Sprintf("%s is a link to %s, and nothing is removed through a link", link, target),
			"leave out --data, and remove the link with rm "+setup.Shell(link))
	}
	legacy := in.Manifest == nil || in.Manifest.ID == ""
	switch {
	case owner == nil && legacy: // written by a version without owner records
		return nil
	case owner == nil:
		return refuse("nothing records that this installation created the store in "+root,
			"leave out --data, and remove the directory yourself")
	case owner.ID != installation.InstallationID(in.Manifest, in.Dir):
		return refuse(fmt.Sprintf("the store in %s belongs to the installation in %s", root, setup.Clip(owner.Dir)),
			"leave out --data")
	case !owner.Created:
		return refuse("the content in "+root+" was there before this installation",
			"leave out --data, and remove the directory yourself")
	}
	return nil
}
