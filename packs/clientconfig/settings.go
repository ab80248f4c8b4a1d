// Package clientconfig has the settings of the pack client: the registries that a login remembered,
// how their certificates are verified, and where passwords are stored. It reads the settings of the
// vendor's CLI too, and stores passwords as docker does.
package clientconfig

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"oras.land/oras-go/v2/registry/remote/credentials"

	"packhouse/finding"
	"packhouse/packs"
)

const (
	settingsFile = "packhouse.json"
	vendorFile   = "config.json" // of the vendor's CLI
)

// Home is the directory with the settings of the pack client and of the vendor's CLI, by default
// .spectro in the home directory of the user.
type Home string

// Settings are stored between commands. They contain no secret.
type Settings struct {
	Default string            `json:"default,omitempty"` // server of commands that name none
	Servers map[string]Server `json:"servers,omitempty"` // by HOST[:PORT]

	// WarnedPlaintext is set after the user was warned that passwords are stored unencrypted.
	WarnedPlaintext bool `json:"warnedPlaintext,omitempty"`
}

// Server is how to connect to a registry.
type Server struct {
	CAFile    string `json:"caFile,omitempty"` // absolute path of a PEM file
	Insecure  bool   `json:"insecure,omitempty"`
	PlainHTTP bool   `json:"plainHTTP,omitempty"`
}

// Remember replaces what is stored about a server.
func (s *Settings) Remember(name string, server Server) {
	if s.Servers == nil {
		s.Servers = map[string]Server{}
	}
	s.Servers[name] = server
}

// Forget removes what is stored about a server.
func (s *Settings) Forget(name string) {
	delete(s.Servers, name)
	if s.Default == name {
		s.Default = ""
	}
}

// VendorFile returns the path of the settings of the vendor's CLI, which may contain passwords. This
// package only reads them.
func (h Home) VendorFile() string { return filepath.Join(string(h), vendorFile) }

// Load returns the settings that [Home.Save] stored, completed with those of the vendor's CLI. It
// returns a *packs.Failure if a file is invalid, or if another user can write it.
func (h Home) Load() (*Settings, error) {
	for _, name := range []string{settingsFile, vendorFile} {
		if err := h.trusted(name); err != nil {
			return nil, err
		}
	}
	settings := &Settings{}
	path := filepath.Join(string(h), settingsFile)
	text, err := os.ReadFile(path) //nolint:gosec // the user's own file
	if err == nil {
		err = json.Unmarshal(text, settings)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, failure(fmt.Errorf("read %s: %w", path, err), "remove the file and log in again")
	}
	h.addVendor(settings)
	return settings, nil
}

// addVendor adds the settings of the vendor's CLI that settings do not have.
func (h Home) addVendor(settings *Settings) {
	var theirs struct {
		Auths map[string]struct {
			Insecure bool `json:"insecure"`
		} `json:"auths"`
		DefaultRegistry string `json:"defaultRegistry"`
	}
	text, err := os.ReadFile(h.VendorFile())
	if err != nil || json.Unmarshal(text, &theirs) != nil {
		return
	}
	if settings.Default == "" {
		settings.Default = theirs.DefaultRegistry
	}
	for name, entry := range theirs.Auths {
		server, _, err := packs.ParseServer(name)
		if _, known := settings.Servers[server]; err == nil && !known && entry.Insecure {
			settings.Remember(server, Server{Insecure: true})
		}
	}
}

// Save stores settings. The file is replaced whole.
func (h Home) Save(settings *Settings) error {
	text, err := json.MarshalIndent(settings, "", "  ")
	if err != nil {
		return fmt.Errorf("save settings: %w", err)
	}
	if err := os.MkdirAll(string(h), 0o700); err != nil {
		return fmt.Errorf("save settings: %w", err)
	}
	file, err := os.CreateTemp(string(h), ".packhouse-*")
	if err != nil {
		return fmt.Errorf("save settings: %w", err)
	}
	_, err = file.Write(append(text, '\n'))
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), filepath.Join(string(h), settingsFile))
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return fmt.Errorf("save settings: %w", err)
	}
	return nil
}

// trusted returns an error if this user must not use a file in the directory.
func (h Home) trusted(name string) error {
	return trustedOwner(filepath.Join(string(h), name), "name a directory of your own with --home")
}

// Credentials returns docker's credential store, with its credential helpers. It falls back to
// passwords that the vendor's CLI stored, which it does not change.
func (h Home) Credentials() (credentials.Store, error) {
	store, err := dockerStore()
	if err != nil {
		return nil, err
	}
	if err := h.trusted(vendorFile); err != nil {
		return nil, err
	}
	if _, err := os.Stat(h.VendorFile()); err != nil {
		return store, nil //nolint:nilerr // usually missing
	}
	vendor, err := credentials.NewFileStore(h.VendorFile())
	if err != nil {
		return store, nil //nolint:nilerr // the passwords of another program are not required
	}
	return credentials.NewStoreWithFallbacks(store, vendor), nil
}

// CAs returns the certificates of CAs for a server, HOST[:PORT], as PEM: from the certs.d of the
// vendor's CLI, docker and podman. skipped has the paths of files that cannot be read or contain no
// certificate.
func (h Home) CAs(server string) (cas [][]byte, skipped []string) {
	servers := []string{server}
	if !strings.Contains(server, ":") {
		servers = append(servers, server+":443")
	}
	places := []string{
		filepath.Join(string(h), "certs.d"), "/etc/spectro/certs.d", "/etc/docker/certs.d", "/etc/containers/certs.d",
	}
	for _, dir := range places {
		for _, server := range servers {
			entries, err := os.ReadDir(filepath.Join(dir, server))
			if err != nil {
				continue // usually missing
			}
			for _, entry := range entries {
				if !slices.Contains([]string{".crt", ".pem"}, filepath.Ext(entry.Name())) {
					continue
				}
				path := filepath.Join(dir, server, entry.Name())
				pem, err := os.ReadFile(path) //nolint:gosec // directories for this purpose
				if err != nil || !strings.Contains(string(pem), "BEGIN CERTIFICATE") {
					skipped = append(skipped, path)
					continue
				}
				cas = append(cas, pem)
			}
		}
	}
	return cas, skipped
}

// failure returns an error about a local file, with a remedy.
func failure(err error, remedy string) error {
	return &packs.Failure{Err: err, Finding: finding.Finding{
		Code: packs.CodeLocalFile, Severity: finding.Refused, What: err.Error(), Remedy: remedy,
	}}
}
