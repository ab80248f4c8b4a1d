package answer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"gopkg.in/yaml.v3"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/question"
	"packhouse/spelling"
)

// maxAnswers is the maximum size of an answers file in bytes.
const maxAnswers = 1 << 20

// ParseFile parses an answers file: YAML with flag names without dashes as keys, and strings,
// booleans or lists of strings as values. It is strict: the error is a *finding.Error that lists all
// faulty lines by number. It does not repeat their text, since the wrong file may have been named.
func ParseFile(name string, data []byte) (*Document, error) {
	d := &Document{Name: name, Values: Values{}, Lines: map[string]int{}}
	wrong := &finding.Error{}
	refuse := func(line int, key, what, remedy string) {
		f := setup.Refuse(setup.CodeValue, fmt.Sprintf("%s:%d: %s", name, line, what), remedy)
		f.Question = key
		wrong.Findings = append(wrong.Findings, f)
	}
	if len(data) > maxAnswers {
		refuse(1, "", "the file is over 1 MiB", "give an answers file")
		return nil, wrong
	}
	var document yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			return d, nil
		}
		refuse(yamlLine(err), "", yamlReason(err), "write one \"key: value\" a line")
		return nil, wrong
	}
	if decoder.Decode(&yaml.Node{}) == nil {
		refuse(1, "", "the file holds more than one document", "leave one")
		return nil, wrong
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		refuse(root.Line, "", "the file does not hold keys with values",
			"write one \"key: value\" a line, for instance \"hostname: registry.example.com\"")
		return nil, wrong
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		flag, known := question.FlagNamed(key.Value)
		switch _, double := d.Values[key.Value]; {
		case !known && strings.HasPrefix(key.Value, "password"):
			refuse(key.Line, "users", "an answers file contains no passwords",
				"use password-file, or the variables "+passwordPrefix+"<NAME>")
		case !known:
			refuse(key.Line, "", "unknown key"+meant(key.Value), "the keys are the flags of setup, without dashes")
		case double:
			refuse(key.Line, flag.Question, fmt.Sprintf("%s is already on line %d", key.Value, d.Lines[key.Value]),
				"remove one of them")
		default:
			texts, reason := answerTexts(flag, value)
			if reason != "" {
				refuse(value.Line, flag.Question, key.Value+" "+reason, flagForm(flag))
				continue
			}
			d.Values[key.Value], d.Lines[key.Value] = texts, key.Line
		}
	}
	if len(wrong.Findings) > 0 {
		return nil, wrong
	}
	return d, nil
}

// answerTexts converts a key's value to the values of its flag.
func answerTexts(flag question.Flag, value *yaml.Node) (texts []string, reason string) {
	items := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		if flag.Kind != question.FlagList {
			return nil, "takes one value, not a list"
		}
		items = value.Content
	}
	for _, item := range items {
		if item.Kind != yaml.ScalarNode || item.Tag == "!!null" {
			return nil, "has no plain value"
		}
		if flag.Kind == question.FlagBool && item.Tag != "!!bool" {
			return nil, "is neither true nor false"
		}
		texts = append(texts, item.Value)
	}
	return texts, ""
}

func flagForm(flag question.Flag) string {
	switch flag.Kind {
	case question.FlagBool:
		return fmt.Sprintf("write %s: true", flag.Name)
	case question.FlagList:
		return fmt.Sprintf("write %s: [%s, …]", flag.Name, flag.Arg)
	case question.FlagText:
	}
	return fmt.Sprintf("write %s: %s", flag.Name, flag.Arg)
}

// yamlReason describes an error of the YAML parser without text of the file.
func yamlReason(err error) string {
	text := err.Error()
	if prefix := fmt.Sprintf("yaml: line %d: ", yamlLine(err)); strings.HasPrefix(text, prefix) {
		text = strings.TrimPrefix(text, prefix)
	}
	text = strings.TrimPrefix(text, "yaml: ")
	if strings.Contains(text, "anchor") {
		return "not valid YAML: a value that starts with * or & must be quoted"
	}
	return "not valid YAML: " + text
}

// yamlLine extracts the line number from an error of the YAML parser.
func yamlLine(err error) int {
	line := 1
	_, _ = fmt.Sscanf(err.Error(), "yaml: line %d:", &line)
	return line
}

// meant returns the flag name closest to an unknown key.
func meant(key string) string {
	if len(key) > 80 {
		return "" // too long to be a misspelled flag
	}
	squeeze := strings.NewReplacer("-", "", "_", "", " ", "")
	wanted := squeeze.Replace(strings.ToLower(key))
	for _, f := range question.Flags() {
		have := squeeze.Replace(f.Name)
		if have == wanted || have+"s" == wanted || min(len(have), len(wanted)) >= 3 && spelling.Distance(have, wanted) == 1 {
			return fmt.Sprintf(", did you mean %s?", f.Name)
		}
	}
	return ""
}
