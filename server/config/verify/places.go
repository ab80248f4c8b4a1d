package verify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/trust"
)

// Listener binds an address, to test whether that is possible.
type Listener func(ctx context.Context, network, addr string) (io.Closer, error)

func listen(ctx context.Context, network, addr string) (io.Closer, error) {
	return new(net.ListenConfig).Listen(ctx, network, addr)
}

// storage verifies that the current user can write to the store, or read it if it is read-only.
func (v *verifier) storage() {
	s := v.loaded.Config.Storage
	if s.Driver != config.Filesystem {
		return
	}
	const key = "storage.filesystem.rootdirectory"
	info, err := os.Stat(s.Filesystem.RootDirectory)
	switch {
	case err == nil && !info.IsDir():
		v.refusef(config.CodeStorage, key, "name a directory", " is %s, not a directory: %s",
			trust.Kind(s.Filesystem.RootDirectory), config.QuotePath(s.Filesystem.RootDirectory))
		return
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		v.refusef(config.CodeStorage, key, "let the user who runs the server search the directories above",
			" cannot be looked at: %s (%s)", config.QuotePath(s.Filesystem.RootDirectory), config.Reason(err))
		return
	case s.Maintenance.ReadOnly.Enabled && err != nil:
		v.refusef(config.CodeStorage, key, "is the volume mounted?",
			" is not there, and a server that changes nothing does not create it: %s",
			config.QuotePath(s.Filesystem.RootDirectory))
		return
	case err == nil && Foreign(s.Filesystem.RootDirectory) != "":
		v.refusef(config.CodeStorage, key, "name an empty directory, or one that a registry filled",
			" is not empty and holds no registry: %s has %s", config.QuotePath(s.Filesystem.RootDirectory),
			config.Quote(Foreign(s.Filesystem.RootDirectory)))
		return
	case s.Maintenance.ReadOnly.Enabled:
		if _, err := os.ReadDir(s.Filesystem.RootDirectory); err != nil {
			v.refusef(config.CodeStorage, key, "give it to the user who runs the server", " cannot be read: %s (%s)",
				config.QuotePath(s.Filesystem.RootDirectory), config.Reason(err))
		}
		return
	}
	if dir, err := tryWrite(s.Filesystem.RootDirectory); err != nil {
		v.refusef(config.CodeStorage, key, "give it to the user who runs the server, or name another directory",
			" cannot be written: %s (%s)", config.QuotePath(dir), config.Reason(err))
	}
}

// bucket verifies that the store in a bucket can be opened with the configured credentials.
func (v *verifier) bucket(ctx context.Context) {
	c := &v.loaded.Config
	if c.Storage.Driver != config.S3 || v.probes.Bucket == nil {
		return
	}
	const key = "storage.s3.bucket"
	lacking, err := v.probes.Bucket(ctx, c)
	for _, p := range lacking {
		v.add(
			p.Severity,
			config.CodeConditions,
			key,
			fmt.Sprintf(" (%s) %s", config.Quote(c.Storage.S3.Bucket), p.What),
			p.Remedy,
		)
	}
	if err != nil {
		why := strings.Join(strings.Fields(err.Error()), " ")
		v.refusef(config.CodeStorage, key, "see region, endpoint and keys, and what the policy of the bucket allows",
			" cannot be used: %s (%s)", config.Quote(c.Storage.S3.Bucket), why)
	}
}

