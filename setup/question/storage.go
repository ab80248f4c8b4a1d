package question

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/dustin/go-humanize"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/server/config/verify"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/trust"
)

func storageQuestion() *Question {
	return &Question{
		ID: "storage", Step: "storage", Title: "Storage", Default: config.Filesystem,
		Flags: []Flag{textFlag("storage", "DRIVER", "storage driver: filesystem, s3 or inmemory (default filesystem)")},
		Ask:   "Where shall packs and images be kept?",
		Help: "A directory has the layout of CNCF distribution, so either server can replace the other at any " +
			"time. In memory, all content is lost at the next restart: use it for tests only.",
		Choices: options(
			option(config.Filesystem, "Directory", "on a disk of this machine"),
			option(config.S3, "S3 bucket", "AWS, MinIO, Ceph and others; many servers can share it"),
			option(config.InMemory, "In memory", "everything is lost at restart"),
		),
		Answer: func(a *Answers) *string { return &a.Storage },
		InUse: func(in *installation.Installed) string {
			if in.Config == nil {
				return ""
			}
			return in.Config.Storage.Driver
		},
	}
}

func storagePathQuestion() *Question {
	return &Question{
		ID: "storage-path", Step: "storage", Title: "Directory", Kind: Path,
		Belongs: "--storage filesystem",
		Flags:   []Flag{textFlag("storage-path", "DIR", "storage directory, with --storage filesystem")},
		Ask:     "In which directory?",
		Help: "Its size grows with every push. A separate disk or volume is best, so that neither fills up the " +
			"other. The user who runs the server must be able to write to it, and it must survive a restart of " +
			"the machine.",
		Asked:    func(a *Answers) bool { return a.Storage == config.Filesystem },
		Suggest:  suggestStoragePaths,
		Validate: validateStoragePath,
		Probe:    probeStoragePath,
		Answer:   func(a *Answers) *string { return &a.StoragePath },
		Changed: func(a *Answers, before string) {
			a.TakeOver = a.TakeOver && a.StoragePath == before // consent was for the store in the other directory
		},
	}
}

// suggestStoragePaths returns the default directory and, if different, one below the installation
// directory.
func suggestStoragePaths(m *machine.Machine, a *Answers) []string {
	return slices.Compact([]string{m.DefaultStoragePath(a.Dir), filepath.Join(a.Dir, "data")})
}

