package packcmd

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"oras.land/oras-go/v2/registry/remote/credentials"

	"packhouse/cmd/packhouse/cli"
	"packhouse/packs"
	"packhouse/packs/clientconfig"
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
	cmd.Flags().StringVarP(&o.home, "home", "s", "",
		"`DIR` with settings, also the vendor's CLI's (default $HOME/.spectro)")
}

// addTrust adds the flags for connecting.
func (o *registryOptions) addTrust(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.caFile, "ca-file", "", "`FILE` with the CA of the registry, PEM")
	cmd.Flags().BoolVarP(&o.insecure, "insecure", "i", false, "accept any certificate")
	o.addHome(nil, cmd)
}

// add adds the flags that all pack commands share.
func (o *registryOptions) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.server, "registry-server", "r", "",
		"`SERVER` of the registry (default $PACKHOUSE_REGISTRY, else where registry login was first)")
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

// remembered returns the settings that a login stores.
func (c connection) remembered() clientconfig.Server {
	return clientconfig.Server{CAFile: c.caFile, Insecure: c.insecure, PlainHTTP: c.plain}
}

// homeOf returns the directory with settings: dir, or .spectro in the home directory.
func homeOf(a *cli.App, dir string) clientconfig.Home {
	if dir == "" {
		dir = filepath.Join(a.Getenv("HOME"), ".spectro")
	}
	return clientconfig.Home(dir)
}

// connect determines the registry: the flag, $PACKHOUSE_REGISTRY, or the default.
func connect(a *cli.App, o registryOptions, settings *clientconfig.Settings) (connection, error) {
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
		return connection{}, cli.UsageError(commandError(err))
	}
	known := settings.Servers[server]
	c := connection{
		server: server, plain: plain, caFile: o.caFile, insecure: o.insecure || known.Insecure && o.caFile == "",
	}
	if !strings.Contains(name, "://") {
		c.plain = known.PlainHTTP
	}
	if c.caFile == "" {
		c.caFile = known.CAFile
	} else if c.caFile, err = trust.Abs(c.caFile); err != nil {
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

// trustedCAs returns the CAs for a server: the one given, and those that this machine has for it.
func trustedCAs(a *cli.App, home string, c connection) ([][]byte, error) {
	var cas [][]byte
	if c.caFile != "" {
		pem, err := trust.ReadInput(c.caFile, trust.MaxInput)
		if err != nil {
			return nil, fmt.Errorf("--ca-file: %w", err)
		}
		cas = append(cas, pem)
	}
	found, skipped := homeOf(a, home).CAs(c.server)
	for _, path := range skipped {
		a.Warn("skipped %s: it cannot be read, or contains no certificate", path)
	}
	return append(cas, found...), nil
}

// packClient returns the client for a pack command's registry.
func packClient(a *cli.App, o registryOptions) (*packs.Client, error) {
	home := homeOf(a, o.home)
	settings, err := home.Load()
	if err != nil {
		return nil, commandError(err)
	}
	c, err := connect(a, o, settings)
	if err != nil {
		return nil, err
	}
	store, err := home.Credentials()
	if err != nil {
		return nil, commandError(err)
	}
	warnInsecure(a, c)
	c.options.Credential = credentials.Credential(store)
	client, err := packs.NewClient(c.options)
	return client, commandError(err)
}

// commandError converts an error of package packs to a command-line error.
func commandError(err error) error {
	if failure, ok := errors.AsType[*packs.Failure](err); ok {
		if failure.Remedy == "" {
			return err
		}
		return cli.WithHint(failure, "%s", failure.Remedy)
	}
	if invalid, ok := errors.AsType[*packs.Invalid](err); ok && invalid.Remedy != "" {
		said := *invalid
		said.Remedy = ""
		return cli.WithHint(&said, "%s", invalid.Remedy)
	}
	return err
}
