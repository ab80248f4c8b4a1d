package main

import (
	"os"
	"reflect"
	"testing"
	"time"

	"packhouse/cmd/packhouse/cli"
	"packhouse/setup/check"
)

// TestCloneIsWhole: a copy of app has every field of it but the handler of SIGHUP.
func TestCloneIsWhole(t *testing.T) {
	a := &cli.App{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Env: []string{"A=1"}, Now: time.Now, Version: "1.0.0",
		Patience: time.Second, HashCost: 4, Surroundings: &check.Machine{},
		Commands: map[string]bool{"serve": true}, Dir: "/srv", Started: true,
	}
	whole, copied := reflect.ValueOf(a).Elem(), reflect.ValueOf(a.Clone()).Elem()
	for i := range whole.NumField() {
		name := whole.Type().Field(i).Name
		if name == "Hangup" {
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
