package setup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/trust"
)

// ownerFile records, below the root of a store on disk, which installation owns the store. CNCF
// distribution does not read the packhouse directory.
const ownerFile = ownName + "/installation.json"

// largestOwnerFile is the maximum size of ownerFile in bytes.
const largestOwnerFile = 64 << 10

// StoreOwner is the installation that owns a store on disk.
type StoreOwner struct {
	ID      string `json:"installation"` // its Manifest.ID
	Dir     string `json:"directory"`    // its directory, for messages
	Created bool   `json:"created"`      // it created the store, so that uninstall --data may remove it
}

// readStoreOwner returns the recorded owner of the store in root, or nil if none is recorded. The
// server's user can write there: planted is not nil if a link, a pipe, a directory or a file that is
// too large is in the place of the record, or a link in that of its directory.
// readStoreOwner neither follows it nor waits for it.
func readStoreOwner(root string) (recorded *StoreOwner, planted *trust.Error) {
	data, err := readRecord(root)
	if err != nil {
		return nil, unusableRecord(root, err)
	}
	o := &StoreOwner{}
	if json.Unmarshal(data, o) != nil || o.ID == "" {
		return nil, nil
	}
	return o, nil
}

// unusableRecord returns what is in the place of the owner record, given why it cannot be read, or
// nil if there is no record or only its permissions are missing.
func unusableRecord(root string, err error) *trust.Error {
	fault := trust.Unsafe(err)
	if fault != nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return fault
	}
	record := filepath.Join(root, filepath.FromSlash(ownerFile))
	info, err := os.Lstat(record)
	if err != nil {
		return nil
	}
	uid, _ := owner(info)
	return &trust.Error{
		Path: record, Owner: fmt.Sprintf("uid %d", uid), Mode: info.Mode(),
		Reason: "it is not a record of an installation", Fix: "look at it first, then move it away",
	}
}

// isOwnerRecord reports whether path is the owner record of a store, and returns the store's root.
func isOwnerRecord(path string) (root string, ok bool) {
	root, ok = strings.CutSuffix(filepath.ToSlash(path), "/"+ownerFile)
	return filepath.FromSlash(root), ok
}

// plantedRecord returns what [readStoreOwner] reports to be in the place of the owner record at
// path, or nil. It returns nil for other paths.
func plantedRecord(path string) *trust.Error {
	root, ok := isOwnerRecord(path)
	if !ok {
		return nil
	}
	_, planted := readStoreOwner(root)
	return planted
}

