package answer_test

import (
	"slices"
	"strings"
	"testing"

	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/question"
)

func TestPasswordVariable(t *testing.T) {
	for user, variable := range map[string]string{
		"ci-bot": "PACKHOUSE_PASSWORD_CI_BOT",
		"a.b@c":  "PACKHOUSE_PASSWORD_A_B_C", "Ünal": "PACKHOUSE_PASSWORD__NAL", "x9": "PACKHOUSE_PASSWORD_X9",
	} {
		if got := answer.PasswordVariable(user); got != variable {
			t.Errorf("%s: %s, want %s", user, got, variable)
		}
	}
}

func TestCommandLineIsQuoted(t *testing.T) {
	r := answer.Resolved{
		Answers: question.Answers{
			Dir:         "/srv/my dir",
			Hostname:    "a",
			Addr:        ":5000",
			TLS:         setup.Off,
			Insecure:    true,
			Realm:       "it's ours",
			RemoveUsers: []string{"$(reboot)"},
			LogLevel:    "info",
		},
	}
	want := `packhouse setup --yes --dir '/srv/my dir' --hostname a --addr :5000 --tls off --insecure --realm 'it'\''s ours' --remove-user '$(reboot)'`
	if got := r.CommandLine(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestAnswersFileIsReadStrictly(t *testing.T) {
	for _, tc := range []struct{ name, text, says string }{
		{"unknown key", "hostname: a\nhostnam: b\n", "f:2: unknown key, did you mean hostname?"},
		{"another file", "root:$6$hunter2:19000:0:99999:7:::\nuser: x\n", "f:1: unknown key"},
		{"key of another file", "hunter2: x\n", "f:1: unknown key"},
		{"anchor of another file", "user: *hunter2\n", "must be quoted"},
		{"plural", "users: [a]\n", "did you mean user?"},
		{"underscores", "storage_path: /data\n", "did you mean storage-path?"},
		{"twice", "addr: \":1\"\naddr: \":2\"\n", "f:2: addr is already on line 1"},
		{"list where one belongs", "addr: [a, b]\n", "takes one value"},
		{"map", "user: {a: reader}\n", "no plain value"},
		{"null", "hostname:\n", "no plain value"},
		{"bool that is none", "insecure: yess\n", "neither true nor false"},
		{"password", "password: hunter2\n", "an answers file contains no passwords"},
		{"not a map", "- hostname: a\n", "keys with values"},
		{"not YAML", "a: [\n", "f:"},
		{"two documents", "addr: a\n---\naddr: b\n", "more than one document"},
		{"tabs", "addr: a\n\tb: c\n", "f:2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := answer.ParseFile("f", []byte(tc.text))
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v, want %q", err, tc.says)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Error("a password in the error")
			}
		})
	}
	d, err := answer.ParseFile("f",
		[]byte("# words\nhostname: a.example\nuser: [x, 'y:writer']\nsan: one.example\ninsecure: true\ncert-days: 30\n"))
	if err != nil {
		t.Fatal(err)
	}
	if d.Lines["user"] != 3 || !slices.Equal(d.Values["user"], []string{"x", "y:writer"}) ||
		d.Values["cert-days"][0] != "30" || d.Values["insecure"][0] != "true" {
		t.Errorf("%+v", d)
	}
	if d, err := answer.ParseFile("f", nil); err != nil || len(d.Values) > 0 {
		t.Errorf("empty file: %v, %v", d, err)
	}
}

func FuzzParseAnswers(f *testing.F) {
	f.Add("hostname: a\nuser: [b]\n")
	f.Add("a: &a [*a]\n")
	f.Add("? {}\n: b\n")
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = answer.ParseFile("f", []byte(text)) // must not panic
	})
}
