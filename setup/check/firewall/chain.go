package firewall

import "fmt"

// table is a set of chains that jump to each other.
type table struct {
	program string // "nft", "iptables" or "ip6tables"
	family  string // "ip", "ip6" or "inet"
	name    string
	chains  map[string]*chain
	bases   []string // chains that process packets to this machine, in order
	opaque  bool     // some rules are in a form that only iptables can decode
}

// chain is a list of rules.
type chain struct {
	policy verdict
	rules  []rule
}

// rule applies to packets that match all its conditions.
type rule struct {
	conditions []condition
	does       verdict
	target     string // of jump and follow
}

// packet is the first packet of a connection.
type packet struct {
	family string // "ip" or "ip6"
	port   int
}

// condition reports whether a packet matches. guest is a sender that no rule names; otherwise the
// sender is one that the rule is meant for.
type condition func(p packet, guest bool) answer

// answer is the result of a condition, which may be undecidable.
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

// verdict is the action of a rule.
type verdict int

const (
	goOn verdict = iota
	accept
	drop
	jump
	turn  // "goto": the rest of this chain is skipped
	leave // "return"
	unknown
)

// outcomes is a set of possible results for a packet.
type outcomes uint8

const (
	accepted outcomes = 1 << iota
	dropped
	through  // no rule in the chain decided
	anything = accepted | dropped | through
)

// follow evaluates a base chain for the packet, both from a guest and from a sender that rules are
// meant for.
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

// end returns the outcomes for a packet at the end of a base chain.
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

// walk evaluates one packet in a table.
type walk struct {
	table *table
	p     packet
	guest bool
	known map[string]outcomes // outcomes per chain; a chain in progress counts as undecided, which also ends loops
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

// opens returns the command that opens a port at the beginning of a chain.
func (t *table) opens(base string, port int) string {
	if t.legacy() {
		return fmt.Sprintf("%s -I %s -p tcp --dport %d -j ACCEPT", t.program, base, port)
	}
	return fmt.Sprintf("nft insert rule %s %s %s tcp dport %d accept", t.family, t.name, base, port)
}

// Conditions that nft and iptables share.

func always(a answer) condition { return func(packet, bool) answer { return a } }

// sender matches the source of a packet. A guest's source matches no specific sender.
func sender(inverted bool) condition {
	return func(_ packet, guest bool) answer {
		if guest {
			return when(inverted)
		}
		return perhaps
	}
}

// incoming matches the interface that a packet arrives on. Clients do not use loopback.
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

// ports matches the destination port of a packet.
func ports(ranges [][2]int, inverted bool) condition {
	return func(p packet, _ bool) answer {
		hit := false
		for _, r := range ranges {
			hit = hit || r[0] <= p.port && p.port <= r[1]
		}
		return when(hit != inverted)
	}
}
