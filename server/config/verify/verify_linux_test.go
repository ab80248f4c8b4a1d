package verify

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asNobody runs f with the file permissions of an unprivileged user. Root passes every permission test.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	const nobody = 65534
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, and its rights with it
		if err := syscall.Setfsgid(nobody); err != nil {
			t.Error(err)
		}
		if err := syscall.Setfsuid(nobody); err != nil {
			t.Error(err)
		}
		f()
	}()
	<-done
}

func TestVerifyRights(t *testing.T) {
	p := newPlace(t)
	for _, name := range []string{"tls.key", "htpasswd-basic", "ca.crt", "data", "log"} {
		if err := os.Chmod(p.path(name), 0); err != nil {
			t.Fatal(err)
		}
	}
	loaded := p.load(installed)
	readOnly := p.load(
		strings.Replace(
			installed,
			"rootdirectory: $/data/store}",
			"rootdirectory: $/data}, maintenance: {readonly: {enabled: true}}",
			1,
		),
	)
	var got, gotReadOnly []string
	asNobody(t, func() {
		got = p.findings(loaded, Probes{Listen: allFree})
		gotReadOnly = p.findings(readOnly, Probes{Listen: allFree})
	})
	want := []string{
		`error config-rights: myconfig.yml:6: http.tls.key cannot be read: "$/tls.key" (permission denied); let the user who runs the server read it, and search the directories above`,
		`error config-rights: myconfig.yml:6: http.tls.clientcas[0] cannot be read: "$/ca.crt" (permission denied); let the user who runs the server read it, and search the directories above`,
		`error config-rights: myconfig.yml:7: auth.htpasswd.path cannot be read: "$/htpasswd-basic" (permission denied); let the user who runs the server read it, and search the directories above`,
		`error config-storage: myconfig.yml:3: storage.filesystem.rootdirectory cannot be looked at: "$/data/store" (permission denied); let the user who runs the server search the directories above`,
		`error config-rights: myconfig.yml:2: log.audit.path cannot be created in "$/log" (permission denied); give the directory to the user who runs the server`,
	}
	same := func(a, b string) bool { return withoutColumn(a) == withoutColumn(b) }
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	want[3] = `error config-storage: myconfig.yml:3: storage.filesystem.rootdirectory cannot be read: "$/data" (permission denied); give it to the user who runs the server`
	if !slices.EqualFunc(gotReadOnly, want, same) {
		t.Errorf("read only, got:\n%s\nwant:\n%s", strings.Join(gotReadOnly, "\n"), strings.Join(want, "\n"))
	}
	if err := os.Chmod(p.path("data"), 0o555); err != nil {
		t.Fatal(err)
	}
	asNobody(t, func() { got = p.findings(loaded, Probes{Listen: allFree}) })
	if want := `storage.filesystem.rootdirectory cannot be written: "$/data" (permission denied)`; !strings.Contains(
		strings.Join(got, "\n"),
		want,
	) {
		t.Errorf("got:\n%s\nwant %s", strings.Join(got, "\n"), want)
	}
}

// TestVerifyPortOfAnotherUser verifies that the user is named whose process listens on a port.
func TestVerifyPortOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can act as several users")
	}
	p := newPlace(t)
	var addr string
	asNobody(t, func() {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { _ = l.Close() })
		addr = l.Addr().String()
	})
	loaded := p.load("version: 0.1\nstorage: inmemory\nhttp: {addr: '" + addr + "'}\n")
	for mayRun, want := range map[bool]string{
		true:  "(uid 65534): " + addr + "; if that user runs this server, run the command as that user; if not, stop",
		false: "(uid 65534): " + addr + "; stop that process",
	} {
		if got := strings.Join(p.findings(loaded, Probes{MayRun: mayRun}), "\n"); !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestAuditPipeIsNotRead checks that a named pipe with a writer, in the place of the audit log,
// does not keep the check waiting.
func TestAuditPipeIsNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	writer, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	checked := make(chan error, 1)
	go func() { checked <- CheckAudit(path) }()
	select {
	case err := <-checked:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the check reads the pipe")
	}
}
