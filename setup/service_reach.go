package setup

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/trust"
)

// Permission bits of one class of users (owner, group or others).
const (
	toRead fs.FileMode = 0o4
	toPass fs.FileMode = 0o1 // search a directory, or execute a program
)

// temporary are directories that the system cleans up.
var temporary = [...]string{"/tmp", "/var/tmp"}

// within returns findings about paths that the server must run, read or write, but the user cannot.
func (a *Answers) within(user account, program string) []finding.Finding {
	var findings []finding.Finding
	refuse := func(what, remedy string) { findings = append(findings, refused(CodeRunAs, what, remedy)) }
	const own = "/usr/local/bin/" + ownName
	if obstacle := user.stopped(program, toPass); obstacle != "" {
		refuse(fmt.Sprintf("%s may not run %s: %s is closed", user.name, program, obstacle), fmt.Sprintf("install -m 0755 %s %s, then run setup with that one", Shell(program), own))
	} else if isTemporary(program) {
		findings = append(findings, warned(CodeRunAs, program+" lies where files do not stay, and the service needs it", fmt.Sprintf("install -m 0755 %s %s, then run setup with that one", Shell(program), own)))
	}
	if obstacle := user.stopped(filepath.Join(a.Dir, ConfigFile), 0); obstacle != "" {
		refuse(fmt.Sprintf("%s may not enter %s: %s is closed", user.name, a.Dir, obstacle), "choose another directory with --dir, or open that one: chmod a+x "+Shell(obstacle))
	}
	for _, path := range a.readBy() {
		if obstacle := user.stopped(path, toRead); obstacle == path {
			refuse(fmt.Sprintf("%s may not read %s", user.name, path), "give it to that user: chown "+user.name+" "+Shell(path))
		} else if obstacle != "" {
			refuse(fmt.Sprintf("%s may not read %s: %s is closed", user.name, path, obstacle), "copy it to where that user may read it, after every renewal too")
		}
	}
	if a.Storage != config.Filesystem {
		return findings
	}
	if obstacle := user.stopped(a.StoragePath, 0); obstacle != "" {
		findings = append(findings, refused(CodeRunAs, fmt.Sprintf("%s may not enter %s: %s is closed", user.name, a.StoragePath, obstacle), "").
			WithRemedy(finding.Textf("choose another directory %s, or open that one: chmod a+x %s",
				withFlag("--storage-path", ""), Shell(obstacle))))
	}
	if contentOfOthers(a.StoragePath, user) {
		refuse(fmt.Sprintf("%s holds content that belongs to another user than %s", a.StoragePath, user.name), "stop the server, then give it away: chown -R "+user.name+": "+Shell(a.StoragePath))
	}
	return findings
}

// contentOfOthers reports whether content below a directory belongs to another user, judging by its
// trees and the files that the last server wrote. Links that the server's user can have made are not
// followed: they are not content.
func contentOfOthers(dir string, user account) bool {
	c := &config.Config{}
	c.Storage.Driver, c.Storage.Filesystem.RootDirectory = config.Filesystem, dir
	lease := filepath.Join(dir, ownName, "v1", "lease")
	return user.uid != 0 && slices.ContainsFunc(append(StoreTrees(c), filepath.Join(lease, "owner"), filepath.Join(lease, "state.json")), func(path string) bool {
		info, err := trust.Lstat(path)
		if err != nil || !info.IsDir() && !info.Mode().IsRegular() {
			return false
		}
		uid, _ := owner(info)
		return uid != user.uid
	})
}

// onlyOwnerFile reports whether a directory contains nothing but the owner record, which setup
// gives to the server's user.
func onlyOwnerFile(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() != filepath.Base(ownerFile) })
}

// Unfit returns a finding if the user as whom systemd runs the server cannot serve the store, or
// nil. A server that was run as another user leaves files of that user.
func (in *Installed) Unfit() *finding.Finding {
	if !in.Supervised() || in.Config == nil || in.Config.Storage.Driver != config.Filesystem {
		return nil
	}
	user, err := findAccount(in.ServiceUser())
	dir := in.Config.Storage.Filesystem.RootDirectory
	if err != nil || !contentOfOthers(dir, user) {
		return nil
	}
	f := refused(CodeRunAs, fmt.Sprintf("%s holds content that belongs to another user than %s", dir, user.name), "give it away: chown -R "+user.name+": "+Shell(dir))
	return &f
}

// readBy returns the files outside the installation that the server reads.
func (a *Answers) readBy() []string {
	var paths []string
	switch a.TLS {
	case Files:
		paths = append(paths, a.CertFile)
		if _, key := a.tlsFiles(); key == a.KeyFile && key != filepath.Join(a.Dir, filepath.FromSlash(OwnKeyFile)) {
			paths = append(paths, key)
		}
	case LetsEncrypt:
		paths = append(paths, a.ACMECA, a.eabKeyFile())
	}
	if a.Storage == config.S3 {
		paths = append(paths, a.S3.CAFile)
	}
	return slices.DeleteFunc(paths, func(path string) bool { return !filepath.IsAbs(path) })
}

func isTemporary(path string) bool {
	return slices.ContainsFunc(temporary[:], func(dir string) bool { return strings.HasPrefix(path, dir+"/") })
}

// stopped returns the path that denies a user access to a file: the file itself or a directory
// above it, or "". A missing path is not an obstacle: setup creates it.
func (a account) stopped(path string, right fs.FileMode) string {
	obstacle := a.stoppedAt(path, right)
	if target, err := filepath.EvalSymlinks(path); err == nil && obstacle == "" && target != path {
		obstacle = a.stoppedAt(target, right)
	}
	if obstacle != "" && right != 0 && a.tries(path, right) {
		return "" // an ACL overrides the mode
	}
	return obstacle
}

func (a account) stoppedAt(path string, right fs.FileMode) string {
	path = filepath.Clean(path)
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && !a.may(info, toPass) {
			return dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	if info, err := os.Stat(path); err == nil && right != 0 && !a.may(info, right) {
		return path
	}
	return ""
}

// may reports whether the mode of a file grants a user a permission.
func (a account) may(info fs.FileInfo, right fs.FileMode) bool {
	uid, gid := owner(info)
	switch perm := info.Mode().Perm(); {
	case a.uid == 0:
		return true
	case uid == a.uid:
		return perm>>6&right != 0
	case slices.Contains(a.groups, gid):
		return perm>>3&right != 0
	default:
		return perm&right != 0
	}
}
