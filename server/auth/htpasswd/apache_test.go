package htpasswd

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// apache runs the real htpasswd of the Apache project.
func apache(t *testing.T, stdin string, args ...string) error {
	t.Helper()
	path, err := exec.LookPath("htpasswd")
	if err != nil {
		t.Skip("htpasswd (apache2-utils) is not installed")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Logf("htpasswd %s: %s", args[0], out)
		return err
	}
	return nil
}

func TestReadsWhatApacheWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	for _, args := range [][]string{{"-ciB", path, "alice"}, {"-iBC", "6", path, "bob"}, {"-im", path, "carol"}, {"-is", path, "dave"}, {"-id", path, "erin"}, {"-ip", path, "frank"}} {
		if err := apache(t, "s3cret-of-"+args[len(args)-1][:3], args...); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, problems := Parse(data)
	if got, want := f.Users(), []string{"alice", "bob"}; !slices.Equal(got, want) {
		t.Fatalf("Users() = %q, want %q", got, want)
	}
	for user, password := range map[string]string{"alice": "s3cret-of-ali", "bob": "s3cret-of-bob"} {
		hash, _ := f.Lookup(user)
		if err := Verify(hash, []byte(password)); err != nil {
			t.Errorf("Verify for %s: %v", user, err)
		}
		if err := Verify(hash, []byte(password+"x")); err == nil {
			t.Errorf("a wrong password for %s passed", user)
		}
	}
	var codes []string
	for _, p := range problems {
		codes = append(codes, p.Code)
	}
	if want := []string{CodeKind, CodeKind, CodePlain, CodePlain}; !slices.Equal(codes, want) {
		t.Errorf("codes = %q, want %q for carol, dave, erin and frank", codes, want)
	}
	if f.MaxCost() != 6 {
		t.Errorf("MaxCost() = %d, want 6", f.MaxCost())
	}
}

func TestApacheReadsWhatIsWritten(t *testing.T) {
	f, _ := Parse([]byte("# users of the registry\r\n\r\n"))
	for _, user := range []string{"alice", "bob"} {
		hash, err := HashCost([]byte("s3cret of "+user), 5)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Set(user, string(hash)); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, f.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"alice", "bob"} {
		if err := apache(t, "s3cret of "+user, "-vi", path, user); err != nil {
			t.Errorf("htpasswd -v refuses %s: %v", user, err)
		}
		if err := apache(t, "another", "-vi", path, user); err == nil {
			t.Errorf("htpasswd -v takes a wrong password of %s", user)
		}
	}
	// And it edits the same file in turn.
	if err := apache(t, "changed by apache", "-iB", path, "bob"); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	again, problems := Parse(data)
	if len(problems) != 0 || !slices.Equal(again.Users(), []string{"alice", "bob"}) {
		t.Errorf("users %q, problems %v", again.Users(), problems)
	}
	hash, _ := again.Lookup("bob")
	if err := Verify(hash, []byte("changed by apache")); err != nil {
		t.Error(err)
	}
	if !bytes.Contains(data, []byte("# users of the registry")) {
		t.Error("the comment is gone")
	}
}
