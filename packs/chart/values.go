package chart

import (
	"fmt"
	"maps"
)

// globalKey is the table that every subchart sees.
const globalKey = "global"

// merger combines values with the defaults of a chart. A null in values removes the default, unless
// keepNull is set, because values of a subchart are combined with its own defaults later.
type merger struct{ keepNull bool }

// complete adds the defaults of a chart and of its subcharts to values.
func (m merger) complete(c *Chart, values map[string]any) error {
	m.defaults(c, values)
	for _, sub := range c.Subcharts {
		existing, ok := values[sub.Name]
		if !ok {
			existing = map[string]any{}
			values[sub.Name] = existing
		}
		table, ok := existing.(map[string]any)
		if !ok {
			return fmt.Errorf("the value %s of the chart %s is not a table, and belongs to a subchart", sub.Name, c.Name)
		}
		passGlobals(table, values)
		if err := m.complete(sub, table); err != nil {
			return err
		}
	}
	return nil
}

// defaults adds the defaults of a chart, without its subcharts, to values.
func (m merger) defaults(c *Chart, values map[string]any) {
	for key, fallback := range clone(c.Values) {
		value, given := values[key]
		table, isTable := value.(map[string]any)
		fallbackTable, fallbackIsTable := fallback.(map[string]any)
		switch {
		case !given && (m.keepNull || fallback != nil):
			if fallbackIsTable && !m.keepNull {
				dropNull(fallbackTable)
			}
			values[key] = fallback
		case given && value == nil && !m.keepNull:
			delete(values, key)
		case isTable && fallbackIsTable:
			inner := merger{m.keepNull || c.hasSubchart(key)}
			if !inner.keepNull {
				dropNull(fallbackTable)
			}
			inner.tables(table, fallbackTable)
		}
	}
}

// tables adds fallback to a table.
func (m merger) tables(table, fallback map[string]any) {
	for key, value := range fallback {
		existing, given := table[key]
		existingTable, isTable := existing.(map[string]any)
		valueTable, valueIsTable := value.(map[string]any)
		switch {
		case !given:
			table[key] = value
		case existing == nil && !m.keepNull && value != nil:
			delete(table, key)
		case isTable && valueIsTable:
			m.tables(existingTable, valueTable)
		}
	}
}

// passGlobals merges the globals of a chart into those of a subchart; the chart's take precedence.
func passGlobals(sub, values map[string]any) {
	target, ok := sub[globalKey].(map[string]any)
	if _, given := sub[globalKey]; given && !ok {
		return
	}
	if target == nil {
		target = map[string]any{}
	}
	source, ok := values[globalKey].(map[string]any)
	if _, given := values[globalKey]; given && !ok {
		return
	}
	for key, value := range source {
		table, isTable := value.(map[string]any)
		existing, given := target[key]
		existingTable, existingIsTable := existing.(map[string]any)
		switch {
		case isTable && !given:
			target[key] = maps.Clone(table)
		case isTable && existingIsTable:
			merged := maps.Clone(table)
			merger{keepNull: true}.tables(merged, existingTable)
			target[key] = merged
		case !isTable && !existingIsTable:
			target[key] = value
		}
	}
	sub[globalKey] = target
}

func dropNull(table map[string]any) {
	for key, value := range table {
		if value == nil {
			delete(table, key)
		} else if inner, ok := value.(map[string]any); ok {
			dropNull(inner)
		}
	}
}

func (c *Chart) hasSubchart(name string) bool {
	for _, sub := range c.Subcharts {
		if sub.Name == name {
			return true
		}
	}
	return false
}
