package htpasswd

import (
	"bytes"
	"fmt"
	"strings"

	"packhouse/finding"
	"packhouse/pattern"
)

// Codes of problems. They are stable.
const (
	CodeNoColon   = "htpasswd-no-colon"   // a line that is neither an entry nor a comment
	CodeEmptyName = "htpasswd-empty-name" // nothing before the colon
	CodeBadName   = "htpasswd-bad-name"   // a name that ValidateName rejects
	CodeOldName   = "htpasswd-old-name"   // a usable name that ValidateNewName rejects
	CodeEmptyHash = "htpasswd-empty-hash" // nothing after the colon
	CodeKind      = "htpasswd-hash-kind"  // a hash, but not bcrypt
	CodePlain     = "htpasswd-plain-text" // probably a password in plain text
	CodeCost      = "htpasswd-cost"       // bcrypt with an unsupported cost
	CodeDamaged   = "htpasswd-damaged"    // bcrypt, but truncated or with trailing text
	CodeDuplicate = "htpasswd-duplicate"  // a later line of the same user counts instead
	CodeBOM       = "htpasswd-bom"        // a byte order mark; the file is still used
	CodeEncoding  = "htpasswd-encoding"   // not text, or UTF-16
)

// InLine returns a finding of [Parse] as one line. It never contains a hash or a password.
func InLine(f finding.Finding) string {
	return fmt.Sprintf("line %d: %s: %s", f.Line, f.What, f.Remedy)
}

// Parse is [ParseFile] for callers that do not show remedies.
func Parse(data []byte) (*File, []finding.Finding) { return ParseFile("htpasswd", data) }

// ParseFile parses the content of the file at path, which the remedies name. It never fails as a whole:
// it skips each unusable line and reports it as a finding. They are in line order.
func ParseFile(path string, data []byte) (*File, []finding.Finding) {
	fix := remedies{path}
	f := &File{}
	var problems []finding.Finding
	rest := data
	if after, ok := bytes.CutPrefix(data, []byte(bom)); ok {
		f.mark, rest = bom, after
		problems = append(problems, finding.Finding{
			Subject: finding.Subject{Line: 1}, Code: CodeBOM, Severity: finding.Warning,
			What:   "the file begins with a byte order mark, which other servers take for a part of the first name",
			Remedy: fix.removeMark(),
		})
	}
	wide := bytes.IndexByte(rest, 0) >= 0
	if wide {
		problems = append(problems, finding.Finding{
			Subject: finding.Subject{Line: 1 + bytes.Count(rest[:bytes.IndexByte(rest, 0)],
				[]byte("\n"))}, Code: CodeEncoding, Severity: finding.Refused,
			What: "the file is not plain text, perhaps UTF-16: no user can be read from it", Remedy: fix.decode(),
		})
	}
	counts := make(map[string]int) // name → number of the line that counts so far
	for number := 1; len(rest) > 0; number++ {
		raw := rest
		if end := bytes.IndexByte(rest, '\n'); end >= 0 {
			raw = rest[:end+1]
		}
		rest = rest[len(raw):]
		l := split(string(raw))
		if !wide {
			if p := l.read(number, fix); p != nil {
				problems = append(problems, *p)
			}
			if l.hash != "" {
				if earlier, ok := counts[l.user]; ok {
					problems = append(problems, finding.Finding{
						Subject: finding.Subject{Line: number}, Code: CodeDuplicate, Severity: finding.Warning,
						What:   fmt.Sprintf("user %q is already on line %d; this line is used", l.user, earlier),
						Remedy: fix.removeLine(earlier),
					})
				}
				counts[l.user] = number
			}
		}
		f.lines = append(f.lines, l)
	}
	f.index()
	return f, problems
}

// split separates a line from surrounding spaces, which Apache and distribution ignore too.
func split(raw string) line {
	const spaces = " \t\r\n\v\f"
	text := strings.TrimLeft(raw, spaces)
	l := line{before: raw[:len(raw)-len(text)]}
	l.text = strings.TrimRight(text, spaces)
	l.after = text[len(l.text):]
	if l.text == "" { // blank: keep the line ending in after, where append checks for it
		l.before, l.after = "", raw
	}
	return l
}

