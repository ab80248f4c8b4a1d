package question

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/dustin/go-humanize"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
)

// Steps returns all questions, in the order of the wizard's left column.
func Steps() []Step {
	steps := []Step{
		{ID: "hostname", Title: "Host name", Questions: []*Question{hostnameQuestion()}},
		{ID: "names", Title: "Names", Questions: []*Question{sanQuestion()}},
		{
			ID:        "address",
			Title:     "Address",
			Questions: []*Question{addrQuestion(), publicURLQuestion(), logLevelQuestion()},
		},
		{ID: "tls", Title: "TLS", Questions: []*Question{
			tlsQuestion(), certQuestion(), tlsCAQuestion(), keyQuestion(), keyPasswordQuestion(), acmeEmailQuestion(),
			acmeDirectoryQuestion(), acmeCAQuestion(), eabKeyIDQuestion(),
			eabKeyQuestion(), insecureQuestion(), keyTypeQuestion(), certDaysQuestion(), subjectQuestion(), caPermitQuestion(),
			rotateQuestion(
				"rotate-cert",
				"Renew",
				"Make a new certificate now?",
				"The certificate in use stays as long as it fits the answers. A new one can be made at any time; under the private CA clients notice nothing.",
				func(a *Answers) *bool { return &a.RotateCert },
			),
			rotateQuestion(
				"new-key",
				"New key",
				"Make a new key with it?",
				"A renewed certificate keeps its key unless you ask for a new one, for instance because someone saw the old one. Only clients that pin the key notice.",
				func(a *Answers) *bool { return &a.NewKey },
			),
			rotateQuestion(
				"new-ca",
				"New CA",
				"Make a new certificate authority?",
				"Every client has to trust the new ca.crt. It is handed out together with the old one, so clients can be moved over one by one.",
				func(a *Answers) *bool { return &a.NewCA },
			),
			rotateQuestion(
				"drop-old-ca",
				"Old CA",
				"Stop handing out the previous CA?",
				"After a new CA was made, ca.crt holds the old one too. Once every client has the new one there is no reason to go on trusting the old one.",
				func(a *Answers) *bool { return &a.DropOldCA },
			),
		}},
		{ID: "users", Title: "Users", Questions: []*Question{usersQuestion(), realmQuestion()}},
		{
			ID:    "storage",
			Title: "Storage",
			Questions: append([]*Question{storageQuestion(), storagePathQuestion(), takeOverQuestion(), inMemoryQuestion()},
				s3Questions()...),
		},
		{ID: "service", Title: "Service", Questions: []*Question{serviceQuestion(), runAsQuestion()}},
	}
	for _, s := range steps {
		for _, q := range s.Questions {
			q.complete()
		}
	}
	return steps
}

// complete sets defaults for nil functions, and makes the findings name the question and the flag.
func (q *Question) complete() {
	if q.Asked == nil {
		q.Asked = func(*Answers) bool { return true }
	}
	if q.Validate == nil {
		q.Validate = func(context.Context, *machine.Machine, *Answers) []finding.Finding { return nil }
	}
	q.Validate = q.signed(q.Validate)
	if q.Probe != nil {
		q.Probe = q.signed(q.Probe)
	}
}

func (q *Question) signed(judge Check) Check {
	return func(ctx context.Context, m *machine.Machine, a *Answers) []finding.Finding {
		findings := judge(ctx, m, a)
		for i := range findings {
			f := &findings[i]
			f.Question = cmp.Or(f.Question, q.ID)
			if f.Flag == "" && len(q.Flags) > 0 {
				f.Flag = q.Flags[0]
			}
		}
		return findings
	}
}

// Examine validates all answers. For each question asked it calls Validate and, with probe set and
// unless Validate refused, Probe. Findings about the directory and the machine come last.
func Examine(ctx context.Context, m *machine.Machine, a *Answers, probe bool) []finding.Finding {
	var findings []finding.Finding
	for _, step := range Steps() {
		for _, q := range step.Questions {
			if !q.Asked(a) {
				continue
			}
			found := q.Validate(ctx, m, a)
			if probe && q.Probe != nil && !finding.AnyRefused(found) {
				found = append(found, q.Probe(ctx, m, a)...)
			}
			findings = append(findings, found...)
		}
	}
	if probe {
		findings = append(findings, examineMachine(m, a)...)
	}
	return findings
}

// leastMemory is the memory in bytes below which a machine is reported as small: the vendor's
// minimum of 2 GB, less what firmware and kernel reserve.
const leastMemory = 1800 << 20

