package describe

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/spelling"
	"packhouse/tui/session"
	"packhouse/tui/theme"
)

// State passes the state of the installation to say, line by line: a label, a sign of the
// theme, and text. An empty label continues the previous one.
func State(ses *session.Session, pasteable func(string) string, say func(label, sign, text string)) {
	s := ses.State
	for _, f := range s.Findings {
		sign := theme.Caution
		if f.Severity == finding.Refused {
			sign = theme.Failed
		}
		say("attention", sign, pasteable(f.Sentence()))
	}
	if s.URL != "" {
		say("clients use", " ", s.URL)
	}
	server(ses, pasteable, say)
	certificate(s, say)
	var users []string
	for _, user := range s.Users {
		users = append(users, fmt.Sprintf("%s (%s)", user.Name, user.Role))
	}
	if len(users) == 0 {
		say("users", theme.Caution, "there is no user")
	} else {
		say("users", theme.Done, strings.Join(users, ", "))
	}
	switch where, space := s.Storage.Path, s.Storage.Space(); {
	case s.Storage.Driver == "":
	case where == "":
		say("storage", theme.Done, s.Storage.Driver)
	case s.Storage.Short():
		say("storage", theme.Failed, where+", only "+space)
	case space == "":
		say("storage", theme.Unknown, where+", free space not to be seen")
	default:
		say("storage", theme.Done, where+", "+space)
	}
	machineNotes(ses.Outlook, say)
	if len(s.Drift) == 0 {
		say("files", theme.Done, "as setup wrote them, in "+s.Dir)
	}
	for _, drift := range s.Drift {
		say("files", theme.Caution, drift.Path+": "+drift.What+" since setup wrote it")
	}
}

// machineNotes passes the notes about the machine to say.
func machineNotes(notes []finding.Finding, say func(label, sign, text string)) {
	for _, note := range notes {
		if note.Code == setup.CodeRoot { // it is about the storage, which was the previous line
			say("", theme.Note, note.Sentence())
		}
	}
	for _, note := range notes {
		if note.Code != setup.CodeRoot {
			say("machine", theme.Note, note.Sentence())
		}
	}
}

// server passes the state of the server to say.
func server(ses *session.Session, pasteable func(string) string, say func(label, sign, text string)) {
	s := ses.State
	srv := s.Server
	switch {
	case srv.Problem != "":
		say("server", theme.Unknown, srv.Problem)
		return
	case !srv.Up:
		say("server", theme.Caution, "not running; "+pasteable(s.Start)+" starts it")
		return
	}
	where := fmt.Sprintf("up at %s since %s, pid %d", srv.Address, srv.Since.Local().Format(time.DateTime),
		srv.PID)
	if srv.Here {
		where = fmt.Sprintf("up at %s, in this program: it ends when you leave", srv.Address)
	}
	say("server", theme.Done, where)
	switch c := s.Certificate; {
	case srv.Fingerprint == "":
		say("serves", " ", "plain HTTP")
	case c == nil:
		say("serves", " ", Fingerprints(srv.Fingerprint))
	case c != nil && c.Fingerprint != srv.Fingerprint:
		say(
			"serves",
			theme.Failed,
			"another certificate than the one on disk ("+Fingerprints(srv.Fingerprint)+"): "+
				pasteable("packhouse reload")+", or Check",
		)
	default:
		say("serves", theme.Done, Fingerprints(srv.Fingerprint)+", the certificate on disk")
	}
	if ses.Installed.Refused() {
		say("", theme.Caution, "it keeps its last good configuration, and would refuse this one")
	}
	for _, fault := range srv.Faults {
		say("", theme.Failed, fault)
	}
	if len(srv.Restart) > 0 {
		say("", theme.Caution, "a restart is due for "+strings.Join(srv.Restart, ", "))
	}
}

// certificate passes the state of the certificate to say.
func certificate(s *installation.State, say func(label, sign, text string)) {
	c := s.Certificate
	if c == nil {
		return
	}
	life := fmt.Sprintf("%s left, until %s", spelling.Count(c.DaysLeft, "day"), c.Ends.UTC().Format(time.DateOnly))
	switch {
	case c.DaysLeft < 0:
		say("certificate", theme.Failed, "expired on "+c.Ends.UTC().Format(time.DateOnly)+": renew it")
	case c.CloseEnd && s.TLS == setup.LetsEncrypt:
		say("certificate", theme.Caution, life+": the server has not renewed it yet")
	case c.CloseEnd:
		say("certificate", theme.Caution, life+": time to renew it")
	default:
		say("certificate", theme.Done, life)
	}
	if c.Problem != "" {
		say("", theme.Failed, c.Problem)
	}
	say("names", " ", strings.Join(c.Names, ", "))
	for _, a := range c.Missing {
		say("", theme.Caution,
			fmt.Sprintf("%s (%s) is an address of this machine and not in it: Settings, Names", a.Addr, a.Interface))
	}
	if len(c.Foreign) > 0 {
		say("", " ", "not of this machine now: "+strings.Join(slices.Compact(c.Foreign), ", "))
	}
}