// read sets user and hash, or returns why it cannot.
func (l *line) read(number int, fix remedies) *finding.Finding {
	if l.text == "" || l.text[0] == '#' {
		return nil
	}
	problem := func(code, what, remedy string) *finding.Finding {
		return &finding.Finding{
			Subject: finding.Subject{Line: number}, Code: code, Severity: finding.Refused, What: what,
			Remedy: remedy,
		}
	}
	name, hash, ok := strings.Cut(l.text, ":")
	switch {
	case !ok:
		return problem(CodeNoColon, "there is no colon between a name and a hash",
			fix.removeLine(number)+"; if it is a comment, begin it with #")
	case name == "":
		return problem(CodeEmptyName, "the name before the colon is empty", fix.removeLine(number))
	case kindOf(name) != "":
		// The text is left out: it is a hash.
		return problem(CodeBadName, "there is a hash where the name should be",
			fix.removeLine(number)+", then "+fix.addUser())
	}
	if err := ValidateName(name); err != nil {
		return problem(CodeBadName, err.Error(), fix.removeLine(number)+", then "+fix.addUser())
	}
	l.user = name
	who := fmt.Sprintf("user %q", name)
	switch kind := kindOf(hash); {
	case hash == "":
		return problem(CodeEmptyHash, who+" has no hash", fix.setPassword(name))
	case kind == "bcrypt":
		cost, err := Cost([]byte(hash))
		switch {
		case err == nil:
			l.hash = hash
			return oldName(number, name, fix)
		case cost != 0:
			return problem(CodeCost, fmt.Sprintf("%s has a bcrypt hash of cost %d, usable are %d to %d",
				who, cost, MinCost, MaxCost), fix.setPassword(name))
		}
		return problem(CodeDamaged, who+" has a bcrypt hash that is damaged, cut short, or followed by something",
			fix.setPassword(name))
	case kind != "":
		return problem(CodeKind, fmt.Sprintf("%s has a hash of kind %s, only bcrypt is accepted", who, kind),
			fix.setPassword(name))
	}
	what := "the text after the colon is not a hash, perhaps a password in plain text"
	if desCrypt().MatchString(hash) {
		what = "the text after the colon is a crypt (DES) hash or a password in plain text, only bcrypt is accepted"
	}
	// The name is left out: its fields may be swapped, and then it is the password.
	return problem(CodePlain, what, fix.removeLine(number)+", then "+fix.addUser()+" with a new password")
}

// oldName reports the name of a usable entry that no user could be added with, or returns nil.
func oldName(number int, name string, fix remedies) *finding.Finding {
	err := ValidateNewName(name)
	if err == nil {
		return nil
	}
	return &finding.Finding{
		Subject: finding.Subject{Line: number}, Code: CodeOldName, Severity: finding.Warning,
		What:   fmt.Sprintf("user %q: %s", name, strings.TrimPrefix(err.Error(), "user ")),
		Remedy: fix.addUser() + " under another name, then " + fix.removeLine(number),
	}
}

// kinds maps hash prefixes to hash types.
var kinds = [...]struct{ prefix, name string }{
	{"$2a$", "bcrypt"},
	{"$2b$", "bcrypt"},
	{"$2y$", "bcrypt"},
	{"$2x$", "$2x$ (bcrypt of a broken implementation)"},
	{"$2$", "$2$ (bcrypt of before 1999)"},
	{"$apr1$", "$apr1$ (Apache MD5)"},
	{"$1$", "$1$ (MD5 crypt)"},
	{"$5$", "$5$ (SHA-256 crypt)"},
	{"$6$", "$6$ (SHA-512 crypt)"},
	{"$7$", "$7$ (scrypt)"},
	{"$y$", "$y$ (yescrypt)"},
	{"$gy$", "$gy$ (yescrypt)"},
	{"$argon2", "$argon2 (Argon2)"},
	{"$scrypt$", "$scrypt$ (scrypt)"},
	{"{SHA}", "{SHA} (SHA-1)"},
	{"{SSHA}", "{SSHA} (salted SHA-1)"},
}

// desCrypt matches DES crypt hashes, which use only the first eight bytes of a password.
var desCrypt = pattern.Lazy(`^[./0-9A-Za-z]{13}$`)

// kindOf returns the type of a hash, or "" if s does not look like one.
func kindOf(hash string) string {
	for _, k := range kinds {
		if strings.HasPrefix(hash, k.prefix) {
			return k.name
		}
	}
	return ""
}