// leastForFiles is the free space in bytes that an installation's files and their backups need;
// leastInodes is the number of inodes.
const (
	leastForFiles = 1 << 20
	leastInodes   = 40
)

// examineDir reports whether setup can write the installation's files.
func examineDir(m *machine.Machine, a *Answers) []finding.Finding {
	refuse := func(what, remedy string) []finding.Finding {
		return []finding.Finding{
			{
				Subject:  finding.Subject{Question: "dir", Flag: "--dir"},
				Severity: finding.Refused,
				Code:     setup.CodeDir,
				What:     what,
				Remedy:   remedy,
			},
		}
	}
	err := m.Host.Writable(a.Dir)
	switch {
	case errors.Is(err, syscall.EROFS):
		return refuse("the directory cannot be written: "+err.Error(), "mount it writable, or choose another directory")
	case err != nil:
		return refuse("the directory cannot be written: "+err.Error(),
			"choose another one, or run setup as the user it belongs to")
	}
	fs, err := m.Host.FileSystem(a.Dir)
	switch {
	case err != nil:
		return nil // writable, although it belongs to another user
	case fs.Total > 0 && fs.Free < leastForFiles:
		return refuse(fmt.Sprintf("the file system of %s has %s free", a.Dir, humanize.IBytes(fs.Free)),
			"free space there, or choose another directory")
	case fs.Inodes > 0 && fs.FreeInodes < leastInodes:
		return refuse(fmt.Sprintf("the file system of %s has %d inodes left, so files cannot be made", a.Dir, fs.FreeInodes),
			"remove small files there, or choose another directory")
	}
	return nil
}

// leastOpenFiles is the open-file limit that a server needs to start and serve a few clients.
const leastOpenFiles = 128

// examineOpenFiles reports an open-file limit too low for a server. systemd services have their own
// limit.
func examineOpenFiles(m *machine.Machine, a *Answers) []finding.Finding {
	if m.OpenFiles == 0 || m.OpenFiles >= leastOpenFiles || a.Service == setup.Systemd {
		return nil
	}
	return refused(setup.CodeOpenFiles, fmt.Sprintf("processes of this user may open %d files only, too few for a server",
		m.OpenFiles), "raise the limit: ulimit -n 1024")
}

func examineMachine(m *machine.Machine, a *Answers) []finding.Finding {
	findings := append(examineDir(m, a), examineOpenFiles(m, a)...)
	return append(findings, smallness(m.CPUs, m.Memory)...)
}

// text implements a question whose answer is a string.
func (q *Question) text(field func(*Answers) *string) *Question {
	q.Get = func(a *Answers) string { return *field(a) }
	q.Set = func(a *Answers, s string) error {
		s = strings.TrimSpace(s)
		if q.Kind == Path && s != "" {
			var err error
			if s, err = setup.Absolute(s); err != nil {
				return err
			}
		}
		*field(a) = s
		return nil
	}
	return q
}

// confirm implements a yes-or-no question.
func (q *Question) confirm(field func(*Answers) *bool) *Question {
	q.Kind = Confirm
	q.Get = func(a *Answers) string { return strconv.FormatBool(*field(a)) }
	q.Set = func(a *Answers, s string) error {
		value, err := ParseBool(s)
		if err == nil {
			*field(a) = value
		}
		return err
	}
	return q
}

var errNotBool = errors.New("is neither true nor false")

func ParseBool(s string) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true", "yes", "y", "on", "1":
		return true, nil
	case "false", "no", "n", "off", "0", "":
		return false, nil
	}
	return false, errNotBool
}

// oneOf refuses an answer that is not one of the choices, except the value that the installation
// already uses.
func (q *Question) oneOf(kept func(*installation.Installed) string) {
	q.Kind = Choice
	inner := q.Validate
	q.Validate = func(ctx context.Context, m *machine.Machine, a *Answers) []finding.Finding {
		value := q.Get(a)
		var values []string
		for _, c := range q.Choices(m, a) {
			values = append(values, c.Value)
			if c.Value == value && c.Disabled != "" {
				return refused(setup.CodeValue, fmt.Sprintf("%q cannot be chosen here: %s", value, c.Disabled),
					"choose another one")
			}
		}
		if !slices.Contains(values, value) && (a.Existing == nil || kept == nil || kept(a.Existing) != value) {
			return refused(setup.CodeValue, fmt.Sprintf("%q is not one of %s", value, strings.Join(values, ", ")),
				"choose one of these")
		}
		if inner != nil {
			return inner(ctx, m, a)
		}
		return nil
	}
}
