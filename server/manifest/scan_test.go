package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestRepeatedKeysAreFoundHoweverManyThereAre(t *testing.T) {
	for _, n := range []int{2, few - 1, few, few + 1, 1000} {
		var b strings.Builder
		b.WriteString(`{"x":[{},{"a":1}],"y":{`)
		for i := range n {
			fmt.Fprintf(&b, `"key%d":{"key1":[],"a":"b"},`, i)
		}
		once := b.String() + `"last":0},"z":1}`
		if err := checkSyntax([]byte(once)); err != nil {
			t.Errorf("%d keys: %v", n, err)
		}
		for _, again := range []int{0, n / 2, n - 1} {
			if err := checkSyntax(fmt.Appendf(nil, `%s"k\u0065y%d":0}}`, b.String(), again)); err == nil {
				t.Errorf("%d keys: key%d was taken twice", n, again)
			}
		}
	}
}

// FuzzMembers compares the walk over objects and arrays with encoding/json's.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { "a" : 1 , "b":[1,{"c":"}]\""}] , "\u0061b" : null } `, `{"a":{"b":[[],{}]},"c":-1.5e+3,"d":true}`, `[1,"a,]",[{}],{"x":[]}]`, `{"a":"\\"}`, `[ ]`, `{"":""}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if !json.Valid(content) {
			return
		}
		raw := content[blank(content, 0):]
		var list []json.RawMessage
		if all, ok := elements(raw); ok != (json.Unmarshal(content, &list) == nil && list != nil) || len(all) != len(list) {
			t.Fatalf("%q: %q, %t; want %q", content, all, ok, list)
		} else {
			for i := range all {
				if !bytes.Equal(all[i], list[i]) {
					t.Fatalf("%q: element %d is %q, not %q", content, i, all[i], list[i])
				}
			}
		}
		if raw[0] != '{' || checkSyntax(content) != nil {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(content, &want); err != nil {
			t.Fatal(err)
		}
		got := members(raw)
		if len(got) != len(want) {
			t.Fatalf("%q: %d members, not %d", content, len(got), len(want))
		}
		for _, m := range got {
			if !bytes.Equal(m.value, want[string(m.key)]) {
				t.Fatalf("%q: %q is %q, not %q", content, m.key, m.value, want[string(m.key)])
			}
		}
	})
}
