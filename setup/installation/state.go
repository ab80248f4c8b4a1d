package installation

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/check"
	"packhouse/setup/machine"
)

// SettingAddresses is the manifest setting that lists the certificate's addresses that the machine
// had when setup issued it. Other addresses in the certificate, such as that of a load balancer,
// never belonged to the machine.
const SettingAddresses = "addresses"

// LeastSpace is the free space in bytes below which setup refuses a storage directory.
const LeastSpace = 1 << 30

// State is the state of an installation, for the manager's screen.
type State struct {
	Dir         string
	URL         string            // URL for clients; empty: unknown
	TLS         setup.TLSMode     // empty: the configuration cannot be read
	Certificate *CertificateState // nil: none, or unreadable
	Users       []setup.User
	Storage     StorageState
	Server      ServerState
	Start       string // shell command that starts the server
	Drift       []Drift
	Backup      time.Time         // of the files that a rollback would restore; zero: none
	Before      bool              // with Backup: an installation existed before; false: a rollback removes the first setup
	Findings    []finding.Finding // other findings that need attention
}

// CertificateState is the certificate on disk, compared with the machine's current state.
type CertificateState struct {
	Path        string
	Names       []string
	Ends        time.Time
	DaysLeft    int
	CloseEnd    bool              // it should be renewed
	Fingerprint string            // SHA-256
	Made        bool              // issued by setup, which can issue another
	Missing     []machine.Address // reachable addresses of this machine that the certificate lacks
	Foreign     []string          // addresses in the certificate that this machine does not have
	Problem     string            // why it is unusable; empty: it is usable
}

// StorageState describes the storage.
type StorageState struct {
	Driver string
	Path   string // a directory; empty: the storage is not a directory
	Free   uint64 // bytes; 0 with Total 0: unknown
	Total  uint64
}

// ServerState is the state of the installation's server, as reported over its admin socket.
type ServerState struct {
	Up          bool
	Here        bool // it runs in this process and stops with it
	PID         int
	Since       time.Time
	Address     string
	Fingerprint string   // of the certificate it presents; empty without TLS
	Faults      []string // what is broken while the last good state is in use
	Restart     []string // keys that require a restart
	Problem     string   // why the server could not be queried
}

// StateOf returns the state of an installation on a machine, without that of the server.
func StateOf(m *machine.Machine, in *Installed, url string) *State {
	s := &State{
		Dir: in.Dir, URL: url, TLS: setup.TLSMode(in.TLSMode()), Users: in.Users, Drift: in.Drift,
		Backup: in.Backup, Before: !nothingBefore(in.Dir),
	}
	server := check.ServerOf(in.Path(ConfigFile))
	if in.Supervised() {
		server.Unit = setup.Unit
	}
	s.Start = server.Start()
	if in.Cert != nil {
		s.Certificate = in.certificateState(m)
	}
	if c := in.Config; c != nil {
		s.Storage.Driver = c.Storage.Driver
		if c.Storage.Driver == config.Filesystem {
			s.Storage.Path = c.Storage.Filesystem.RootDirectory
			if fs, err := m.Host.FileSystem(s.Storage.Path); err == nil {
				s.Storage.Free, s.Storage.Total = fs.Free, fs.Total
			}
		}
	}
	if in.Problem != nil {
		for line := range strings.Lines(in.Problem.Error()) {
			s.Findings = append(s.Findings, setup.Refuse(setup.CodeBroken, strings.TrimSpace(line), ""))
		}
	}
	if in.Recovered != "" {
		s.Findings = append(s.Findings, setup.Warn(setup.CodeHalfDone, in.Recovered, ""))
	}
	s.Findings = append(s.Findings, Attention(in, m.Time())...)
	return s
}

// Attention returns what needs attention in an installation: an unfinished change, the end of its private
// CA, and generated passwords that have been in a file for too long.
func Attention(in *Installed, now time.Time) []finding.Finding {
	var list []finding.Finding
	if f := in.Unfinished(); f != nil {
		list = append(list, *f)
	}
	for _, p := range in.AuthorityProblems(now) {
		list = append(list, setup.Warn(p.Code, p.What, p.Remedy))
	}
	if f := check.OldPasswords(in.Path(PasswordsFile), now); f != nil {
		list = append(list, *f)
	}
	return list
}

func (in *Installed) certificateState(m *machine.Machine) *CertificateState {
	info := in.Cert.Info
	c := &CertificateState{
		Path: in.Cert.Path, Names: info.Names.Strings(), Ends: info.NotAfter, DaysLeft: info.DaysLeft(m.Time()), CloseEnd: in.Cert.CloseEnd,
		Fingerprint: info.Fingerprint, Made: in.TLSMode() == string(setup.PrivateCA) || in.TLSMode() == string(setup.SelfSigned),
	}
	if in.Cert.Problem != nil {
		c.Problem = in.Cert.Problem.Error()
	}
	for _, a := range m.Addresses {
		if a.Global && !a.Bridge && in.listensOn(a.Addr) && !slices.Contains(c.Names, a.Addr.String()) {
			c.Missing = append(c.Missing, a)
		}
	}
	for _, name := range c.Names {
		if addr, err := netip.ParseAddr(name); err == nil && !m.Has(addr) {
			c.Foreign = append(c.Foreign, name)
		}
	}
	return c
}

// listensOn reports whether the server of the installation is reachable at an address of the
// machine.
func (in *Installed) listensOn(addr netip.Addr) bool {
	host, _, err := net.SplitHostPort(in.Config.HTTP.Addr)
	if err != nil || host == "" {
		return true
	}
	bound, err := netip.ParseAddr(host)
	return err != nil || bound.IsUnspecified() || bound.Unmap() == addr.Unmap()
}

// Space describes the free space, or returns "" if unknown.
func (s StorageState) Space() string {
	if s.Total == 0 {
		return ""
	}
	return fmt.Sprintf("%s of %s free", humanize.IBytes(s.Free), humanize.IBytes(s.Total))
}

// Short reports whether less space is free than a new installation should have.
func (s StorageState) Short() bool { return s.Total > 0 && s.Free < LeastSpace }