func validateStoragePath(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
	switch {
	case a.StoragePath == "":
		return refused(setup.CodeMissing, "the directory for content is missing", "give its path")
	case strings.ContainsFunc(a.StoragePath, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return refused(setup.CodePath, fmt.Sprintf("%+q holds control characters", a.StoragePath), "choose another directory")
	case filepath.Clean(a.StoragePath) == filepath.Clean(a.Dir), filepath.Clean(a.StoragePath) == "/":
		return refused(setup.CodePath, a.StoragePath+" holds other things than content",
			"choose a directory of its own, for instance "+filepath.Join(a.Dir, "data"))
	}
	return nil
}

// leastStoreInodes is how many inodes a new store and its first pushes need.
const leastStoreInodes = 200

// probeContent refuses a directory whose content conflicts with a store.
func probeContent(a *Answers) []finding.Finding {
	if blocked := config.Blocked(a.StoragePath); blocked != "" {
		what := blocked + " is " + trust.Kind(blocked) + ", and the store needs a directory there"
		return refused(setup.CodeStoreBlocked, what, trust.MoveAway(blocked)+", or choose another directory")
	}
	found := verify.Foreign(a.StoragePath)
	if found == "" {
		return nil
	}
	return refused(setup.CodeForeignStore,
		fmt.Sprintf("%s holds %q, and is not a store of this server or of CNCF distribution", a.StoragePath, found),
		"choose an empty directory, for instance "+filepath.Join(a.StoragePath, setup.OwnName))
}

func probeStoragePath(ctx context.Context, m *machine.Machine, a *Answers) []finding.Finding {
	if fault := trust.Unsafe(trust.CheckLinks(a.StoragePath)); fault != nil {
		return []finding.Finding{installation.Unsafe(fault)}
	}
	if info, err := os.Stat(a.StoragePath); err == nil && !info.IsDir() {
		what := a.StoragePath + " is " + trust.Kind(a.StoragePath)
		return refused(setup.CodePath, what, "choose a directory")
	}
	if installation.Rel(a.Dir, a.StoragePath) != a.StoragePath && m.Host.Writable(a.Dir) != nil {
		return nil // the installation directory question reports the cause
	}
	if err := m.Host.Writable(a.StoragePath); errors.Is(err, syscall.EROFS) {
		return refused(setup.CodePath, fmt.Sprintf("the directory cannot be written: %v", err),
			trust.MountWritable(a.StoragePath)+", or choose another directory")
	} else if err != nil {
		return refused(setup.CodePath, fmt.Sprintf("the directory cannot be written: %v", err),
			"choose another one, or hand it to the user who runs the server")
	}
	fs, err := m.Host.FileSystem(a.StoragePath)
	if err != nil {
		return refused(setup.CodePath, err.Error(), "choose another directory")
	}
	findings := append(probeContent(a), probeStoreServer(ctx, m, a)...)
	switch {
	case fs.ReadOnly:
		findings = append(findings, setup.Refuse(setup.CodePath, "the file system of "+a.StoragePath+" is mounted read-only",
			trust.MountWritable(a.StoragePath)+", or choose another directory"))
	case fs.Pseudo():
		findings = append(findings, setup.Refuse(setup.CodePath,
			fmt.Sprintf("%s is on %s, where nothing can be kept", a.StoragePath, fs.Kind), "choose a directory on a disk"))
	case fs.Memory():
		findings = append(findings, setup.Refuse(setup.CodeTmpfs,
			fmt.Sprintf("%s is on %s: everything is lost when the machine restarts", a.StoragePath, fs.Kind),
			"choose a directory on a disk"))
	}
	if fs.Total > 0 && fs.Free < installation.LeastSpace {
		findings = append(findings,
			setup.Refuse(setup.CodeSpace, fmt.Sprintf("%s has %s free", a.StoragePath, humanize.IBytes(fs.Free)),
				"free space, or choose a directory with 1 GiB or more"))
	}
	if fs.Inodes > 0 && fs.FreeInodes < leastStoreInodes {
		left := map[bool]string{true: "no", false: strconv.FormatUint(fs.FreeInodes, 10)}[fs.FreeInodes == 0]
		findings = append(findings,
			setup.Refuse(setup.CodeInodes, fmt.Sprintf("the file system of %s has %s inodes left: a store needs at least %d",
				a.StoragePath, left, leastStoreInodes), "remove small files there, or choose another directory"))
	}
	if a.UsesStore() {
		for i := range findings {
			findings[i].Severity = finding.Warning
		}
		return findings
	}
	if fs.Root && !finding.AnyRefused(findings) {
		findings = append(findings, setup.Remark(setup.CodeRoot,
			fmt.Sprintf("%s is on the root disk, with %s free", a.StoragePath, humanize.IBytes(fs.Free)),
			"a disk of its own keeps the one from filling up the other"))
	}
	return findings
}

func inMemoryQuestion() *Question {
	return &Question{
		ID: "confirm-inmemory", Step: "storage", Title: "Nothing kept",
		Flags: []Flag{boolFlag("confirm-inmemory", "confirm that a restart loses all content, with --storage inmemory")},
		Ask:   "Really keep everything in memory only?",
		Help: "All packs and images are lost when the server stops, also for an update of the machine, and " +
			"clusters can then no longer pull them.",
		Asked: func(a *Answers) bool { return a.Storage == config.InMemory },
		Validate: func(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
			if !a.InMemoryConfirmed {
				return refused(setup.CodeInMemory, "with storage in memory everything is lost at restart",
					"keep it in a directory, or confirm that this is wanted")
			}
			return warned(setup.CodeInMemory, "with storage in memory everything is lost at restart", "")
		},
		Confirms: func(a *Answers) *bool { return &a.InMemoryConfirmed },
	}
}

// id returns the ID of the installation of the answers.
func (a *Answers) id() string {
	var m *installation.Manifest
	if a.Existing != nil && a.Existing.Dir == a.Dir {
		m = a.Existing.Manifest
	}
	return installation.InstallationID(m, a.Dir)
}

// StoreRoot returns the root of the store of the answers, or "" if it is not a directory on this
// machine.
func (a *Answers) StoreRoot() string {
	if a.Storage != config.Filesystem || !filepath.IsAbs(a.StoragePath) {
		return ""
	}
	return a.StoragePath
}

// otherOwner returns the installation other than that of the answers that owns their store, or nil.
func (a *Answers) otherOwner() *installation.StoreOwner {
	root := a.StoreRoot()
	if root == "" {
		return nil
	}
	if owner, _ := installation.ReadStoreOwner(root); owner != nil && owner.ID != a.id() {
		return owner
	}
	return nil
}

// takeOverQuestion asks whether to take over a store that another installation owns.
func takeOverQuestion() *Question {
	return &Question{
		ID: "take-over-store", Once: true, Step: "storage", Title: "Take over",
		Flags: []Flag{boolFlag("take-over-store",
			"take over a storage directory that belongs to another installation, which must no longer serve it")},
		Ask: "This directory holds the packs of another installation. Take it over?",
		Help: "Each store belongs to one installation. After a take-over this installation serves the packs and images in the directory, and the other one must not: " +
			"two servers on one directory damage it. Users and certificates are not taken over, and uninstall --data of either installation leaves the content. " +
			"Answer yes if the other installation is gone, or moves here. Otherwise choose another directory.",
		Asked:    func(a *Answers) bool { return a.otherOwner() != nil },
		Validate: validateTakeOver,
		Confirms: func(a *Answers) *bool { return &a.TakeOver },
	}
}

func validateTakeOver(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
	owner := a.otherOwner()
	if owner == nil {
		return nil
	}
	what := fmt.Sprintf("the store in %s belongs to the installation in %s", a.StoragePath, setup.Clip(owner.Dir))
	if a.TakeOver {
		return warned(setup.CodeStoreOwned, what, "after the take-over, that installation must not serve it")
	}
	f := setup.Refuse(setup.CodeStoreOwned, what, "").
		WithRemedy(finding.Textf("choose another one %s, or take it over %s if that installation is gone",
			withFlag("--storage-path", ""), withFlag("--take-over-store", "")))
	f.Flag = "--storage-path"
	if a.UsesStore() {
		f.Severity = finding.Warning
	}
	return []finding.Finding{f}
}

// UsesStore reports whether the existing installation already uses the store of the answers, so
// that findings about it must not block other changes, such as renewing a certificate.
func (a *Answers) UsesStore() bool {
	return a.Existing != nil && a.Existing.Config != nil &&
		a.Existing.Config.Storage.Filesystem.RootDirectory == a.StoragePath
}

// probeStoreServer refuses a store that a server of another installation uses or may use. It only
// warns if this installation uses the store already: the server's user must not be able to block its
// changes with a socket.
func probeStoreServer(ctx context.Context, m *machine.Machine, a *Answers) []finding.Finding {
	if m.ServerOn == nil {
		return nil
	}
	report := setup.Refuse
	if a.UsesStore() {
		report = setup.Warn
	}
	switch s := m.ServerOn(ctx, a.Dir, a.StoragePath); {
	case s.Doubt != nil:
		what := fmt.Sprintf("another server may be running on the store in %s: %v", a.StoragePath, s.Doubt)
		return []finding.Finding{report(setup.CodeStoreBusy, what, s.Remedy)}
	case s.Up && !installation.SameFile(s.Config, filepath.Join(a.Dir, installation.ConfigFile)):
		what := fmt.Sprintf("a server of another installation runs on the store in %s", a.StoragePath)
		if s.Config != "" {
			what += fmt.Sprintf(": pid %d, with %s", s.PID, s.Config)
		}
		return []finding.Finding{report(setup.CodeStoreBusy, what, "stop that server, or choose another directory")}
	}
	return nil
}
