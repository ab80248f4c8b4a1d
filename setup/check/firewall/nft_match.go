package firewall

import (
	"encoding/json"
	"slices"
	"strings"
)

// match parses {"op": "==", "left": …, "right": …}.
func (r *nftReader) match(content json.RawMessage) condition {
	var m struct {
		Op          string
		Left, Right json.RawMessage
	}
	if json.Unmarshal(content, &m) != nil {
		return always(perhaps)
	}
	switch m.Op {
	case "==", "in":
		return r.compare(m.Left, m.Right, false)
	case "!=":
		return r.compare(m.Left, m.Right, true)
	}
	return always(perhaps)
}

// compare returns the condition that left equals right or is in the set right.
func (r *nftReader) compare(left, right json.RawMessage, inverted bool) condition {
	var l struct {
		Payload *struct{ Protocol, Field string }
		Meta    *struct{ Key string }
		CT      *struct{ Key string }
		FIB     *struct{ Result string }
	}
	if json.Unmarshal(left, &l) != nil {
		return always(perhaps)
	}
	known := func(is string) condition {
		among, ok := r.texts(right)
		if !ok {
			return always(perhaps)
		}
		return always(when(slices.Contains(among, is) != inverted))
	}
	switch {
	case l.Payload != nil:
		return r.comparePayload(l.Payload.Protocol, l.Payload.Field, right, inverted)
	case l.CT != nil && l.CT.Key == "state":
		return known("new")
	case l.FIB != nil && l.FIB.Result == "type":
		return known("local")
	case l.Meta == nil:
		return always(perhaps)
	}
	switch l.Meta.Key {
	case "l4proto":
		return known("tcp")
	case "pkttype":
		return known("host")
	case "nfproto":
		among, ok := r.texts(right)
		if !ok {
			return always(perhaps)
		}
		return func(p packet, _ bool) answer {
			return when(slices.Contains(among, map[string]string{"ip": "ipv4", "ip6": "ipv6"}[p.family]) != inverted)
		}
	case "iif", "iifname":
		if among, ok := r.texts(right); ok && len(among) == 1 {
			return incoming(among[0], inverted)
		}
	}
	return always(perhaps)
}

// comparePayload returns a condition on a field of the packet. A field of another protocol never
// matches.
func (r *nftReader) comparePayload(protocol, field string, right json.RawMessage, inverted bool) condition {
	switch {
	case protocol == "ip" || protocol == "ip6":
		return func(p packet, guest bool) answer {
			if p.family != protocol {
				return no
			}
			switch field {
			case "saddr":
				if all(right) {
					return when(!inverted)
				}
				return sender(inverted)(p, guest)
			case "protocol", "nexthdr":
				if among, ok := r.texts(right); ok {
					return when(slices.Contains(among, "tcp") != inverted)
				}
			}
			return perhaps
		}
	case (protocol == "tcp" || protocol == "th") && field == "dport":
		if ranges, ok := r.ranges(right); ok {
			return ports(ranges, inverted)
		}
		return always(perhaps)
	case protocol == "tcp" || protocol == "th":
		return always(perhaps)
	}
	return always(no)
}

// all reports whether a value covers all addresses.
func all(right json.RawMessage) bool {
	var v struct {
		Prefix *struct{ Len int }
	}
	return json.Unmarshal(right, &v) == nil && v.Prefix != nil && v.Prefix.Len == 0
}

// noSets is the lookup inside a set, which cannot refer to another.
func noSets(string) ([]json.RawMessage, bool) { return nil, false }

// elements expands a value: a single one, a list, {"set": […]} or "@name".
func (r *nftReader) elements(right json.RawMessage) ([]json.RawMessage, bool) {
	var text string
	if json.Unmarshal(right, &text) == nil {
		if name, ok := strings.CutPrefix(text, "@"); ok {
			return r.set(name)
		}
		return []json.RawMessage{right}, true
	}
	var list []json.RawMessage
	if json.Unmarshal(right, &list) == nil {
		return list, true
	}
	var set struct{ Set json.RawMessage }
	if json.Unmarshal(right, &set) == nil && set.Set != nil {
		return r.elements(set.Set)
	}
	return []json.RawMessage{right}, true
}

func (r *nftReader) texts(right json.RawMessage) ([]string, bool) {
	elements, ok := r.elements(right)
	if !ok {
		return nil, false
	}
	var out []string
	for _, e := range elements {
		var text string
		if json.Unmarshal(e, &text) != nil {
			var number json.Number
			if json.Unmarshal(e, &number) == nil && number == "6" {
				text = "tcp" // protocol number
			} else if number == "" {
				return nil, false
			}
		}
		out = append(out, text)
	}
	return out, true
}

func (r *nftReader) ranges(right json.RawMessage) ([][2]int, bool) {
	elements, ok := r.elements(right)
	if !ok {
		return nil, false
	}
	var out [][2]int
	for _, e := range elements {
		var number int
		if json.Unmarshal(e, &number) == nil {
			out = append(out, [2]int{number, number})
			continue
		}
		var v struct {
			Range *[2]int
			Elem  *struct{ Val json.RawMessage }
		}
		if json.Unmarshal(e, &v) != nil {
			return nil, false
		}
		switch {
		case v.Range != nil:
			out = append(out, *v.Range)
		case v.Elem != nil: // an element with a counter or a timeout
			inner, ok := (&nftReader{set: noSets}).ranges(v.Elem.Val)
			if !ok {
				return nil, false
			}
			out = append(out, inner...)
		default:
			return nil, false
		}
	}
	return out, true
}
