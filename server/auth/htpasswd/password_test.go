package htpasswd

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"packhouse/finding"
)

func TestHashAndVerify(t *testing.T) {
	for _, password := range []string{"x", "correct horse battery staple", strings.Repeat("é", 36), "with:colon", strings.Repeat("a", 72)} {
		hash, err := HashCost([]byte(password), MinCost)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(hash, []byte("$2y$04$")) {
			t.Errorf("hash begins with %q", hash[:7])
		}
		for _, variant := range []string{"$2a$", "$2b$", "$2y$"} {
			h := append([]byte(variant), hash[4:]...)
			if err := Verify(h, []byte(password)); err != nil {
				t.Errorf("Verify(%s…, %q): %v", variant, password, err)
			}
			if err := Verify(h, []byte(password[:len(password)-1]+"?")); !errors.Is(err, ErrMismatch) {
				t.Errorf("Verify of another password: %v, want ErrMismatch", err)
			}
		}
	}
}

func TestTooLongIsRefusedAtBothEnds(t *testing.T) {
	long := bytes.Repeat([]byte("a"), 73)
	if _, err := HashCost(long, MinCost); !errors.Is(err, ErrPasswordTooLong) {
		t.Errorf("HashCost: %v", err)
	}
	hash, err := HashCost(long[:72], MinCost)
	if err != nil {
		t.Fatal(err)
	}
	if err := Verify(hash, long); !errors.Is(err, ErrPasswordTooLong) {
		t.Errorf("Verify: %v; bcrypt alone would accept the first 72 bytes", err)
	}
	// 37 characters of two bytes are 74 bytes.
	if err := ValidatePassword("a", []byte(strings.Repeat("é", 37))); !errors.Is(err, ErrPasswordTooLong) {
		t.Errorf("ValidatePassword: %v", err)
	}
	if err := ValidatePassword("a", []byte(strings.Repeat("é", 36))); err != nil {
		t.Errorf("ValidatePassword of 72 bytes: %v", err)
	}
}

func TestDefaultCost(t *testing.T) {
	hash, err := HashCost([]byte("x"), DefaultCost)
	if err != nil {
		t.Fatal(err)
	}
	if cost, err := Cost(hash); cost != 10 || err != nil {
		t.Errorf("Cost = %d, %v", cost, err)
	}
	for _, cost := range []int{-1, 0, 3, 17, 31, 99} {
		if _, err := HashCost([]byte("x"), cost); err == nil {
			t.Errorf("HashCost took cost %d", cost)
		}
	}
}

func TestVerifyRefusesOtherKinds(t *testing.T) {
	for _, hash := range []string{"", "x", "$apr1$a$b", "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "$2y$31$" + strings.Repeat("a", 53), "$2x$05$" + strings.Repeat("a", 53), "$2y$05$" + strings.Repeat("a", 54)} {
		if err := Verify([]byte(hash), []byte("password")); !errors.Is(err, ErrNotBcrypt) {
			t.Errorf("Verify(%q) = %v, want ErrNotBcrypt", hash, err)
		}
	}
}

func TestValidateName(t *testing.T) {
	for _, good := range []string{"admin", "ci-bot", "Jörg Müller", "a@example.com", "山田", "a#b", strings.Repeat("a", 255)} {
		if err := ValidateName(good); err != nil {
			t.Errorf("ValidateName(%q): %v", good, err)
		}
	}
	for bad, says := range map[string]string{
		"":                       "empty",
		"a:b":                    "colon",
		"a\tb":                   "U+0009",
		"a\nb":                   "U+000A",
		"a\x00":                  "U+0000",
		"a\u0085b":               "U+0085",
		"a\u202eb":               "U+202E",
		"a\u200bb":               "U+200B",
		"\ufeffadmin":            "U+FEFF",
		"a\u2066b":               "U+2066",
		"a\u2028b":               "U+2028",
		"#a":                     "comment",
		" a":                     "space",
		"a ":                     "space",
		"a\xff":                  "UTF-8",
		strings.Repeat("a", 256): "256 bytes",
	} {
		if err := ValidateName(bad); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("ValidateName(%q) = %v, want it to say %q", bad, err, says)
		}
	}
}

