package apply

import (
	"errors"
	"net"
	"testing"

	"packhouse/finding"
	"packhouse/setup/check"
	"packhouse/setup/machine"
)

func TestResolverFailed(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errors.New("other"), false},
		{&net.DNSError{Err: "no such host", IsNotFound: true}, false},
		{&net.DNSError{Err: "i/o timeout", IsTimeout: true}, true},
		{&net.DNSError{Err: "server misbehaving", IsTemporary: true}, true},
	} {
		if got := machine.ResolverFailed(tc.err); got != tc.want {
			t.Errorf("%v: %v, want %v", tc.err, got, tc.want)
		}
	}
	if f := machine.NoResolver("a.example", &net.DNSError{Err: "i/o timeout"}); f.Code != check.CodeNoAnswer ||
		f.Severity != finding.Warning {
		t.Errorf("%+v", f)
	}
}
