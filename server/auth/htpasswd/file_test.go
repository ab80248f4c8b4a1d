package htpasswd

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"packhouse/finding"
)

// Real hashes of cost 4; the passwords are "first" and "second".
func hashes(t testing.TB) (first, second string) {
	t.Helper()
	var out [2]string
	for i, p := range []string{"first", "second"} {
		h, err := HashCost([]byte(p), MinCost)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = string(h)
	}
	return out[0], out[1]
}

func TestParseKeepsEveryByte(t *testing.T) {
	a, b := hashes(t)
	for name, in := range map[string]string{
		"empty":           "",
		"one":             "admin:" + a + "\n",
		"no last newline": "admin:" + a,
		"crlf":            "admin:" + a + "\r\nci:" + b + "\r\n",
		"mixed ends":      "admin:" + a + "\r\nci:" + b + "\n# end",
		"comments":        "# users\n\n  # indented\nadmin:" + a + "\n\n\n",
		"spaces":          "\t admin:" + a + " \t\n   \n",
		"bom":             bom + "admin:" + a + "\n",
		"foreign lines":   "what is this\n:x\nadmin:\nadmin:" + a + "\n",
		"nul":             "a\x00d\x00\n",
		"only spaces":     "   ",
		"form feed":       "\f\v\n",
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := Parse([]byte(in))
			if got := string(f.Bytes()); got != in {
				t.Errorf("Bytes() = %q, want %q", got, in)
			}
		})
	}
}

func TestParseFindsUsers(t *testing.T) {
	a, b := hashes(t)
	in := bom + "# users\r\nadmin:" + a + "\r\n\r\n  ci-bot:" + strings.Replace(b, "$2y$", "$2a$", 1) + " \r\nmüller x:" + strings.Replace(b, "$2y$", "$2b$", 1)
	f, problems := Parse([]byte(in))
	if got, want := f.Users(), []string{"admin", "ci-bot", "müller x"}; !slices.Equal(got, want) {
		t.Errorf("Users() = %q, want %q", got, want)
	}
	if len(problems) != 1 || problems[0].Code != CodeBOM || problems[0].Severity != finding.Warning {
		t.Errorf("problems = %v, want the byte order mark as a warning", problems)
	}
	for user, password := range map[string]string{"admin": "first", "ci-bot": "second", "müller x": "second"} {
		hash, ok := f.Lookup(user)
		if !ok {
			t.Fatalf("Lookup(%q) found nothing", user)
		}
		if err := Verify(hash, []byte(password)); err != nil {
			t.Errorf("Verify for %q: %v", user, err)
		}
	}
	if _, ok := f.Lookup("nobody"); ok {
		t.Error("Lookup found a user who is not there")
	}
}

func TestParseNamesWhatIsWrong(t *testing.T) {
	a, _ := hashes(t)
	const secret = "Tr0ub4dor-canary"
	tests := []struct {
		name, line, code, says string
	}{
		{"no colon", secret, CodeNoColon, "no colon"},
		{"empty name", ":" + a, CodeEmptyName, "empty"},
		{"empty hash", "bob:", CodeEmptyHash, `"bob"`},
		{"apr1", "bob:$apr1$abcdefgh$" + secret, CodeKind, "$apr1$"},
		{"md5", "bob:$1$abcdefgh$" + secret, CodeKind, "$1$"},
		{"sha1", "bob:{SHA}" + secret, CodeKind, "{SHA}"},
		{"salted sha1", "bob:{SSHA}" + secret, CodeKind, "{SSHA}"},
		{"sha256", "bob:$5$abcdefgh$" + secret, CodeKind, "$5$"},
		{"sha512", "bob:$6$abcdefgh$" + secret, CodeKind, "$6$"},
		{"yescrypt", "bob:$y$j9T$" + secret, CodeKind, "$y$"},
		{"argon2", "bob:$argon2id$v=19$" + secret, CodeKind, "$argon2"},
		{"old bcrypt", "bob:$2$05$" + secret, CodeKind, "$2$"},
		{"broken bcrypt", "bob:$2x$05$" + secret, CodeKind, "$2x$"},
		{"plain", "bob:" + secret, CodePlain, "plain text"},
		{"plain, swapped", secret + ":bob", CodePlain, "plain text"},
		{"des", "bob:rqXexS6ZhobKA", CodePlain, "DES"},
		{"swapped", a + ":" + "bob", CodeBadName, "hash where the name"},
		{"cost too low", "bob:" + strings.Replace(a, "$04$", "$03$", 1), CodeCost, "cost 3"},
		{"cost too high", "bob:" + strings.Replace(a, "$04$", "$31$", 1), CodeCost, "cost 31"},
		{"cut short", "bob:" + a[:50], CodeDamaged, "cut short"},
		{"something behind", "bob:" + a + ":" + secret, CodeDamaged, "damaged"},
		{"bad cost digits", "bob:$2y$1x" + a[6:], CodeDamaged, "damaged"},
		{"bidi name", "bo\u202eb:" + a, CodeBadName, "U+202E"},
		{"control name", "bo\x07b:" + a, CodeBadName, "U+0007"},
		{"not utf-8", "bo\xffb:" + a, CodeBadName, "UTF-8"},
		{"space before colon", "bob :" + a, CodeBadName, "space"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, problems := Parse([]byte("# one\n" + tt.line + "\nadmin:" + a + "\n"))
			if got := f.Users(); !slices.Equal(got, []string{"admin"}) {
				t.Errorf("Users() = %q: a bad line must cost itself and nothing else", got)
			}
			if len(problems) != 1 {
				t.Fatalf("problems = %v, want one", problems)
			}
			p := problems[0]
			if p.Line != 2 || p.Code != tt.code || p.Remedy == "" || p.Severity == finding.Warning {
				t.Errorf("problem = %+v, want line 2 and code %s", p, tt.code)
			}
			if !strings.Contains(p.What, tt.says) {
				t.Errorf("What = %q, want it to say %q", p.What, tt.says)
			}
			for _, hidden := range []string{secret, a[7:29], a[29:], "rqXexS6ZhobKA"} {
				if strings.Contains(p.String(), hidden) {
					t.Errorf("%q gives away %q", p, hidden)
				}
			}
		})
	}
}

