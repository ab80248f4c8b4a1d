package firewall

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Output of "nft -j list ruleset", see libnftables-json(5).
type (
	nftObject struct {
		Chain *nftChain `json:"chain"`
		Rule  *nftRule  `json:"rule"`
		Set   *nftSet   `json:"set"`
	}
	nftChain struct {
		Family, Table, Name string
		Type, Hook, Policy  string
	}
	nftRule struct {
		Family, Table, Chain string
		Expr                 []map[string]json.RawMessage
	}
	nftSet struct {
		Family, Table, Name string
		Elem                []json.RawMessage
	}
)

// parseNFT parses a ruleset. It skips tables of families other than ip, ip6 and inet, which do not
// affect clients.
func parseNFT(text []byte) ([]table, error) {
	var ruleset struct {
		Objects []nftObject `json:"nftables"`
	}
	if err := json.Unmarshal(text, &ruleset); err != nil {
		return nil, fmt.Errorf("read ruleset: %w", err)
	}
	var tables []*table
	named := func(family, name string) *table {
		i := slices.IndexFunc(tables, func(t *table) bool { return t.family == family && t.name == name })
		if i < 0 {
			tables = append(tables, &table{program: "nft", family: family, name: name, chains: map[string]*chain{}})
			i = len(tables) - 1
		}
		return tables[i]
	}
	sets := map[[3]string][]json.RawMessage{}
	for _, o := range ruleset.Objects {
		switch {
		case o.Set != nil:
			sets[[3]string{o.Set.Family, o.Set.Table, o.Set.Name}] = o.Set.Elem
		case o.Chain != nil:
			t := named(o.Chain.Family, o.Chain.Table)
			c := &chain{policy: accept}
			if o.Chain.Policy == "drop" {
				c.policy = drop
			}
			t.chains[o.Chain.Name] = c
			if o.Chain.Hook == "input" && o.Chain.Type == "filter" {
				t.bases = append(t.bases, o.Chain.Name)
			}
		}
	}
	for _, o := range ruleset.Objects {
		if o.Rule == nil {
			continue
		}
		t := named(o.Rule.Family, o.Rule.Table)
		c := t.chains[o.Rule.Chain]
		if c == nil {
			continue
		}
		reader := nftReader{set: func(name string) ([]json.RawMessage, bool) {
			elements, ok := sets[[3]string{o.Rule.Family, o.Rule.Table, name}]
			return elements, ok
		}}
		c.rules = append(c.rules, reader.rules(o.Rule.Expr)...)
		t.opaque = t.opaque || reader.opaque
	}
	out := make([]table, len(tables))
	for i, t := range tables {
		out[i] = *t
	}
	return out, nil
}

// nftReader converts the expressions of one rule to rules of this package: several if it contains a
// verdict map.
type nftReader struct {
	set        func(name string) ([]json.RawMessage, bool)
	conditions []condition
	opaque     bool
}

// nftIgnored are statements without influence on the verdict.
var nftIgnored = map[string]bool{
	"counter": true, "log": true, "limit": true, "notrack": true, "mangle": true, "set": true, "map": true, "ct helper": true,
	"ct timeout": true, "flow": true, "tproxy": true,
}

func (r *nftReader) rules(expressions []map[string]json.RawMessage) []rule {
	var out []rule
	for _, expression := range expressions {
		for name, content := range expression {
			switch name {
			case "match":
				r.conditions = append(r.conditions, r.match(content))
			case "vmap":
				out = append(out, r.verdictMap(content)...)
			case "xt":
				out = append(out, r.extension(content)...)
			default:
				if does, target, ok := nftVerdict(name, content); ok {
					out = append(out, rule{slices.Clone(r.conditions), does, target})
				} else if !nftIgnored[name] {
					r.conditions = append(r.conditions, always(perhaps))
				}
			}
		}
	}
	return out
}

// extension handles an expression of iptables, whose condition nft does not show.
func (r *nftReader) extension(content json.RawMessage) []rule {
	r.opaque = true
	var xt struct{ Type, Name string }
	if json.Unmarshal(content, &xt) == nil && xt.Type == "target" {
		does, known := iptablesTargets[xt.Name]
		if !known {
			does = unknown
		}
		return []rule{{slices.Clone(r.conditions), does, ""}}
	}
	r.conditions = append(r.conditions, always(perhaps))
	return nil
}

// nftVerdict parses {"accept": null}, {"jump": {"target": "web"}} and the like.
func nftVerdict(name string, content json.RawMessage) (verdict, string, bool) {
	var to struct{ Target string }
	switch name {
	case "accept":
		return accept, "", true
	case "drop", "reject":
		return drop, "", true
	case "return":
		return leave, "", true
	case "continue":
		return goOn, "", true
	case "queue":
		return unknown, "", true
	case "jump", "goto":
		if json.Unmarshal(content, &to) != nil {
			return unknown, "", true
		}
		if name == "goto" {
			return turn, to.Target, true
		}
		return jump, to.Target, true
	}
	return goOn, "", false
}

// verdictMap parses {"key": …, "data": {"set": [[443, {"accept": null}], …]}}: each pair is a rule.
func (r *nftReader) verdictMap(content json.RawMessage) []rule {
	var m struct {
		Key  json.RawMessage
		Data struct{ Set [][2]json.RawMessage }
	}
	if json.Unmarshal(content, &m) != nil || m.Data.Set == nil {
		return []rule{{append(slices.Clone(r.conditions), always(perhaps)), unknown, ""}} // a named map
	}
	var out []rule
	for _, pair := range m.Data.Set {
		var does map[string]json.RawMessage
		if json.Unmarshal(pair[1], &does) != nil {
			continue
		}
		for name, content := range does {
			if v, target, ok := nftVerdict(name, content); ok {
				out = append(out, rule{append(slices.Clone(r.conditions), r.compare(m.Key, pair[0], false)), v, target})
			}
		}
	}
	return out
}
