package clientconfig

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"oras.land/oras-go/v2/registry/remote/credentials"

	"packhouse/packs"
	"packhouse/trust"
)

// helperPrefix is the prefix of the names of credential helpers.
const helperPrefix = "docker-credential-"

// helperLetters are the characters allowed in the name of a credential helper. A slash would select
// a program below the current directory.
const helperLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

// dockerStore opens docker's credential store. It returns an error if another user can choose the
// programs that it runs or the passwords that it returns.
func dockerStore() (*credentials.DynamicStore, error) {
	// The store reads the configuration only once, so verify its path first.
	dir := os.Getenv("DOCKER_CONFIG")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, failure(fmt.Errorf("find docker's configuration: %w", err), "set DOCKER_CONFIG to a directory")
		}
		dir = filepath.Join(home, ".docker")
	}
	path := filepath.Join(dir, "config.json")
	if err := trustedOwner(path, "set DOCKER_CONFIG to a directory of your own"); err != nil {
		return nil, err
	}
	if err := verifyHelpers(path); err != nil {
		return nil, err
	}
	options := credentials.StoreOptions{AllowPlaintextPut: true, DetectDefaultNativeStore: true}
	store, err := credentials.NewStore(path, options)
	if err != nil {
		return nil, failure(fmt.Errorf("open docker's configuration: %w", err),
			"correct the file, or set DOCKER_CONFIG to another directory")
	}
	return store, nil
}

// trustedOwner returns an error if this user must not use a file with settings or passwords. Root
// refuses a path that another user can write; other users refuse one that a third user owns.
func trustedOwner(path, remedy string) error {
	fault := ownerFault(path)
	switch {
	case fault == nil:
		return nil
	case os.Geteuid() == 0:
		return failure(fault, fmt.Sprintf(
			"%s, or set HOME to the home directory of root (sudo -H); to keep this path: %s", remedy, fault.Fix,
		))
	}
	return failure(fault, remedy)
}

// ownerFault returns why this user must not use a file or run a program, or nil: root, because another
// user can change it; other users, because a third user owns it.
func ownerFault(path string) *trust.Error {
	fault := trust.Unsafe(trust.Self().Check(path))
	if fault != nil && os.Geteuid() != 0 && !fault.Foreign {
		return nil
	}
	return fault
}

// verifyHelpers returns an error if docker's configuration names a credential helper that is not
// the plain name of a program in an absolute directory of PATH, or one that another user can change.
func verifyHelpers(path string) error {
	text, err := os.ReadFile(path) //nolint:gosec // its owner was verified
	if errors.Is(err, fs.ErrNotExist) {
		return verifyDefaultHelpers()
	}
	if err != nil {
		return fmt.Errorf("read docker's configuration: %w", err)
	}
	// A map, as in the store: the fields of a struct would match in any case.
	var file map[string]json.RawMessage
	var store string
	var helpers map[string]string
	var auths map[string]json.RawMessage
	_ = json.Unmarshal(text, &file) // the store reports invalid JSON
	_ = json.Unmarshal(file["credsStore"], &store)
	_ = json.Unmarshal(file["credHelpers"], &helpers)
	_ = json.Unmarshal(file["auths"], &auths)
	if store == "" && len(helpers) == 0 && len(auths) == 0 {
		return verifyDefaultHelpers()
	}
	if err := verifyHelper(store); err != nil {
		return failure(fmt.Errorf("credsStore in %s: %w", path, err), "correct or remove credsStore in "+path)
	}
	for _, server := range slices.Sorted(maps.Keys(helpers)) {
		if err := verifyHelper(helpers[server]); err != nil {
			return failure(fmt.Errorf("credHelpers in %s: %w", path, err),
				fmt.Sprintf("correct or remove the entry of %s in %s", packs.Printable(server), path))
		}
	}
	return nil
}

func verifyDefaultHelpers() error {
	for _, name := range defaultHelpers {
		if err := verifyHelper(name); err != nil {
			return failure(fmt.Errorf("find credential helper: %w", err), "remove the directory from PATH")
		}
	}
	return nil
}

// verifyHelper verifies the name of one credential helper, and that no other user can change the
// program. An empty name means none.
func verifyHelper(name string) error {
	if strings.ContainsFunc(name, func(r rune) bool { return !strings.ContainsRune(helperLetters, r) }) {
		return fmt.Errorf("%q is not a valid name of a credential helper: use letters, digits, '-', '_' and '.'", name)
	}
	if name == "" {
		return nil
	}
	program, err := exec.LookPath(helperPrefix + name)
	if errors.Is(err, exec.ErrDot) || err == nil && !filepath.IsAbs(program) {
		return fmt.Errorf("run %s: PATH contains a relative directory, and the program is in it", helperPrefix+name)
	}
	if err == nil {
		if fault := ownerFault(program); fault != nil {
			return fmt.Errorf("run %s: %w", program, fault)
		}
	}
	return nil // a missing program is reported when it is needed
}

// defaultHelpers are the helpers that the store uses if docker's configuration names none and has no
// passwords.
var defaultHelpers = []string{"pass", "secretservice", "osxkeychain", "wincred"}

// Unencrypted returns the path of docker's configuration if it contains the password of a server
// unencrypted, because no credential helper is configured; otherwise "".
func Unencrypted(server string) string {
	store, err := dockerStore()
	if err != nil {
		return "" // unlikely: the password was just stored
	}
	path := store.ConfigPath()
	text, err := os.ReadFile(path)
	if err != nil {
		return "" // stored by a helper
	}
	var file struct {
		Auths map[string]struct {
			Auth string `json:"auth"`
		} `json:"auths"`
	}
	if json.Unmarshal(text, &file) != nil || file.Auths[credentials.ServerAddressFromRegistry(server)].Auth == "" {
		return ""
	}
	return path
}
