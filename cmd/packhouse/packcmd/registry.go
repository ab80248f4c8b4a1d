package packcmd

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"oras.land/oras-go/v2/registry/remote/credentials"

	"packhouse/cmd/packhouse/cli"
	"packhouse/packs"
	"packhouse/server/config"
	"packhouse/trust"
)

// registryOptions select a registry and how it is trusted.
type registryOptions struct {
	server   string
	base     string
	caFile   string
	insecure bool
	home     string
	naming   string // how to name the server, if that is not a flag
}

func (o *registryOptions) addHome(_ *cli.App, cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.home, "home", "s", "", "`DIR` with settings, also the vendor's CLI's (default $HOME/.spectro)")
}

// addTrust adds the flags for connecting.
func (o *registryOptions) addTrust(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.caFile, "ca-file", "", "`FILE` with the CA of the registry, PEM")
	cmd.Flags().BoolVarP(&o.insecure, "insecure", "i", false, "accept any certificate")
	o.addHome(nil, cmd)
}

// add adds the flags that all pack commands share.
func (o *registryOptions) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.server, "registry-server", "r", "", "`SERVER` of the registry (default $PACKHOUSE_REGISTRY, else where registry login was first)")
	cmd.Flags().StringVar(&o.base, "base", "", "`PATH` before spectro-packs")
	o.addTrust(cmd)
}

// connection is a registry with its connection settings.
type connection struct {
	server   string
	plain    bool
	caFile   string
	insecure bool
	options  packs.ClientOptions
}

// clientSettings are stored between commands. They contain no secret.
type clientSettings struct {
	Default         string                    `json:"default,omitempty"`
	Servers         map[string]serverSettings `json:"servers,omitempty"`
	WarnedPlaintext bool                      `json:"warnedPlaintext,omitempty"` // warned that passwords are stored unencrypted
}

type serverSettings struct {
	CAFile    string `json:"caFile,omitempty"`
	Insecure  bool   `json:"insecure,omitempty"`
	PlainHTTP bool   `json:"plainHTTP,omitempty"`
}

func (s *clientSettings) remember(c connection) {
	if s.Servers == nil {
		s.Servers = map[string]serverSettings{}
	}
	s.Servers[c.server] = serverSettings{CAFile: c.caFile, Insecure: c.insecure, PlainHTTP: c.plain}
}

func (s *clientSettings) forget(server string) {
	delete(s.Servers, server)
	if s.Default == server {
		s.Default = ""
	}
}

func homeOf(a *cli.App, dir string) string {
	if dir != "" {
		return dir
	}
	return filepath.Join(a.Getenv("HOME"), ".spectro")
}

const settingsFile = "packhouse.json"

// trustedHome returns an error if this user must not use a file in the settings directory.
func trustedHome(a *cli.App, dir, name string) error {
	return trustedOwner(filepath.Join(homeOf(a, dir), name), "name a directory of your own with --home")
}

// readSettings returns the settings that registry login stored, or those of the vendor's CLI if
// there are none.
func readSettings(a *cli.App, dir string) (*clientSettings, error) {
	settings := &clientSettings{}
	path := filepath.Join(homeOf(a, dir), settingsFile)
	for _, name := range []string{settingsFile, "config.json"} {
		if err := trustedHome(a, dir, name); err != nil {
			return nil, err
		}
	}
	text, err := os.ReadFile(path) //nolint:gosec // the user's own file
	if err == nil {
		err = json.Unmarshal(text, settings)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, cli.WithHint(fmt.Errorf("read %s: %w", path, err), "remove the file and log in again")
	}
	var theirs struct {
		Auths map[string]struct {
			Insecure bool `json:"insecure"`
		} `json:"auths"`
		DefaultRegistry string `json:"defaultRegistry"`
	}
	if text, err := os.ReadFile(filepath.Join(homeOf(a, dir), "config.json")); err != nil || json.Unmarshal(text, &theirs) != nil { //nolint:gosec // the user's own file
		return settings, nil
	}
	if settings.Default == "" {
		settings.Default = theirs.DefaultRegistry
	}
	for name, entry := range theirs.Auths {
		server, _, err := packs.ParseServer(name)
		if _, known := settings.Servers[server]; err == nil && !known && entry.Insecure {
			settings.remember(connection{server: server, insecure: true})
		}
	}
	return settings, nil
}

func writeSettings(a *cli.App, dir string, settings *clientSettings) error {
	text, err := json.MarshalIndent(settings, "", "  ")
	if err != nil {
		return fmt.Errorf("keep settings: %w", err)
	}
	if err := os.MkdirAll(homeOf(a, dir), 0o700); err != nil {
		return fmt.Errorf("keep settings: %w", err)
	}
	file, err := os.CreateTemp(homeOf(a, dir), ".packhouse-*")
	if err != nil {
		return fmt.Errorf("keep settings: %w", err)
	}
	_, err = file.Write(append(text, '\n'))
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), filepath.Join(homeOf(a, dir), settingsFile))
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return fmt.Errorf("keep settings: %w", err)
	}
	return nil
}

