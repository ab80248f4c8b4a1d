package firewall

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// machine answers for the programs that are there: by name what they say, or an error.
type machine map[string]any

func (m machine) run(_ context.Context, name string, _ ...string) ([]byte, error) {
	switch answer := m[name].(type) {
	case string:
		return []byte(answer), nil
	case error:
		return nil, answer
	}
	return nil, &exec.Error{Name: name, Err: exec.ErrNotFound}
}

// fixture reads what a real program once wrote.
func fixture(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var errRoot = errors.New("you need to be root")

func TestLook(t *testing.T) {
	ufw := machine{"ufw": fixture(t, "ufw-active.txt"), "nft": fixture(t, "nft-iptables.json"), "iptables": fixture(t, "iptables.txt")}
	zones := machine{"firewall-cmd": fixture(t, "firewalld.txt")}
	native := machine{"nft": fixture(t, "nft-filter.json")}
	translated := machine{"nft": fixture(t, "nft-iptables.json"), "iptables": fixture(t, "iptables.txt"), "ufw": "Status: inactive\n"}
	old := machine{"iptables": fixture(t, "iptables.txt")}
	const empty = `{"nftables": [{"metainfo": {"version": "1.0.6"}}]}`
	rows := []struct {
		name    string
		machine machine
		port    int
		state   State
		program string
		opens   string
	}{
		{"nothing is installed", machine{}, 443, Off, "", ""},
		{"nothing is active", machine{"ufw": "Status: inactive\n", "firewall-cmd": errors.New("exit status 252: FirewallD is not running"), "nft": empty}, 443, Off, "nft", ""},
		{"only root may ask", machine{"nft": errRoot}, 443, Unreadable, "nft", ""},
		{"only root may ask ufw", machine{"ufw": errRoot, "nft": errRoot}, 443, Unreadable, "ufw", ""},
		{"the kernel tells though ufw does not", machine{"ufw": errRoot, "nft": fixture(t, "nft-filter.json")}, 80, Open, "nft", ""},
		{"ruleset is no JSON", machine{"nft": "table inet filter"}, 443, Unreadable, "nft", ""},

		{"ufw lets through", ufw, 22, Open, "ufw", ""},
		{"ufw lets a list through", ufw, 8443, Open, "ufw", ""},
		{"ufw slows down", ufw, 5005, Open, "ufw", ""},
		{"ufw lets some through", ufw, 443, Limited, "ufw", "ufw allow 443/tcp"},
		{"ufw lets one interface through", ufw, 9443, Limited, "ufw", "ufw allow 9443/tcp"},
		{"ufw refuses", ufw, 7443, Closed, "ufw", "ufw allow 7443/tcp"},
		{"ufw does not name it", ufw, 5011, Closed, "ufw", "ufw allow 5011/tcp"},
		{"ufw lets everything through", machine{"ufw": "Status: active\nDefault: allow (incoming), allow (outgoing)\n"}, 443, Open, "ufw", ""},
		{"ufw does not say what it does", machine{"ufw": "Status: active\n"}, 443, Unsure, "ufw", "ufw allow 443/tcp"},
		{"a profile of ufw", machine{"ufw": "Status: active\nDefault: deny (incoming)\n\n443/tcp (Packhouse)   ALLOW IN    Anywhere   # the registry\n"}, 443, Open, "ufw", ""},

		{"firewalld has the service", zones, 443, Open, "firewalld", ""},
		{"firewalld has the port", zones, 8080, Open, "firewalld", ""},
		{"firewalld has the range", zones, 5000, Open, "firewalld", ""},
		{"firewalld has UDP only", zones, 7443, Closed, "firewalld", "firewall-cmd --permanent --zone=public --add-port=7443/tcp && firewall-cmd --reload"},
		{"firewalld has a rich rule", machine{"firewall-cmd": strings.Replace(fixture(t, "firewalld.txt"), "rich rules: \n\ntrusted", "rich rules: \n\trule family=\"ipv4\" source address=\"10.0.0.0/8\" port port=\"6443\" protocol=\"tcp\" accept\n\ntrusted", 1)}, 6443, Unsure, "firewalld", "firewall-cmd --permanent --zone=public --add-port=6443/tcp && firewall-cmd --reload"},
		{"firewalld trusts the zone", machine{"firewall-cmd": strings.Replace(fixture(t, "firewalld.txt"), "target: default", "target: ACCEPT", 1)}, 7443, Open, "firewalld", ""},

		{"nft has a set by name", native, 8050, Open, "nft", ""},
		{"nft has a set in place", native, 5010, Open, "nft", ""},
		{"nft lets some through", native, 443, Limited, "nft", "nft insert rule inet filter input tcp dport 443 accept"},
		{"nft jumps", native, 9443, Open, "nft", ""},
		{"nft maps to accept", native, 6443, Open, "nft", ""},
		{"nft maps to drop", native, 7443, Closed, "nft", "nft insert rule inet filter input tcp dport 7443 accept"},
		{"nft rejects in the end", native, 8101, Closed, "nft", "nft insert rule inet filter input tcp dport 8101 accept"},

		{"iptables behind nft", translated, 80, Open, "iptables", ""},
		{"iptables behind nft, to the end", translated, 8443, Closed, "iptables", "iptables -I INPUT -p tcp --dport 8443 -j ACCEPT"},
		{"iptables behind nft is not to be read", machine{"nft": fixture(t, "nft-iptables.json"), "iptables": errRoot}, 8443, Unsure, "nft", "nft insert rule ip filter INPUT tcp dport 8443 accept"},
		{"iptables behind nft is not there", machine{"nft": fixture(t, "nft-iptables.json")}, 443, Unsure, "nft", "nft insert rule ip filter INPUT tcp dport 443 accept"},
		{"iptables of old", old, 5001, Open, "iptables", ""},
		{"iptables of old lets some through", old, 6443, Limited, "iptables", "iptables -I INPUT -p tcp --dport 6443 -j ACCEPT"},
		{"iptables with nothing in it", machine{"iptables": "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n"}, 443, Off, "iptables", ""},
		{"iptables by its policy", machine{"iptables": "-P INPUT DROP\n"}, 443, Closed, "iptables", "iptables -I INPUT -p tcp --dport 443 -j ACCEPT"},
		{"iptables refuses for some", machine{"iptables": "-P INPUT ACCEPT\n-A INPUT -m set --match-set banned src -j DROP\n"}, 443, Open, "iptables", ""},
		{"iptables by something nobody can decide", machine{"iptables": "-P INPUT DROP\n-A INPUT -m time --timestart 08:00 -j ACCEPT\n"}, 443, Unsure, "iptables", "iptables -I INPUT -p tcp --dport 443 -j ACCEPT"},
		{"iptables drops what does not begin a connection", machine{"iptables": "-P INPUT ACCEPT\n-A INPUT -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m state --state NEW -j DROP\n-A INPUT -m comment --comment \"to the web\" -p udp -j DROP\n"}, 443, Open, "iptables", ""},
		{"iptables comes back from a chain", machine{"iptables": "-P INPUT DROP\n-N A\n-A INPUT -j A\n-A A -p udp -j DROP\n-A A -s 10.0.0.0/8 -j RETURN\n-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT\n"}, 443, Open, "iptables", ""},
		{"iptables does not come back from a chain", machine{"iptables": "-P INPUT ACCEPT\n-N A\n-A INPUT -g A\n-A A -p udp -j DROP\n-A INPUT -p tcp -m tcp --dport 443 -j DROP\n"}, 443, Open, "iptables", ""},
		{"iptables goes in circles", machine{"iptables": "-P INPUT DROP\n-N A\n-A INPUT -j A\n-A A -j INPUT\n"}, 443, Unsure, "iptables", "iptables -I INPUT -p tcp --dport 443 -j ACCEPT"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			v := Look(t.Context(), Host{Run: row.machine.run}, Port{Number: row.port, IPv4: true})
			if v.State != row.state || v.Program != row.program || v.Opens != row.opens {
				t.Errorf("%+v\nwant %s by %q, %q", v, row.state, row.program, row.opens)
			}
			if v.State == Unreadable && v.Why == "" {
				t.Errorf("no reason: %+v", v)
			}
		})
	}
}