// Foreign returns the name of a foreign entry in root if root is not empty and contains no store.
// It returns "" if a server would open a store there.
func Foreign(root string) string {
	if isDir(filepath.Join(root, "packhouse")) {
		return ""
	}
	dir := root
	for _, part := range []string{"docker", "registry", "v2"} {
		next := filepath.Join(dir, part)
		if _, err := os.Lstat(next); err != nil && dir != root {
			if entries, err := os.ReadDir(dir); err == nil && len(entries) == 0 {
				return "" // an interrupted first start
			}
		}
		if !isDir(next) {
			dir = ""
			break
		}
		dir = next
	}
	if dir != "" {
		return ""
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return "" // reported when the directory is accessed
	}
	for _, e := range entries {
		if !config.OfFileSystem(e.Name()) {
			return e.Name()
		}
	}
	return ""
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// tryWrite creates and removes a file in a directory or, if that does not exist, in its nearest
// existing parent. It returns the directory used.
func tryWrite(dir string) (string, error) {
	dir = filepath.Clean(dir)
	for {
		_, err := os.Stat(dir)
		parent := filepath.Dir(dir)
		if !errors.Is(err, fs.ErrNotExist) || parent == dir {
			break
		}
		dir = parent
	}
	f, err := os.CreateTemp(dir, ".packhouse-probe-*")
	if err != nil {
		return dir, err
	}
	_, err = f.WriteString("probe\n")
	return dir, errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// audit verifies that the audit log can be appended to.
func (v *verifier) audit() {
	path := v.loaded.Config.Log.Audit.Path
	if path == "" || path == "-" {
		return
	}
	const key = "log.audit.path"
	if fault := trust.Unsafe(trust.CheckLog(path, v.probes.Users...)); fault != nil {
		v.fault(finding.Refused, fault, key)
		return
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		v.refusef(config.CodeFile, key, "name the file inside it", " is a directory: %s", config.QuotePath(path))
	case err == nil && !info.Mode().IsRegular():
		v.refusef(config.CodeFile, key, `name a regular file, or "-" for standard output`, " is not a regular file: %s",
			config.QuotePath(path))
	case err == nil:
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|syscall.O_NONBLOCK, 0)
		if err != nil {
			v.refusef(config.CodeRights, key, "give it to the user who runs the server", " cannot be written: %s (%s)",
				config.QuotePath(path), config.Reason(err))
			return
		}
		_ = f.Close()
		if err := CheckAudit(path); err != nil {
			v.refusef(config.CodeFile, key, "name a new file, or an audit log of packhouse", "%s", " "+err.Error())
		}
	default:
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			v.refusef(config.CodeFile, key, "create it, for the user who runs the server",
				" is in a directory that is not there: %s", config.QuotePath(filepath.Dir(path)))
			return
		}
		if dir, err := tryWrite(filepath.Dir(path)); err != nil {
			v.refusef(config.CodeRights, key, "give the directory to the user who runs the server",
				" cannot be created in %s (%s)", config.QuotePath(dir), config.Reason(err))
		}
	}
}

// CheckAudit returns an error if an existing file has content, and it does not begin like an audit
// log: the server must not append to other files. A file that cannot be read is accepted, and so is
// a pipe or a device, which reading could block on or take bytes from.
func CheckAudit(path string) error {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return nil //nolint:nilerr // opening it for writing reports what matters
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil //nolint:nilerr // as above
	}
	defer f.Close()                                                    //nolint:errcheck // read only
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() { // replaced meanwhile
		return nil //nolint:nilerr // as above
	}
	first := make([]byte, 1)
	if n, err := f.Read(first); err != nil || n == 0 || first[0] == '{' {
		return nil //nolint:nilerr // as above
	}
	return fmt.Errorf("is not an audit log: %s has content that does not begin with {", config.QuotePath(path))
}

// ports verifies that the addresses can be bound.
func (v *verifier) ports(ctx context.Context) {
	h := v.loaded.Config.HTTP
	switch {
	case h.Net == "unix":
		v.socket(h.Addr)
	case v.port(ctx, "http.addr", h.Addr):
		return
	}
	if h.Debug.Addr != "" {
		v.port(ctx, "http.debug.addr", h.Debug.Addr)
	}
	if l := h.TLS.LetsEncrypt; l.Enabled() && l.HTTPAddr != "" {
		v.port(ctx, "http.tls.letsencrypt.httpaddr", l.HTTPAddr)
	}
}