func TestParseUTF16(t *testing.T) {
	a, _ := hashes(t)
	var wide []byte
	for _, c := range []byte("admin:" + a + "\n") {
		wide = append(wide, c, 0)
	}
	f, problems := Parse(append([]byte{0xff, 0xfe}, wide...))
	if len(f.Users()) != 0 || len(problems) != 1 || problems[0].Code != CodeEncoding {
		t.Errorf("users %q, problems %v", f.Users(), problems)
	}
}

func TestDuplicateCountsLast(t *testing.T) {
	a, b := hashes(t)
	f, problems := Parse([]byte("admin:" + a + "\nci:" + a + "\nadmin:" + b + "\nadmin:$apr1$x$y\n"))
	if got, want := f.Users(), []string{"ci", "admin"}; !slices.Equal(got, want) {
		t.Errorf("Users() = %q, want %q", got, want)
	}
	if hash, _ := f.Lookup("admin"); string(hash) != b {
		t.Error("the last usable line does not count")
	}
	if len(problems) != 2 || problems[0].Code != CodeDuplicate || problems[0].Line != 3 || problems[1].Code != CodeKind {
		t.Errorf("problems = %v", problems)
	}
	if err := f.Set("admin", a); err != nil {
		t.Fatal(err)
	}
	if got, want := string(f.Bytes()), "ci:"+a+"\nadmin:"+a+"\n"; got != want {
		t.Errorf("after Set %q, want one line for the user", got)
	}
}