// TestLookAtFamilies: a rule for IPv4 says nothing about IPv6.
func TestLookAtFamilies(t *testing.T) {
	const rules = `{"nftables": [
		{"chain": {"family": "inet", "table": "t", "name": "in", "type": "filter", "hook": "input", "policy": "drop"}},
		{"rule": {"family": "inet", "table": "t", "chain": "in", "expr": [
			{"match": {"op": "==", "left": {"meta": {"key": "nfproto"}}, "right": "ipv4"}},
			{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 443}}, {"accept": null}]}}]}`
	for _, row := range []struct {
		port Port
		want State
	}{
		{Port{Number: 443, IPv4: true}, Open},
		{Port{Number: 443, IPv6: true}, Closed},
		{Port{Number: 443}, Closed},
	} {
		if v := Look(t.Context(), Host{Run: machine{"nft": rules}.run}, row.port); v.State != row.want {
			t.Errorf("%+v: %+v, want %s", row.port, v, row.want)
		}
	}
	const six = "Status: active\nDefault: deny (incoming)\n\n443/tcp (v6)   ALLOW IN   Anywhere (v6)\n"
	for port, want := range map[Port]State{{Number: 443, IPv6: true}: Open, {Number: 443, IPv4: true}: Closed} {
		if v := Look(t.Context(), Host{Run: machine{"ufw": six}.run}, port); v.State != want {
			t.Errorf("ufw %+v: %+v, want %s", port, v, want)
		}
	}
}