// connect determines the registry: the flag, $PACKHOUSE_REGISTRY, or the default.
func connect(a *cli.App, o registryOptions, settings *clientSettings) (connection, error) {
	name := o.server
	if name == "" {
		name = a.Getenv("PACKHOUSE_REGISTRY")
	}
	if name == "" {
		name = settings.Default
	}
	if name == "" {
		return connection{}, cli.UsageError(cli.WithHint(errors.New("no registry was given"), "%s",
			cmp.Or(o.naming, "name it with -r HOST:PORT, or log in first: packhouse registry login HOST:PORT")))
	}
	server, plain, err := packs.ParseServer(name)
	if err != nil {
		return connection{}, cli.UsageError(told(err))
	}
	known := settings.Servers[server]
	c := connection{server: server, plain: plain, caFile: o.caFile, insecure: o.insecure || known.Insecure && o.caFile == ""}
	if !strings.Contains(name, "://") {
		c.plain = known.PlainHTTP
	}
	if c.caFile == "" {
		c.caFile = known.CAFile
	} else if c.caFile, err = filepath.Abs(c.caFile); err != nil {
		return connection{}, fmt.Errorf("find CA: %w", err)
	}
	c.options = packs.ClientOptions{
		Server: schemeOf(c.plain) + server, Base: o.base, Insecure: c.insecure, UserAgent: "packhouse/" + a.Version,
		Warn: func(text string) { a.Warn("the server says: %s", packs.Printable(text)) },
	}
	if c.options.CAs, err = trustedCAs(a, o.home, c); err != nil {
		return connection{}, err
	}
	return c, nil
}

// warnInsecure prints a warning if the connection does not authenticate the server. Every command
// that connects calls it once.
func warnInsecure(a *cli.App, c connection) {
	switch {
	case c.plain && config.LocalHost(c.server): // nothing leaves this machine
	case c.plain:
		a.Warn("the connection to %s is not encrypted: others on the network can read the password", c.server)
	case c.insecure:
		a.Warn("the certificate of %s is not verified: another server could receive the password", c.server)
	}
}

func schemeOf(plain bool) string {
	if plain {
		return "http://"
	}
	return "https://"
}

// trustedCAs reads this machine's CAs for a server: the one given, and those in the certs.d of the
// vendor's CLI, docker and podman.
func trustedCAs(a *cli.App, home string, c connection) ([][]byte, error) {
	var cas [][]byte
	if c.caFile != "" {
		pem, err := trust.ReadInput(c.caFile, trust.MaxInput)
		if err != nil {
			return nil, fmt.Errorf("--ca-file: %w", err)
		}
		cas = append(cas, pem)
	}
	servers := []string{c.server}
	if !strings.Contains(c.server, ":") {
		servers = append(servers, c.server+":443")
	}
	for _, dir := range []string{filepath.Join(homeOf(a, home), "certs.d"), "/etc/spectro/certs.d", "/etc/docker/certs.d", "/etc/containers/certs.d"} {
		for _, server := range servers {
			entries, err := os.ReadDir(filepath.Join(dir, server))
			if err != nil {
				continue // usually missing
			}
			for _, entry := range entries {
				if !slices.Contains([]string{".crt", ".pem"}, filepath.Ext(entry.Name())) {
					continue
				}
				pem, err := os.ReadFile(filepath.Join(dir, server, entry.Name())) //nolint:gosec // places for this
				if err != nil || !strings.Contains(string(pem), "BEGIN CERTIFICATE") {
					a.Warn("skipped %s: it cannot be read, or contains no certificate", filepath.Join(dir, server, entry.Name()))
					continue
				}
				cas = append(cas, pem)
			}
		}
	}
	return cas, nil
}

// credentialStore returns docker's credential store, with its credential helpers. It falls back to
// passwords stored by the vendor's CLI, read-only.
func credentialStore(a *cli.App, home string) (credentials.Store, error) {
	store, err := dockerStore()
	if err != nil {
		return nil, err
	}
	theirs := filepath.Join(homeOf(a, home), "config.json")
	if err := trustedHome(a, home, "config.json"); err != nil {
		return nil, err
	}
	if _, err := os.Stat(theirs); err != nil {
		return store, nil
	}
	fallback, err := credentials.NewFileStore(theirs)
	if err != nil {
		return store, nil
	}
	return credentials.NewStoreWithFallbacks(store, fallback), nil
}

// packClient returns the client for a pack command's registry.
func packClient(a *cli.App, o registryOptions) (*packs.Client, error) {
	settings, err := readSettings(a, o.home)
	if err != nil {
		return nil, err
	}
	c, err := connect(a, o, settings)
	if err != nil {
		return nil, err
	}
	store, err := credentialStore(a, o.home)
	if err != nil {
		return nil, err
	}
	warnInsecure(a, c)
	c.options.Credential = credentials.Credential(store)
	client, err := packs.NewClient(c.options)
	return client, told(err)
}

// told converts an error of package packs to a command-line error.
func told(err error) error {
	if failure, ok := errors.AsType[*packs.Failure](err); ok {
		if failure.Remedy == "" {
			return err
		}
		return cli.WithHint(failure, "%s", failure.Remedy)
	}
	var problem packs.Problem
	if errors.As(err, &problem) && problem.Remedy != "" {
		remedy := problem.Remedy
		problem.Remedy = ""
		return cli.WithHint(problem, "%s", remedy)
	}
	return err
}
