package setup

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"packhouse/server/config"
)

// staysSecret is how long generated passwords may stay in a file before setup warns.
const staysSecret = 7 * 24 * time.Hour

// State is how an installation does, for the screen from which it is looked after.
type State struct {
	Dir         string
	URL         string            // what clients use; empty: nothing that can be read says it
	TLS         TLSMode           // empty: the configuration cannot be read
	Certificate *CertificateState // nil: none, or not to be read
	Users       []User
	Storage     StorageState
	Server      ServerState
	Start       string // the line for a shell that starts the server
	Drift       []Drift
	Backup      time.Time // of the files that a rollback would bring back; zero: none
	Before      bool      // with Backup: there was an installation then; false: going back takes away what the first setup wrote
	Findings    []Finding // what needs attention, and belongs to none of the above
}

// CertificateState is the certificate on disk, held against the machine as it is now.
type CertificateState struct {
	Path        string
	Names       []string
	Ends        time.Time
	DaysLeft    int
	CloseEnd    bool      // it should be renewed
	Fingerprint string    // SHA-256
	Made        bool      // setup made it, and can make another one
	Missing     []Address // of this machine, reachable by others, and not in the certificate
	Foreign     []string  // addresses in the certificate that this machine does not have
	Problem     string    // why it is of no use; empty: it is
}

// StorageState describes the storage.
type StorageState struct {
	Driver string
	Path   string // a directory; empty: the storage is not a directory
	Free   uint64 // bytes; 0 with Total 0: not to be seen
	Total  uint64
}

// ServerState is the server of the installation, as it answered over its own socket.
type ServerState struct {
	Up          bool
	Here        bool // it runs in this very process, and ends with it
	PID         int
	Since       time.Time
	Address     string
	Fingerprint string   // of the certificate that it serves; empty without TLS
	Faults      []string // what is broken while the last good state serves
	Restart     []string // keys that wait for a restart
	Problem     string   // why it could not be asked
}

// StateOf tells how an installation does on a machine, but for its server, which only whoever can ask it knows.
func StateOf(m *Machine, in *Installed, url string) *State {
	s := &State{Dir: in.Dir, URL: url, TLS: TLSMode(in.tlsMode()), Users: in.Users, Drift: in.Drift, Backup: in.Backup, Before: !nothingBefore(in.Dir)}
	s.Start = "packhouse serve " + Shell(in.path(ConfigFile))
	if in.Supervised() {
		s.Start = "systemctl start " + Unit
	}
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
			s.Findings = append(s.Findings, refused(CodeBroken, strings.TrimSpace(line), ""))
		}
	}
	if f := in.Unfinished(); f != nil {
		s.Findings = append(s.Findings, *f)
	}
	if in.Recovered != "" {
		s.Findings = append(s.Findings, warned(CodeHalfDone, in.Recovered, ""))
	}
	for _, p := range in.AuthorityProblems(m.now()) {
		s.Findings = append(s.Findings, warned(p.Code, p.What, p.Remedy))
	}
	if info, err := os.Stat(in.path(PasswordsFile)); err == nil && m.now().Sub(info.ModTime()) > staysSecret {
		s.Findings = append(s.Findings, warned(CodePassword, "generated passwords have been lying in "+filepath.Join(in.Dir, PasswordsFile)+" for more than 7 days", "hand them out, then remove the file"))
	}
	return s
}

func (in *Installed) certificateState(m *Machine) *CertificateState {
	info := in.Cert.Info
	c := &CertificateState{
		Path: in.Cert.Path, Names: info.Names.Strings(), Ends: info.NotAfter, DaysLeft: info.DaysLeft(m.now()), CloseEnd: in.Cert.CloseEnd,
		Fingerprint: info.Fingerprint, Made: in.tlsMode() == string(PrivateCA) || in.tlsMode() == string(SelfSigned),
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

// listensOn reports whether the server of the installation is reachable at an address of the machine.
func (in *Installed) listensOn(addr netip.Addr) bool {
	host, _, err := net.SplitHostPort(in.Config.HTTP.Addr)
	if err != nil || host == "" {
		return true
	}
	bound, err := netip.ParseAddr(host)
	return err != nil || bound.IsUnspecified() || bound.Unmap() == addr.Unmap()
}

// Space says in words how much room there is; empty where that is not to be seen.
func (s StorageState) Space() string {
	if s.Total == 0 {
		return ""
	}
	return fmt.Sprintf("%s of %s free", humanize.IBytes(s.Free), humanize.IBytes(s.Total))
}

// Short reports whether less space is free than a new installation should have.
func (s StorageState) Short() bool { return s.Total > 0 && s.Free < leastSpace }

// Rebase makes the answers those of an installation as it is by now: one that a setup with these very answers wrote.
func (a *Answers) Rebase(in *Installed) { a.existing = in }
