package main

import (
	"os"
	"reflect"
	"testing"
	"time"

	"packhouse/setup/check"
)

// TestCloneIsWhole: a copy of app has every field of it but the handler of SIGHUP.
func TestCloneIsWhole(t *testing.T) {
	a := &app{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, env: []string{"A=1"}, now: time.Now, version: "1.0.0",
		patience: time.Second, hashCost: 4, surroundings: &check.Machine{},
		commands: map[string]bool{"serve": true}, dir: "/srv", started: true,
	}
	whole, copied := reflect.ValueOf(a).Elem(), reflect.ValueOf(a.clone()).Elem()
	for i := range whole.NumField() {
		name := whole.Type().Field(i).Name
		if name == "hangup" {
			continue
		}
		if whole.Field(i).IsZero() {
			t.Errorf("this test leaves %s empty", name)
		}
		if copied.Field(i).IsZero() {
			t.Errorf("the copy has no %s", name)
		}
	}
}
