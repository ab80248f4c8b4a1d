package firewall

import "strings"

// parseIPTables parses the output of "iptables -S" or "ip6tables -S": the filter table of one
// family.
func parseIPTables(text []byte, program, family string) table {
	t := table{program: program, family: family, name: "filter", chains: map[string]*chain{}}
	named := func(name string) *chain {
		if t.chains[name] == nil {
			t.chains[name] = &chain{}
		}
		return t.chains[name]
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		switch c := named(words[1]); words[0] {
		case "-P":
			c.policy = accept
			if len(words) > 2 && words[2] == "DROP" {
				c.policy = drop
			}
		case "-A":
			c.rules = append(c.rules, parseIPTablesRule(words[2:]))
		}
	}
	if t.chains["INPUT"] != nil {
		t.bases = []string{"INPUT"}
	}
	return t
}

// iptablesTargets are the targets that decide.
var iptablesTargets = map[string]verdict{
	"ACCEPT": accept, "DROP": drop, "REJECT": drop, "TARPIT": drop, "RETURN": leave, "QUEUE": unknown, "NFQUEUE": unknown,
	"LOG": goOn, "NFLOG": goOn, "ULOG": goOn, "MARK": goOn, "CONNMARK": goOn, "AUDIT": goOn, "SET": goOn, "TRACE": goOn, "": goOn,
}

func parseIPTablesRule(words []string) rule {
	var r rule
	inverted := false
	add := func(c condition) { r.conditions = append(r.conditions, c) }
	for i := 0; i < len(words); i++ {
		word := words[i]
		value := ""
		if i+1 < len(words) {
			value = words[i+1]
		}
		i++ // most take one value
		switch word {
		case "!":
			inverted = true
			i--
			continue
		case "-j", "-g":
			does, known := iptablesTargets[value]
			switch {
			case known:
				r.does = does
			case word == "-g":
				r.does, r.target = turn, value
			default:
				r.does, r.target = jump, value
			}
			i = len(words) // the rest are options of the target
		case "-p":
			hit := value == "tcp" || value == "all"
			add(always(when(hit != inverted)))
		case "-m":
			if value == "limit" || value == "hashlimit" { // the first packets match
				i = skipOptions(words, i+1) - 1
			}
		case "-i":
			add(incoming(value, inverted))
		case "-s":
			if value != "0.0.0.0/0" || inverted {
				add(sender(inverted))
			}
		case "--dport", "--dports", "--destination-port", "--destination-ports":
			if ranges, ok := portRanges(value, ",", ":"); ok {
				add(ports(ranges, inverted))
			} else {
				add(always(perhaps))
			}
		case "--ctstate", "--state":
			hit := strings.Contains(","+value+",", ",NEW,")
			add(always(when(hit != inverted)))
		case "--comment":
			i = skipComment(words, i)
		case "--tcp-flags":
			i++
			if value == "FIN,SYN,RST,ACK" && i < len(words) && words[i] == "SYN" {
				add(always(when(!inverted)))
			} else {
				add(always(perhaps))
			}
		case "--syn":
			add(always(when(!inverted)))
			i--
		case "--match-set":
			i++
			add(sender(inverted))
		case "--src-range":
			add(sender(inverted))
		case "--dst-type", "--pkt-type":
			hit := value == "LOCAL" || value == "unicast"
			add(always(when(hit != inverted)))
		default: // undecidable: a destination, a mark, an extension
			add(always(perhaps))
			for i+1 < len(words) && !strings.HasPrefix(words[i+1], "-") && words[i+1] != "!" {
				i++
			}
		}
		inverted = false
	}
	return r
}

// skipOptions returns the index of the next option with a single dash, skipping an extension's
// options.
func skipOptions(words []string, i int) int {
	for i < len(words) && (strings.HasPrefix(words[i], "--") || !strings.HasPrefix(words[i], "-")) {
		i++
	}
	return i
}

// skipComment returns the index of a comment's last word. Comments with spaces are quoted.
func skipComment(words []string, i int) int {
	if i < len(words) && strings.HasPrefix(words[i], `"`) {
		for i < len(words) && (len(words[i]) == 1 || !strings.HasSuffix(words[i], `"`)) {
			i++
		}
	}
	return i
}
