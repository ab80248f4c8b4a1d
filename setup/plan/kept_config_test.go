package plan

import (
	"encoding/json"
	"testing"

	"packhouse/server/config"
)

// TestMendKeepsJSON offers no repair that makes a JSON configuration something else.
func TestMendKeepsJSON(t *testing.T) {
	data := []byte(
		"{\n  \"version\": 0.1,\n  \"log\": {\"lvel\": \"info\"},\n  \"nonsense\": true,\n  \"storage\": {\"inmemory\": {}}\n}\n",
	)
	if mended, _, ok := mend("myconfig.yml", data); ok && !json.Valid(mended) {
		t.Errorf("mended to %s", mended)
	}
	if len(problemsOf("myconfig.yml", data)) == 0 {
		t.Fatal("the server takes it", config.CodeUnknownKey)
	}
}