func TestEdit(t *testing.T) {
	a, b := hashes(t)
	set := func(user, hash string) func(*testing.T, *File) {
		return func(t *testing.T, f *File) {
			if err := f.Set(user, hash); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(user string, want bool) func(*testing.T, *File) {
		return func(t *testing.T, f *File) {
			if got := f.Remove(user); got != want {
				t.Errorf("Remove(%q) = %v", user, got)
			}
		}
	}
	tests := []struct {
		name, in string
		edit     func(*testing.T, *File)
		want     string
	}{
		{"first user", "", set("admin", a), "admin:" + a + "\n"},
		{"append", "admin:" + a + "\n", set("ci", b), "admin:" + a + "\nci:" + b + "\n"},
		{"append without newline", "admin:" + a, set("ci", b), "admin:" + a + "\nci:" + b + "\n"},
		{"append to crlf", "admin:" + a + "\r\n# x", set("ci", b), "admin:" + a + "\r\n# x\r\nci:" + b + "\r\n"},
		{"append behind spaces", "  ", set("ci", b), "  \nci:" + b + "\n"},
		{"append behind bom", bom, set("ci", b), bom + "ci:" + b + "\n"},
		{"replace keeps all else", "# a\n\n admin:" + a + " \r\nfoo\nci:" + a, set("admin", b), "# a\n\n admin:" + b + " \r\nfoo\nci:" + a},
		{"replace last without newline", "ci:" + a, set("ci", b), "ci:" + b},
		{"replace unusable", "ci:$apr1$x$y\nadmin:" + a + "\n", set("ci", b), "ci:" + b + "\nadmin:" + a + "\n"},
		{"a name is not its prefix", "admin2:" + a + "\n", set("admin", b), "admin2:" + a + "\nadmin:" + b + "\n"},
		{"remove", "# a\nadmin:" + a + "\n\nci:" + b + "\n", remove("admin", true), "# a\n\nci:" + b + "\n"},
		{"remove doubles and unusable", "x:" + a + "\nx:{SHA}y\nci:" + b + "\nx:" + b, remove("x", true), "ci:" + b + "\n"},
		{"remove nobody", "# a\nadmin:" + a, remove("ci", false), "# a\nadmin:" + a},
		{"remove nothing", "# a\n\n", remove("", false), "# a\n\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, _ := Parse([]byte(tt.in))
			tt.edit(t, f)
			if got := string(f.Bytes()); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			again, _ := Parse(f.Bytes())
			if !slices.Equal(f.Users(), again.Users()) {
				t.Errorf("Users() = %q, read again %q", f.Users(), again.Users())
			}
		})
	}
}

func TestSetRefuses(t *testing.T) {
	a, _ := hashes(t)
	in := []byte("admin:" + a + "\n")
	for _, tt := range [][2]string{{"", a}, {"a:b", a}, {"a\nroot", a}, {"#a", a}, {"ci", ""}, {"ci", "plain"}, {"ci", "$apr1$a$b"}, {"ci", a + "\nroot:" + a}, {"ci", a + " "}} {
		f, _ := Parse(in)
		err := f.Set(tt[0], tt[1])
		if err == nil || !bytes.Equal(f.Bytes(), in) {
			t.Errorf("Set(%q, …) = %v, and left %q", tt[0], err, f.Bytes())
		}
		if tt[0] == "ci" && !errors.Is(err, ErrNotBcrypt) {
			t.Errorf("Set with a bad hash = %v, want ErrNotBcrypt", err)
		}
	}
}

func TestMaxCost(t *testing.T) {
	a, _ := hashes(t)
	costly := strings.Replace(a, "$04$", "$12$", 1)
	for in, want := range map[string]int{
		"":                                  DefaultCost,
		"a:" + a:                            4,
		"a:" + a + "\nb:" + costly + "\n":   12,
		"a:" + costly + "\na:" + a + "\n":   4, // the line that does not count costs nothing
		"a:" + a + "\nb:$apr1$" + costly:    4,
		"a:" + a + "\nb:$2y$31$" + a[7:]:    4,
		"# c:" + costly + "\na:" + a + "\n": 4,
	} {
		f, _ := Parse([]byte(in))
		if got := f.MaxCost(); got != want {
			t.Errorf("MaxCost of %q = %d, want %d", in, got, want)
		}
	}
}

func TestLookupIsACopy(t *testing.T) {
	a, _ := hashes(t)
	f, _ := Parse([]byte("admin:" + a))
	hash, _ := f.Lookup("admin")
	hash[0] = 'X'
	if got := string(f.Bytes()); got != "admin:"+a {
		t.Errorf("a caller changed the file to %q", got)
	}
}

func FuzzParse(f *testing.F) {
	a, b := hashes(f)
	for _, s := range []string{"", "admin:" + a + "\n", bom + "# x\r\n a:" + a + " \r\na:" + b, "x\n:\n:y\ny:\n#", "\x00\n", "a:" + a + "\n\x00", "\r\r\n\v"} {
		f.Add([]byte(s), "admin")
	}
	f.Fuzz(func(t *testing.T, data []byte, user string) {
		file, problems := Parse(data)
		if got := file.Bytes(); !bytes.Equal(got, data) {
			t.Fatalf("Bytes() = %q, want %q", got, data)
		}
		lines := bytes.Count(data, []byte("\n")) + 1
		for _, p := range problems {
			if p.Line < 1 || p.Line > lines || p.Code == "" || p.What == "" || p.Remedy == "" {
				t.Errorf("problem %+v in %d lines", p, lines)
			}
		}
		for _, u := range file.Users() {
			if hash, ok := file.Lookup(u); !ok || ValidateName(u) != nil {
				t.Errorf("user %q, found %v", u, ok)
			} else if _, err := Cost(hash); err != nil {
				t.Errorf("user %q: %v", u, err)
			}
		}
		others := slices.DeleteFunc(file.Users(), func(u string) bool { return u == user })
		if file.Set(user, a) == nil && !bytes.Contains(data, []byte{0}) {
			again, _ := Parse(file.Bytes())
			if hash, ok := again.Lookup(user); !ok || string(hash) != a {
				t.Errorf("user %q is not in %q", user, file.Bytes())
			}
			if got := slices.DeleteFunc(again.Users(), func(u string) bool { return u == user }); !slices.Equal(got, others) {
				t.Errorf("the others were %q and are %q", others, got)
			}
			file.Remove(user)
			again, _ = Parse(file.Bytes())
			if _, ok := again.Lookup(user); ok {
				t.Errorf("user %q is still in %q", user, file.Bytes())
			}
		}
	})
}
