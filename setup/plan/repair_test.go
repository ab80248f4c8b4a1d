package plan

import (
	"bytes"
	"testing"
)

// FuzzMend: whatever stands in the file, what is offered is a file that the server takes, with every line still there.
func FuzzMend(f *testing.F) {
	f.Add("version: 0.1\nlog:\n\tlevel: loud\nhttp:\n  adr: :5000\n")
	f.Add("a: [\n- b\n  #\n c: {d\n")
	f.Add("http:\n- a\n- b\nhttp: x\n")
	f.Fuzz(func(t *testing.T, text string) {
		data := []byte(text)
		Faults("myconfig.yml", data)
		readable("myconfig.yml", data)
		mended, steps, ok := mend("myconfig.yml", data)
		if !ok {
			return
		}
		if len(steps) == 0 || problemsOf("myconfig.yml", mended) != nil {
			t.Errorf("mended to what is refused, in %d steps:\n%s", len(steps), mended)
		}
		if bytes.Count(mended, []byte("\n")) != bytes.Count(data, []byte("\n")) {
			t.Errorf("lines were added or taken away:\n%q\n%q", data, mended)
		}
	})
}