// port verifies that an address can be bound. It reports whether the server of this configuration,
// which may run, listens on it.
func (v *verifier) port(ctx context.Context, key, addr string) (own bool) {
	l, err := v.probes.Listen(ctx, "tcp", addr)
	if err == nil {
		_ = l.Close()
		return false
	}
	if errors.Is(err, syscall.EADDRINUSE) && v.probes.MayRun && v.serves(ctx, addr) {
		return true
	}
	what, remedy := fmt.Sprintf(" cannot be bound: %s (%s)", addr, cause(err)), "use another address"
	_, port, _ := net.SplitHostPort(addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		what, remedy = fmt.Sprintf(
			" is in use by another process: %s",
			addr,
		), fmt.Sprintf(
			"stop that process (ss -ltnp 'sport = :%s' names it), or use another port",
			port,
		)
		if other := otherListener(port); other != "" {
			what = fmt.Sprintf(" is in use by a process of %s: %s", other, addr)
			if v.probes.MayRun {
				remedy = "if that user runs this server, run the command as that user; if not, " + remedy
			}
		}
	case errors.Is(err, fs.ErrPermission):
		what, remedy = fmt.Sprintf(
			" may not be bound by this user: %s",
			addr,
		), "use a port from 1024 on, or grant CAP_NET_BIND_SERVICE"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		what, remedy = fmt.Sprintf(
			" is not an address of this machine: %s",
			addr,
		), fmt.Sprintf(
			"write :%s to listen on every address",
			port,
		)
	}
	v.refusef(config.CodePort, key, remedy, "%s", what)
	return false
}

// Socket is a listening socket.
type Socket struct {
	UID   int // of the process that created it
	Inode string
}

// otherListener returns the user that listens on a port, or "" if that is the current user or is
// unknown.
func otherListener(port string) string {
	number, err := strconv.Atoi(port)
	if err != nil {
		return ""
	}
	for _, s := range Listening(number) {
		if s.UID != os.Geteuid() {
			return trust.UserName(s.UID)
		}
	}
	return ""
}

// servesPatience bounds the TLS handshake with a process that may be the server.
const servesPatience = 2 * time.Second

// serves reports whether a process on this machine that listens on addr proves to have the key of
// the configured certificate. That process is the server, also if its admin socket cannot be used.
func (v *verifier) serves(ctx context.Context, addr string) bool {
	data, err := trust.ReadConfigured(v.loaded.Config.HTTP.TLS.Certificate, config.MaxFile)
	if err != nil {
		return false
	}
	chain, err := certgen.ParseChain(data)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, servesPatience)
	defer cancel()
	d := tls.Dialer{Config: &tls.Config{
		InsecureSkipVerify: true, //nolint:gosec // any certificate but the configured one is refused
		VerifyConnection: func(s tls.ConnectionState) error {
			if !s.PeerCertificates[0].Equal(chain[0]) {
				return errors.New("it has another certificate")
			}
			return nil
		},
	}}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

func cause(err error) string {
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &dns):
		return "the host name does not resolve"
	case errors.As(err, &op):
		return op.Err.Error()
	}
	return err.Error()
}

// socket verifies the path of a Unix socket. The server replaces a stale socket.
func (v *verifier) socket(path string) {
	const key = "http.addr"
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != fs.ModeSocket {
		v.refusef(config.CodePort, key, "name a path where nothing else is", " is not a socket: %s",
			config.QuotePath(path))
		return
	}
	if c, err := net.Dial("unix", path); err == nil {
		_ = c.Close()
		v.refusef(config.CodePort, key, "stop that process, or name another path", " is in use by another process: %s",
			config.QuotePath(path))
		return
	}
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); err != nil {
		v.refusef(config.CodePort, key, "create it, for the user who runs the server",
			" is in a directory that is not there: %s", config.QuotePath(dir))
		return
	}
	if _, err := tryWrite(dir); err != nil {
		v.refusef(config.CodePort, key, "give the directory to the user who runs the server",
			" cannot be created in %s (%s)", config.QuotePath(dir), config.Reason(err))
	}
}