func readRecord(root string) ([]byte, error) {
	dir, err := trust.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	name, base := path.Split(ownerFile)
	own, err := dir.Sub(name)
	if err != nil {
		return nil, err
	}
	defer own.Close()
	f, err := own.OpenRegular(base, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return trust.ReadAtMost(f, largestOwnerFile)
}

// installationID returns the ID of the installation in dir: the one in its manifest, else one
// derived from the directory and the machine, so that repeating an installation yields the same ID.
func installationID(m *Manifest, dir string) string {
	if m != nil && m.ID != "" {
		return m.ID
	}
	machine, err := os.ReadFile("/etc/machine-id")
	if err != nil {
		machine = nil // missing in containers
	}
	sum := sha256.Sum256([]byte("packhouse installation\n" + strings.TrimSpace(string(machine)) + "\n" + filepath.Clean(dir)))
	return hex.EncodeToString(sum[:16])
}

// id returns the ID of the installation of the answers.
func (a *Answers) id() string {
	var m *Manifest
	if a.existing != nil && a.existing.Dir == a.Dir {
		m = a.existing.Manifest
	}
	return installationID(m, a.Dir)
}

// storeRoot returns the root of the store of the answers, or "" if it is not a directory on this
// machine.
func (a *Answers) storeRoot() string {
	if a.Storage != config.Filesystem || !filepath.IsAbs(a.StoragePath) {
		return ""
	}
	return a.StoragePath
}

// otherOwner returns the installation other than that of the answers that owns their store, or nil.
func (a *Answers) otherOwner() *StoreOwner {
	root := a.storeRoot()
	if root == "" {
		return nil
	}
	if owner, _ := readStoreOwner(root); owner != nil && owner.ID != a.id() {
		return owner
	}
	return nil
}

// takeOverQuestion asks whether to take over a store that another installation owns.
func takeOverQuestion() *Question {
	q := &Question{
		ID: "take-over-store", Title: "Take over", Flags: []string{"--take-over-store"},
		Ask: "This directory holds the packs of another installation. Take it over?",
		Help: "Each store belongs to one installation. After a take-over this installation serves the packs and images in the directory, and the other one must not: " +
			"two servers on one directory damage it. Users and certificates are not taken over, and uninstall --data of either installation leaves the content. " +
			"Answer yes if the other installation is gone, or moves here. Otherwise choose another directory.",
		Asked:    func(a *Answers) bool { return a.otherOwner() != nil },
		Validate: validateTakeOver,
	}
	return q.confirm(func(a *Answers) *bool { return &a.TakeOver })
}

func validateTakeOver(_ context.Context, _ *Machine, a *Answers) []finding.Finding {
	owner := a.otherOwner()
	if owner == nil {
		return nil
	}
	what := fmt.Sprintf("the store in %s belongs to the installation in %s", a.StoragePath, clip(owner.Dir))
	if a.TakeOver {
		return []finding.Finding{warned(CodeStoreOwned, what, "after the take-over, that installation must not serve it")}
	}
	f := refused(CodeStoreOwned, what, "").WithRemedy(
		finding.Textf("choose another one %s, or take it over %s if that installation is gone", withFlag("--storage-path", ""), withFlag("--take-over-store", "")))
	f.Flag = "--storage-path"
	if a.usesStore() {
		f.Severity = finding.Warning
	}
	return []finding.Finding{f}
}

// usesStore reports whether the existing installation already uses the store of the answers, so
// that findings about it must not block other changes, such as renewing a certificate.
func (a *Answers) usesStore() bool {
	return a.existing != nil && a.existing.Config != nil && a.existing.Config.Storage.Filesystem.RootDirectory == a.StoragePath
}

// probeStoreServer refuses a store that a server of another installation uses or may use. It only
// warns if this installation uses the store already: the server's user must not be able to block its
// changes with a socket.
func probeStoreServer(ctx context.Context, m *Machine, a *Answers) []finding.Finding {
	if m.ServerOn == nil {
		return nil
	}
	report := refused
	if a.usesStore() {
		report = warned
	}
	switch s := m.ServerOn(ctx, a.Dir, a.StoragePath); {
	case s.Doubt != nil:
		what := fmt.Sprintf("another server may be running on the store in %s: %v", a.StoragePath, s.Doubt)
		return []finding.Finding{report(CodeStoreBusy, what, s.Remedy)}
	case s.Up && !SameFile(s.Config, filepath.Join(a.Dir, ConfigFile)):
		what := fmt.Sprintf("a server of another installation runs on the store in %s", a.StoragePath)
		if s.Config != "" {
			what += fmt.Sprintf(": pid %d, with %s", s.PID, s.Config)
		}
		return []finding.Finding{report(CodeStoreBusy, what, "stop that server, or choose another directory")}
	}
	return nil
}

// storeOwner plans the owner record in a store on disk. A store in a bucket may be shared and has
// no record. The record of another owner is kept unless the store is taken over.
func (b *builder) storeOwner() {
	root := b.answers.storeRoot()
	if root == "" || ThisMachine().Writable(root) != nil || b.installed.readOnly() {
		return
	}
	have, planted := readStoreOwner(root)
	if planted != nil {
		b.refusePlanted(planted)
		return
	}
	id := installationID(b.installed.Manifest, b.dir)
	if have != nil && have.ID != id && !b.answers.TakeOver {
		return
	}
	owner := StoreOwner{ID: id, Dir: b.dir, Created: b.creates(root, have, id)}
	data, err := json.MarshalIndent(owner, "", "  ")
	if err != nil {
		b.fail(fmt.Errorf("encode owner of the store: %w", err))
		return
	}
	record := filepath.Join(root, filepath.FromSlash(ownerFile))
	b.directory(filepath.Dir(record), 0o750)
	b.ownedAs(root)
	meaning := "records that this installation owns the store"
	if have != nil && have.ID != id {
		meaning += ", no longer the one in " + clip(have.Dir)
	}
	b.put(record, 0o644, append(data, '\n'), false, meaning)
	b.ownedAs(root)
}

// refusePlanted reports what is in the place of the owner record. The server's user must not be able
// to block changes of the installation with it, so it is refused in a new store only.
func (b *builder) refusePlanted(fault *trust.Error) {
	if !b.answers.usesStore() {
		b.fail(fault)
		return
	}
	f := warned(CodeUnsafe, fault.Error()+", so the owner of the store is not recorded", fault.Fix)
	b.plan.Findings = append(b.plan.Findings, f)
}

// creates reports whether the installation creates the store in root, or created it: an
// installation of an earlier version counts as the creator of its store.
func (b *builder) creates(root string, have *StoreOwner, id string) bool {
	if have != nil {
		return have.ID == id && have.Created
	}
	c := &config.Config{}
	c.Storage.Driver, c.Storage.Filesystem.RootDirectory = config.Filesystem, root
	in := b.installed
	uses := in.Manifest != nil && in.Config != nil && in.Config.Storage.Driver == config.Filesystem &&
		filepath.Clean(in.Config.Storage.Filesystem.RootDirectory) == filepath.Clean(root)
	return uses || len(StoreTrees(c)) == 0
}

// ownedAs sets the owner of the last planned change, if that creates a file, to the owner of an
// existing directory.
func (b *builder) ownedAs(dir string) {
	c := &b.plan.Changes[len(b.plan.Changes)-1]
	if info, err := os.Stat(dir); err == nil && c.Kind == Create {
		c.UID, c.GID = owner(info)
	}
}

// ownsStore reports whether path is the owner record in the installation's store.
func (in *Installed) ownsStore(path string) bool {
	return in.Config != nil && path == filepath.Join(in.Config.Storage.Filesystem.RootDirectory, filepath.FromSlash(ownerFile))
}

// readOnly reports whether the installation's store is in read-only mode.
func (in *Installed) readOnly() bool {
	return in != nil && in.Config != nil && in.Config.Storage.Maintenance.ReadOnly.Enabled
}

// KeepsStore returns a *finding.Error if uninstall must not remove the content of an installation's
// store: another installation owns the store, or the content existed before the installation.
func (in *Installed) KeepsStore() error {
	trees := StoreTrees(in.Config)
	if len(trees) == 0 {
		return nil
	}
	root := in.Config.Storage.Filesystem.RootDirectory
	owner, planted := readStoreOwner(root)
	refuse := func(what, remedy string) error {
		return finding.NewError(refused(CodeStoreOwned, what, remedy))
	}
	if planted != nil {
		return refuse(planted.Error()+", so nothing records that this installation created the store", planted.Fix)
	}
	if link, target := linkInStore(root); link != "" {
		return refuse(fmt.Sprintf("%s is a link to %s, and nothing is removed through a link", link, target), "leave out --data, and remove "+target+" yourself")
	}
	legacy := in.Manifest == nil || in.Manifest.ID == ""
	switch {
	case owner == nil && legacy: // written by a version without owner records
		return nil
	case owner == nil:
		return refuse("nothing records that this installation created the store in "+root, "leave out --data, and remove the directory yourself")
	case owner.ID != installationID(in.Manifest, in.Dir):
		return refuse(fmt.Sprintf("the store in %s belongs to the installation in %s", root, clip(owner.Dir)), "leave out --data")
	case !owner.Created:
		return refuse("the content in "+root+" was there before this installation", "leave out --data, and remove the directory yourself")
	}
	return nil
}