// TestLookReadsTheSwitch: ufw is not started where its file says that it is off, and anybody may know that.
func TestLookReadsTheSwitch(t *testing.T) {
	for text, want := range map[string]State{"# /etc/ufw/ufw.conf\nENABLED=no\nLOGLEVEL=low\n": Off, "ENABLED=yes\n": Unreadable, "": Unreadable} {
		read := func(string) ([]byte, error) {
			if text == "" {
				return nil, os.ErrNotExist
			}
			return []byte(text), nil
		}
		if v := Look(t.Context(), Host{Run: machine{"ufw": errRoot}.run, ReadFile: read}, Port{Number: 443}); v.State != want {
			t.Errorf("%q: %+v, want %s", text, v, want)
		}
	}
}

// TestOpensInTheKernel: the line that a verdict gives does open the port.
func TestOpensInTheKernel(t *testing.T) {
	if os.Getuid() != 0 || testing.Short() {
		t.Skip("needs a network namespace of its own")
	}
	for _, name := range []string{"nft", "unshare", "nsenter", "sh"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip(name + " is not here")
		}
	}
	// A process that holds the namespace until the test ends. It says when it is in: before, its namespace would be that of the machine.
	holder := exec.CommandContext(t.Context(), "unshare", "-n", "sh", "-c", "echo in; read -r _")
	end, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = end.Close(); _ = holder.Wait() })
	if _, err := said.Read(make([]byte, 3)); err != nil {
		t.Skipf("no namespace can be made here: %v", err)
	}
	inside := func(ctx context.Context, name string, args ...string) ([]byte, error) {
		if name != "nft" {
			return nil, exec.ErrNotFound
		}
		return exec.CommandContext(ctx, "nsenter", append([]string{"--net=/proc/" + strconv.Itoa(holder.Process.Pid) + "/ns/net", name}, args...)...).Output()
	}
	if _, err := inside(t.Context(), "nft", "add table inet filter; add chain inet filter input { type filter hook input priority 0; policy drop; }; add rule inet filter input tcp dport 22 accept"); err != nil {
		t.Skipf("no rules can be made here: %v", err)
	}
	port := Port{Number: 5000}
	v := Look(t.Context(), Host{Run: inside}, port)
	if v.State != Closed {
		t.Fatalf("%+v, want closed", v)
	}
	line := strings.Fields(v.Opens)
	if _, err := inside(t.Context(), line[0], line[1:]...); err != nil {
		t.Fatalf("%s: %v", v.Opens, err)
	}
	if v := Look(t.Context(), Host{Run: inside}, port); v.State != Open {
		t.Errorf("after it: %+v, want open", v)
	}
}

// sound fails where a verdict gives no line for a port that is shut, or one for a port that is open.
func sound(t *testing.T, v Verdict) {
	t.Helper()
	shut := v.State == Closed || v.State == Limited || v.State == Unsure
	if shut != (v.Opens != "") {
		t.Errorf("%+v", v)
	}
}

