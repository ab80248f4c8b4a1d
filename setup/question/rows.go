package question

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/machine"
)

// rows returns the questions in the order of the help. A row without a step only has flags.
func rows() []*Question {
	return []*Question{
		{Flags: []Flag{textFlag("dir", "DIR", "installation directory")}},
		hostnameQuestion(), sanQuestion(), addrQuestion(), publicURLQuestion(),
		tlsQuestion(), certQuestion(), tlsCAQuestion(), keyQuestion(), keyPasswordQuestion(), acmeEmailQuestion(),
		acmeDirectoryQuestion(), acmeCAQuestion(), eabKeyIDQuestion(), eabKeyQuestion(), insecureQuestion(),
		keyTypeQuestion(), certDaysQuestion(), subjectQuestion(), caPermitQuestion(),
		rotateCertQuestion(), newKeyQuestion(), newCAQuestion(), dropOldCAQuestion(),
		{
			ID:    "tls",
			Flags: []Flag{textFlag("ca-key", "FILE", "private CA's key, if it was moved out of the installation directory")},
		},
		{Flags: []Flag{
			textFlag("move-ca-key", "FILE", "move the private CA's key to FILE, a new file, when setup is done; pass it to --ca-key when the certificate is due"),
		}},
		usersQuestion(), realmQuestion(), storageQuestion(), storagePathQuestion(), takeOverQuestion(),
		s3BucketQuestion(), s3RegionQuestion(), s3EndpointQuestion(), s3RootQuestion(), s3AccessKeyQuestion(),
		s3SecretKeyQuestion(), s3PathStyleQuestion(), s3EncryptQuestion(), s3KMSQuestion(), s3CAQuestion(),
		s3SkipVerifyQuestion(), inMemoryQuestion(), serviceQuestion(), runAsQuestion(), logLevelQuestion(),
		{Flags: []Flag{
			boolFlag("yes", "ask no questions"),
			boolFlag("accessible", "ask line by line, for screen readers (default with ACCESSIBLE=1 or TERM=dumb)"),
			boolFlag("dry-run", "print what would change and write nothing"),
			boolFlag("json", "print the result as JSON"),
			boolFlag("offline", "do not use the network"),
			boolFlag("no-start", "do not check the result with a trial server"),
			boolFlag("serve", "run the server in the foreground when setup is done"),
			boolFlag("rollback-on-failure", "restore the previous files if a check fails"),
		}},
	}
}

// Steps returns all questions, in the order of the wizard's left column.
func Steps() []Step {
	steps := []Step{
		{ID: "hostname", Title: "Host name"},
		{ID: "names", Title: "Names"},
		{ID: "address", Title: "Address"},
		{ID: "tls", Title: "TLS"},
		{ID: "users", Title: "Users"},
		{ID: "storage", Title: "Storage"},
		{ID: "service", Title: "Service"},
	}
	for _, q := range rows() {
		i := slices.IndexFunc(steps, func(s Step) bool { return s.ID == q.Step })
		if i >= 0 {
			q.complete()
			steps[i].Questions = append(steps[i].Questions, q)
		}
	}
	for _, s := range steps {
		slices.SortStableFunc(s.Questions, func(p, q *Question) int { return p.Turn - q.Turn })
	}
	return steps
}

// All returns all questions, in the order of the wizard.
func All() []*Question {
	var questions []*Question
	for _, step := range Steps() {
		questions = append(questions, step.Questions...)
	}
	return questions
}

// complete derives Kind, Get and Set from where the answer is stored, sets defaults for nil functions,
// and makes the findings name the question and the flag.
func (q *Question) complete() {
	switch {
	case q.Confirms != nil:
		q.Kind = Confirm
		q.Get = func(a *Answers) string { return strconv.FormatBool(*q.Confirms(a)) }
	case q.Choices != nil:
		q.Kind = Choice
	case q.Kind == "":
		q.Kind = Text
	}
	if q.Answer != nil {
		q.Get = func(a *Answers) string { return *q.Answer(a) }
	}
	if q.Set == nil {
		q.Set = q.store
	}
	if q.Asked == nil {
		q.Asked = func(*Answers) bool { return true }
	}
	q.Validate = q.named(q.validate(q.Validate))
	if q.Probe != nil {
		q.Probe = q.named(q.Probe)
	}
}

// store implements Set for an answer in Answer or Confirms.
func (q *Question) store(a *Answers, s string) error {
	before, s := q.Get(a), strings.TrimSpace(s)
	if q.Clean != nil {
		s = q.Clean(s)
	}
	switch {
	case q.Confirms != nil:
		value, err := ParseBool(s)
		if err != nil {
			return err
		}
		*q.Confirms(a) = value
	case q.Kind == Path && s != "":
		path, err := setup.Absolute(s)
		if err != nil {
			return err
		}
		*q.Answer(a) = path
	default:
		*q.Answer(a) = s
	}
	if q.Changed != nil {
		q.Changed(a, before)
	}
	return nil
}

// validate returns the checks that the row asks for, followed by inner if they refuse nothing.
func (q *Question) validate(inner Check) Check {
	return func(ctx context.Context, m *machine.Machine, a *Answers) []finding.Finding {
		switch {
		case q.Missing != "" && q.Get(a) == "":
			return refused(setup.CodeMissing, q.Missing, q.Give)
		case q.Choices != nil:
			if findings := q.oneOf(m, a); findings != nil {
				return findings
			}
		case q.Certificates:
			return a.readable(q.Get(a))
		}
		if inner == nil {
			return nil
		}
		return inner(ctx, m, a)
	}
}

// named returns check with the question and its flag in the findings that name none.
func (q *Question) named(check Check) Check {
	return func(ctx context.Context, m *machine.Machine, a *Answers) []finding.Finding {
		findings := check(ctx, m, a)
		for i := range findings {
			f := &findings[i]
			f.Question, f.Flag = cmp.Or(f.Question, q.ID), cmp.Or(f.Flag, q.FlagNames()[0])
		}
		return findings
	}
}

// oneOf refuses an answer that is not one of the choices, except the value that the installation
// already uses.
func (q *Question) oneOf(m *machine.Machine, a *Answers) []finding.Finding {
	value := q.Get(a)
	var values []string
	for _, c := range q.Choices(m, a) {
		values = append(values, c.Value)
		if c.Value == value && c.Disabled != "" {
			return refused(setup.CodeValue, fmt.Sprintf("%q cannot be chosen here: %s", value, c.Disabled), "choose another one")
		}
	}
	if slices.Contains(values, value) || a.Existing != nil && q.InUse != nil && q.InUse(a.Existing) == value {
		return nil
	}
	return refused(setup.CodeValue, fmt.Sprintf("%q is not one of %s", value, strings.Join(values, ", ")),
		"choose one of these")
}

var errNotBool = errors.New("is neither true nor false")

// ParseBool parses an answer to a yes-or-no question.
func ParseBool(s string) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true", "yes", "y", "on", "1":
		return true, nil
	case "false", "no", "n", "off", "0", "":
		return false, nil
	}
	return false, errNotBool
}
