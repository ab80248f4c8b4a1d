package firewall

import "fmt"

// table is a set of chains that jump to each other.
type table struct {
	program string // "nft", "iptables" or "ip6tables"
	family  string // "ip", "ip6" or "inet"
	name    string
	chains  map[string]*chain
	bases   []string // chains that packets for this machine come to, in order
	opaque  bool     // some of its rules are written in a form that only iptables reads
}

// chain is a list of rules.
type chain struct {
	policy verdict
	rules  []rule
}

// rule does something with the packets that meet all its conditions.
type rule struct {
	conditions []condition
	does       verdict
	target     string // of jump and follow
}

// packet is the first one of a connection.
type packet struct {
	family string // "ip" or "ip6"
	port   int
}

// condition tells whether a packet meets it. guest is a sender that no rule names; otherwise it is one that the rule is meant for.
type condition func(p packet, guest bool) answer

// answer is what can be said about a condition.
type answer int

const (
	no answer = iota
	perhaps
	yes
)

func (a answer) inverted() answer { return yes - a }

func when(b bool) answer {
	if b {
		return yes
	}
	return no
}

// verdict is what a rule does.
type verdict int

const (
	goOn verdict = iota
	accept
	drop
	jump
	turn  // "goto": what follows here is not looked at any more
	leave // "return"
	unknown
)

// outcomes is a set of what can become of a packet.
type outcomes uint8

const (
	accepted outcomes = 1 << iota
	dropped
	through  // nothing in the chain decided
	anything = accepted | dropped | through
)

// follow sends the packet through a base chain, as a guest and as somebody the rules are meant for.
func (t *table) follow(base string, p packet) State {
	guest := t.end(base, p, true)
	switch guest {
	case accepted:
		return Open
	case dropped:
		if t.end(base, p, false)&accepted != 0 {
			return Limited
		}
		return Closed
	}
	return Unsure
}

// end is what becomes of a packet at the end of a base chain.
func (t *table) end(base string, p packet, guest bool) outcomes {
	w := walk{t, p, guest, map[string]outcomes{}}
	o := w.chain(base)
	if o&through != 0 {
		o &^= through
		switch t.chains[base].policy {
		case drop:
			o |= dropped
		case goOn, accept, jump, turn, leave, unknown:
			o |= accepted
		}
	}
	return o
}

// walk is one packet's way through a table.
type walk struct {
	table *table
	p     packet
	guest bool
	known map[string]outcomes // of chains; one that is being walked counts as anything, which also ends loops
}

func (w *walk) chain(name string) outcomes {
	if o, ok := w.known[name]; ok {
		return o
	}
	c := w.table.chains[name]
	if c == nil {
		return anything
	}
	w.known[name] = anything
	o := w.rules(c)
	w.known[name] = o
	return o
}

func (w *walk) rules(c *chain) outcomes {
	var o outcomes
	for _, r := range c.rules {
		meets := w.meets(r)
		if meets == no {
			continue
		}
		ends := meets == yes
		switch r.does {
		case goOn:
			ends = false
		case accept:
			o |= accepted
		case drop:
			o |= dropped
		case leave:
			o |= through
		case unknown:
			o |= anything
		case turn:
			o |= w.chain(r.target)
		case jump:
			inner := w.chain(r.target)
			o |= inner &^ through
			ends = ends && inner&through == 0
		}
		if ends {
			return o
		}
	}
	return o | through
}

func (w *walk) meets(r rule) answer {
	least := yes
	for _, c := range r.conditions {
		least = min(least, c(w.p, w.guest))
	}
	return least
}

// legacy reports whether iptables or ip6tables listed the table, rather than nft.
func (t *table) legacy() bool { return t.program == "iptables" || t.program == "ip6tables" }

// opens is the line that lets a port through at the beginning of a chain.
func (t *table) opens(base string, port int) string {
	if t.legacy() {
		return fmt.Sprintf("%s -I %s -p tcp --dport %d -j ACCEPT", t.program, base, port)
	}
	return fmt.Sprintf("nft insert rule %s %s %s tcp dport %d accept", t.family, t.name, base, port)
}

// Conditions that both ways of writing rules have.

func always(a answer) condition { return func(packet, bool) answer { return a } }

// sender is about where a packet comes from: a guest comes from nowhere in particular.
func sender(inverted bool) condition {
	return func(_ packet, guest bool) answer {
		if guest {
			return when(inverted)
		}
		return perhaps
	}
}

// incoming is about the interface that a packet comes in by. Clients do not come over loopback.
func incoming(name string, inverted bool) condition {
	a := perhaps
	if name == "lo" {
		a = no
	}
	if inverted {
		a = a.inverted()
	}
	return always(a)
}

// ports is about the port that a packet goes to.
func ports(ranges [][2]int, inverted bool) condition {
	return func(p packet, _ bool) answer {
		hit := false
		for _, r := range ranges {
			hit = hit || r[0] <= p.port && p.port <= r[1]
		}
		return when(hit != inverted)
	}
}
