package htpasswd

import (
	"strings"
	"testing"
)

func TestDamage(t *testing.T) {
	a, b := hashes(t)
	ann, bob := "ann:"+a+"\n", "bob:"+b+"\n"
	const foreign = "eve:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n"
	for _, test := range []struct {
		name, previous, next string
		damaged              bool
	}{
		{"same", ann + bob, ann + bob, false},
		{"one user more", ann, ann + bob, false},
		{"one user less", ann + bob, bob, false},
		{"emptied", ann + bob, "", false},
		{"only a comment left", ann + bob, "# no users\n", false},
		{"byte order mark", ann, bom + ann, false},
		{"user given twice", ann, ann + "ann:" + b + "\n", false},
		{"no line end", ann + bob, strings.TrimSuffix(ann+bob, "\n"), false},
		{"garbage", ann, "\x7fELF\x02\x01\x01 what is this\n", true},
		{"NUL bytes", ann, strings.Repeat("\x00", 4096), true},
		{"UTF-16", ann, "\xff\xfea\x00n\x00n\x00", true},
		{"foreign hashes only", ann, foreign, true},
		{"one foreign hash more", ann, ann + foreign, true},
		{"foreign hash known before", ann + foreign, ann + bob + foreign, false},
		{"another foreign hash", ann + foreign, ann + strings.Replace(foreign, "W6", "X6", 1), true},
		{"cut in a hash", ann + bob, (ann + bob)[:len(ann)+20], true},
		{"cut in a name", ann + bob, (ann + bob)[:len(ann)+2], true},
		{"cut behind a colon", ann + bob, (ann + bob)[:len(ann)+4], true},
	} {
		t.Run(test.name, func(t *testing.T) {
			previous, _ := Parse([]byte(test.previous))
			next, problems := Parse([]byte(test.next))
			err := next.Damage(previous, problems)
			if (err != nil) != test.damaged {
				t.Errorf("Damage = %v, want damaged %t", err, test.damaged)
			}
			if err != nil && (strings.Contains(err.Error(), a) || strings.Contains(err.Error(), "W6ph")) {
				t.Errorf("the error shows a hash: %v", err)
			}
			if err := next.Damage(nil, problems); err != nil {
				t.Errorf("at start: %v", err)
			}
		})
	}
}

func TestRemovesAndEmpty(t *testing.T) {
	a, b := hashes(t)
	both, _ := Parse([]byte("ann:" + a + "\nbob:" + b + "\n"))
	one, _ := Parse([]byte("# users\nann:" + b + "\n"))
	none, _ := Parse([]byte("\n# nobody\n"))
	bad, _ := Parse([]byte("garbage\n"))
	if !one.Removes(both) || both.Removes(one) || !none.Removes(one) || one.Removes(nil) {
		t.Error("Removes is wrong")
	}
	if one.Empty() || !none.Empty() || bad.Empty() {
		t.Error("Empty is wrong")
	}
}
