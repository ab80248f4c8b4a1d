package registry

import "testing"

// TestURLRule compares the rule with that of CNCF distribution: registry/handlers/app.go joins the
// expressions, registry/storage/schema2manifesthandler.go applies them.
func TestURLRule(t *testing.T) {
	for _, test := range []struct {
		allow, deny []string
		url         string
		ok          bool
	}{
		{[]string{"^https?://foo"}, []string{"^https?://foo/nope"}, "https://foo/bar", true},
		{[]string{"^https?://foo"}, []string{"^https?://foo/nope"}, "https://foo/nope", false},
		{[]string{"^https?://foo"}, []string{"^https?://foo/nope"}, "https://bar", false},
		{nil, []string{"evil"}, "https://foo/bar", true},
		{nil, []string{"evil", "bad"}, "https://bad.example.com/", false},
		{[]string{"a", "b"}, nil, "https://b.example/", true},
		{[]string{"a|b", "c"}, nil, "https://x.test/", false},
		{nil, []string{"x"}, "file:///etc/passwd", false},
		{nil, []string{"x"}, "https://foo/#part", false},
		{nil, []string{"x"}, "", false},
		{nil, []string{"x"}, "https://foo/\x7f", false},
	} {
		rule, err := URLRule(test.allow, test.deny)
		if err != nil {
			t.Fatal(err)
		}
		if err := rule(test.url); (err == nil) != test.ok {
			t.Errorf("allow %q, deny %q, URL %q: %v, want accepted %t", test.allow, test.deny, test.url, err, test.ok)
		}
	}
	if _, err := URLRule([]string{"("}, nil); err == nil {
		t.Error("an expression that does not compile is accepted")
	}
}
