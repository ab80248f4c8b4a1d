package pattern_test

import (
	"testing"

	"packhouse/pattern"
)

func TestLazy(t *testing.T) {
	digits := pattern.Lazy(`^[0-9]+$`)
	if !digits().MatchString("42") || digits().MatchString("42a") {
		t.Error("does not match digits")
	}
	if first, second := digits(), digits(); first != second {
		t.Error("compiles the expression in every call")
	}
}