func FuzzUFW(f *testing.F) {
	f.Add(fixture(f, "ufw-active.txt"), uint16(443))
	f.Add("Status: active\n443 on\n(v6) ALLOW x\n( ALLOW IN Anywhere\n1.2.3.4 ALLOW IN Anywhere", uint16(0))
	f.Fuzz(func(t *testing.T, text string, port uint16) {
		sound(t, judgeUFW([]byte(text), Port{Number: int(port), IPv4: true}))
		sound(t, judgeUFW([]byte(text), Port{Number: int(port), IPv6: true}))
	})
}

func FuzzFirewalld(f *testing.F) {
	f.Add(fixture(f, "firewalld.txt"), uint16(443))
	f.Add("a (active)\n interfaces: x\n rule family\n\tports: -/tcp 1-/tcp", uint16(0))
	f.Fuzz(func(t *testing.T, text string, port uint16) {
		sound(t, judgeFirewalld([]byte(text), Port{Number: int(port), IPv4: true}))
	})
}

func FuzzIPTables(f *testing.F) {
	f.Add(fixture(f, "iptables.txt"), uint16(443))
	f.Add("-A INPUT ! -m comment --comment \"\n-A INPUT -g INPUT\n-A INPUT -m limit --limit 3/min\n-A INPUT --tcp-flags", uint16(1))
	f.Fuzz(func(t *testing.T, text string, port uint16) {
		sound(t, follow([]table{parseIPTables([]byte(text), "iptables", "ip")}, Port{Number: int(port), IPv4: true, IPv6: true}, false))
	})
}

func FuzzNFT(f *testing.F) {
	f.Add(fixture(f, "nft-filter.json"), uint16(443))
	f.Add(fixture(f, "nft-iptables.json"), uint16(443))
	f.Add(`{"nftables":[{"rule":{"expr":[{"vmap":{"data":{"set":[[1]]}}}]}},{"chain":{"hook":"input","type":"filter","family":"ip"}}]}`, uint16(0))
	f.Add(`{"nftables":[{"set":{"family":"ip","table":"t","name":"s","elem":[{"elem":{"val":"@s"}}]}},{"chain":{"family":"ip","table":"t","name":"i","hook":"input","type":"filter","policy":"drop"}},{"rule":{"family":"ip","table":"t","chain":"i","expr":[{"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":"@s"}},{"accept":null}]}}]}`, uint16(1))
	f.Fuzz(func(t *testing.T, text string, port uint16) {
		tables, err := parseNFT([]byte(text))
		if err != nil {
			return
		}
		sound(t, follow(tables, Port{Number: int(port), IPv4: true, IPv6: true}, false))
	})
}

// TestFamilies verifies that each family is judged by its own rules, and only if clients use it.
func TestFamilies(t *testing.T) {
	const open, closed = "-P INPUT ACCEPT\n-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT\n", "-P INPUT DROP\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n"
	const nft = `{"nftables": [{"table": {"family": "ip6", "name": "filter"}},
		{"chain": {"family": "ip6", "table": "filter", "name": "input", "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}}]}`
	both := machine{"iptables": open, "ip6tables": closed}
	for _, tc := range []struct {
		name      string
		machine   machine
		four, six bool
		state     State
		program   string
		opens     string
	}{
		{"IPv4 clients", both, true, false, Open, "iptables", ""},
		{"IPv6 clients", both, false, true, Closed, "ip6tables", "ip6tables -I INPUT -p tcp --dport 443 -j ACCEPT"},
		{"both", both, true, true, Closed, "ip6tables", "ip6tables -I INPUT -p tcp --dport 443 -j ACCEPT"},
		{"IPv4 closed, IPv6 clients", machine{"iptables": closed, "ip6tables": open}, false, true, Open, "ip6tables", ""},
		{"rules that only root may see", machine{"iptables": open, "ip6tables": errRoot}, false, true, Unreadable, "ip6tables", ""},
		{"IPv6 of nft", machine{"nft": nft}, false, true, Closed, "nft", "nft insert rule ip6 filter input tcp dport 443 accept"},
		{"IPv6 of nft, IPv4 clients", machine{"nft": nft}, true, false, Off, "nft", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := Look(t.Context(), Host{Run: tc.machine.run}, Port{Number: 443, IPv4: tc.four, IPv6: tc.six})
			if v.State != tc.state || v.Program != tc.program || tc.opens != "" && v.Opens != tc.opens {
				t.Errorf("%+v, want %s by %s, %q", v, tc.state, tc.program, tc.opens)
			}
		})
	}
}