func TestValidatePassword(t *testing.T) {
	if err := ValidatePassword("admin", []byte("correct horse battery staple")); err != nil {
		t.Error(err)
	}
	for bad, says := range map[string]string{
		"":                         "empty",
		"x":                        "too short",
		"canary7":                  "too short",
		"éééé":                     "too short",
		"Somebody":                 "own name",
		"Harbor12345":              "documentation",
		"admin":                    "documentation",
		"Password":                 "documentation",
		"changeme":                 "documentation",
		"SPECTRO":                  "documentation",
		"yourPasswordHere":         "documentation",
		"YOUR_PASSWORD":            "documentation",
		"enter-your-password-here": "documentation",
		"<password>":               "documentation",
		"SAMPLEACCESSKEY":          "documentation",

		"{enter your secure password choice}": "documentation",
		"${REGISTRY_PASSWORD}":                "documentation",
		"with\ttab-canary":                    "U+0009",
		"with\u200bzero-canary":               "U+200B",
		"nul\x00canary":                       "U+0000",
		"raw\xffcanary":                       "UTF-8",
		strings.Repeat("canary ", 11):         "72 bytes: it has 77",
	} {
		err := ValidatePassword("somebody", []byte(bad))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("ValidatePassword(%q) = %v, want it to say %q", bad, err, says)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%q gives the password away", err)
		}
	}
	for _, p := range placeholders {
		if p != strings.ToLower(p) {
			t.Errorf("placeholder %q is not lower case, so it never matches", p)
		}
	}
}

func TestGeneratePassword(t *testing.T) {
	if bits := math.Log2(float64(len(alphabet))) * groups * groupLength; bits < 128 || 256%len(alphabet) != 0 {
		t.Errorf("%v bits out of %d signs", bits, len(alphabet))
	}
	seen := make(map[string]bool)
	for range 200 {
		p, err := GeneratePassword(nil)
		if err != nil {
			t.Fatal(err)
		}
		if seen[p] {
			t.Fatal("the same password twice")
		}
		seen[p] = true
		if strings.Trim(p, alphabet+"-") != "" || strings.ContainsAny(p, "0o1lI") || p[0] == '-' {
			t.Errorf("%q is not plain", p)
		}
		if err := ValidatePassword("admin", []byte(p)); err != nil {
			t.Error(err)
		}
		if got := Strength([]byte(p)); got != "good" {
			t.Errorf("Strength(%q) = %q", p, got)
		}
	}
	if _, err := GeneratePassword(iotest.ErrReader(errors.New("dry"))); err == nil {
		t.Error("a password without randomness")
	}
	if _, err := GeneratePassword(strings.NewReader("short")); err == nil {
		t.Error("a password out of too little randomness")
	}
}

func TestStrength(t *testing.T) {
	for password, want := range map[string]string{
		"":                              "weak: under 8 characters",
		"abc":                           "weak: under 8 characters",
		"password":                      "weak: known from documentation",
		"aaaaaaaaaaaaaaa":               "weak: few different characters",
		"abcdefghijkl":                  "weak: a plain sequence",
		"poiuytrewq":                    "weak: a plain sequence",
		"kfjrnvmwodq":                   "weak: one kind of character",
		"kfjrnv-mwodq":                  "good",
		"Kfjrnv-mw":                     "fair: 12 characters are better",
		"plainbutratherlongwords":       "good",
		strings.Repeat("Kfjrnv-mw0", 8): "weak: over 72 bytes, will be refused",
	} {
		if got := Strength([]byte(password)); got != want {
			t.Errorf("Strength(%q) = %q, want %q", password, got, want)
		}
	}
}

func TestValidateNewName(t *testing.T) {
	for _, good := range []string{"admin", "ci-bot", "Jörg Müller", "a@example.com", "a.b", "..a"} {
		if err := ValidateNewName(good); err != nil {
			t.Errorf("ValidateNewName(%q): %v", good, err)
		}
	}
	for bad, says := range map[string]string{
		"": "empty", "*": "every user", "a*": "every user", "../x": "slash", "a/b": "slash", `a\b`: "slash",
		".": "directory", "..": "directory",
	} {
		if err := ValidateNewName(bad); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("ValidateNewName(%q): %v, want %q", bad, err, says)
		}
	}
	if err := ValidateName("../x"); err != nil {
		t.Errorf("a name of an existing file: %v", err)
	}
}

// TestOldNames verifies that names in an existing file that no user could be added with are reported,
// and that these users can still sign in.
func TestOldNames(t *testing.T) {
	hash, _ := hashes(t)
	f, problems := Parse([]byte("*:" + hash + "\n../x:" + hash + "\nadmin:" + hash + "\nb\x07b:" + hash + "\n"))
	if got, want := f.Users(), []string{"*", "../x", "admin"}; !slices.Equal(got, want) {
		t.Errorf("Users() = %q, want %q", got, want)
	}
	var got []string
	for _, p := range problems {
		got = append(got, fmt.Sprintf("%d %s %t", p.Line, p.Code, p.Severity == finding.Warning))
	}
	want := []string{"1 " + CodeOldName + " true", "2 " + CodeOldName + " true", "4 " + CodeBadName + " false"}
	if !slices.Equal(got, want) {
		t.Errorf("problems %q, want %q", got, want)
	}
}
