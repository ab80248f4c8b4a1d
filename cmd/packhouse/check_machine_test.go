package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"time"

	"packhouse/cmd/packhouse/cli"
	"packhouse/server/auth/htpasswd"
	"packhouse/setup/check"
	"packhouse/tui/noquery"
)

// machineVariable names a file that says on what machine a script runs; "real" is the one underneath. Without it it runs on one where everything
// is as it should be, whoever runs the tests and wherever.
const machineVariable = "TEST_MACHINE"

// fakeMachine is what such a file says.
type fakeMachine struct {
	Names     map[string][]string // what resolves, to which addresses; "*" is everything else
	Addresses []string            // of the machine, beside loopback
	Says      map[string]string   // what programs answer
	Adrift    bool                // nothing keeps the clock
	CPUs      float64
	Memory    uint64
	RootDisk  bool
	Patience  string // how long commands wait for the lock, as time.ParseDuration reads it
	Moved     bool   // it has lost the addresses that setup saw
	Ahead     string // how far the clock is ahead, as time.ParseDuration reads it
}

// mainOnMachine is main, on the machine of a script.
func mainOnMachine() {
	noquery.Restore()
	a := appOnMachine()
	execRaced(a)
	os.Exit(run(context.Background(), a, os.Args[1:]))
}

// appOnMachine returns the program on the machine of a script.
func appOnMachine() *cli.App {
	a := &cli.App{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Env: os.Environ(), Now: time.Now, Version: version,
		HashCost: htpasswd.MinCost,
	}
	if path := os.Getenv(machineVariable); path != "real" {
		f := fakeMachine{Names: map[string][]string{"*": {"192.0.2.17"}}, Addresses: []string{"192.0.2.17"}, CPUs: 2, Memory: 4 << 30}
		if path != "" {
			data, err := os.ReadFile(path)
			if err == nil {
				err = json.Unmarshal(data, &f)
			}
			if err != nil {
				panic(err)
			}
		}
		a.Surroundings = f.machine()
		a.Patience, _ = time.ParseDuration(f.Patience) // 0: as usual
		if ahead, err := time.ParseDuration(f.Ahead); err == nil {
			a.Now = func() time.Time { return time.Now().Add(ahead) }
		}
	}
	return a
}

func (f *fakeMachine) machine() *check.Machine {
	parse := func(texts []string) []netip.Addr {
		var out []netip.Addr
		for _, text := range texts {
			out = append(out, netip.MustParseAddr(text))
		}
		return out
	}
	return &check.Machine{
		LookupHost: func(_ context.Context, name string) ([]netip.Addr, error) {
			for _, known := range []string{name, "*"} {
				if texts := f.Names[known]; len(texts) > 0 {
					return parse(texts), nil
				}
			}
			return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
		},
		Addresses: func() ([]netip.Addr, error) {
			own, err := check.ThisMachine().Addresses() // setup issues certificates for those
			if f.Moved {
				own = nil
			}
			return append(own, parse(f.Addresses)...), err
		},
		Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, fmt.Errorf("no network")
		},
		Run: func(_ context.Context, program string, _ ...string) ([]byte, error) {
			if said, ok := f.Says[program]; ok {
				return []byte(said), nil
			}
			return nil, &exec.Error{Name: program, Err: exec.ErrNotFound}
		},
		ClockKept:  func() (bool, error) { return !f.Adrift, nil },
		OnRootDisk: func(string) bool { return f.RootDisk },
		CPUs:       f.CPUs, Memory: f.Memory,
	}
}
