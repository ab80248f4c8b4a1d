package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/spelling"
	"packhouse/tui/layout"
	"packhouse/tui/session"
	"packhouse/tui/theme"
)

// stateLines draws the state of the installation.
func (u *ui) stateLines(width int) []string {
	t := u.theme
	var lines []string
	const labelWidth = 13
	describeState(u.session, u.options.Pasteable, func(label, sign, text string) {
		if width < 4*labelWidth { // a column of labels would leave none for words
			lines = append(lines, u.narrowState(label, sign, text, width)...)
			return
		}
		style := u.signStyle(sign)
		for i, line := range layout.Wrap(clean(text), max(width-labelWidth-2, 8)) {
			mark := " "
			if i == 0 {
				mark = sign
			} else {
				label = ""
			}
			lines = append(lines, layout.Cut(t.Muted.Render(layout.Pad(label, labelWidth))+style.Render(mark)+" "+line, width))
		}
	})
	return lines
}

// narrowState draws one line of the state where there is no room for a column of labels.
func (u *ui) narrowState(label, sign, text string, width int) []string {
	lead := sign + " "
	if label == "" {
		lead = "  " + lead
	} else {
		text = label + ": " + text
	}
	lines := layout.Hang(lead, clean(text), width)
	rest := lines[0][len(lead):]
	if after, ok := strings.CutPrefix(rest, label+":"); ok && label != "" {
		rest = u.theme.Muted.Render(label+":") + after
	}
	lines[0] = u.signStyle(sign).Render(lead) + rest
	return lines
}

// signStyle returns the style of a sign.
func (u *ui) signStyle(sign string) lipgloss.Style {
	switch sign {
	case theme.Done:
		return u.theme.Good
	case theme.Caution:
		return u.theme.Warning
	case theme.Failed:
		return u.theme.Bad
	case theme.Note:
		return u.theme.Muted
	}
	return u.theme.Plain
}

// describeState passes the state of the installation to say, line by line: a label, a sign of the
// theme, and text. An empty label continues the previous one.
func describeState(ses *session.Session, pasteable func(string) string, say func(label, sign, text string)) {
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
	describeServer(ses, pasteable, say)
	describeCertificate(s, say)
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
	describeMachine(ses.Outlook, say)
	if len(s.Drift) == 0 {
		say("files", theme.Done, "as setup wrote them, in "+s.Dir)
	}
	for _, drift := range s.Drift {
		say("files", theme.Caution, drift.Path+": "+drift.What+" since setup wrote it")
	}
}

// describeMachine passes the notes about the machine to say.
func describeMachine(notes []finding.Finding, say func(label, sign, text string)) {
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

// describeServer passes the state of the server to say.
func describeServer(ses *session.Session, pasteable func(string) string, say func(label, sign, text string)) {
	s := ses.State
	server := s.Server
	switch {
	case server.Problem != "":
		say("server", theme.Unknown, server.Problem)
		return
	case !server.Up:
		say("server", theme.Caution, "not running; "+pasteable(s.Start)+" starts it")
		return
	}
	where := fmt.Sprintf("up at %s since %s, pid %d", server.Address, server.Since.Local().Format(time.DateTime),
		server.PID)
	if server.Here {
		where = fmt.Sprintf("up at %s, in this program: it ends when you leave", server.Address)
	}
	say("server", theme.Done, where)
	switch c := s.Certificate; {
	case server.Fingerprint == "":
		say("serves", " ", "plain HTTP")
	case c == nil:
		say("serves", " ", shortFingerprints(server.Fingerprint))
	case c != nil && c.Fingerprint != server.Fingerprint:
		say(
			"serves",
			theme.Failed,
			"another certificate than the one on disk ("+shortFingerprints(server.Fingerprint)+"): "+
				pasteable("packhouse reload")+", or Check",
		)
	default:
		say("serves", theme.Done, shortFingerprints(server.Fingerprint)+", the certificate on disk")
	}
	if ses.Installed.Refused() {
		say("", theme.Caution, "it keeps its last good configuration, and would refuse this one")
	}
	for _, fault := range server.Faults {
		say("", theme.Failed, fault)
	}
	if len(server.Restart) > 0 {
		say("", theme.Caution, "a restart is due for "+strings.Join(server.Restart, ", "))
	}
}

// describeCertificate passes the state of the certificate to say.
func describeCertificate(s *installation.State, say func(label, sign, text string)) {
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
