package setup

import (
	"strings"

	"packhouse/finding"
	"packhouse/pattern"
)

// flagWords matches a flag in a sentence, with its argument and the preposition before it.
var flagWords = pattern.Lazy(`(\b(?:with|in) )?(--[a-z][a-z0-9-]*)( FILE| NAME| DIR| URL)?`)

// orVariable names the environment variable that scripts can use instead of a flag.
var orVariable = pattern.Lazy(` or in [A-Z][A-Z0-9_]+\b`)

// AtQuestions rewrites a sentence for interactive use: it replaces a flag by the title of the
// question that the flag answers. The original sentence is for scripts.
func AtQuestions(text string) string {
	if !strings.Contains(text, "--") {
		return text
	}
	titles := map[string]string{}
	for _, step := range Questions() {
		for _, q := range step.Questions {
			for _, flag := range q.Flags {
				titles[flag] = q.Title
			}
		}
	}
	found := false
	text = flagWords().ReplaceAllStringFunc(text, func(words string) string {
		parts := flagWords().FindStringSubmatch(words)
		title, known := titles[parts[2]]
		if !known {
			return words
		}
		found = true
		if parts[1] != "" {
			return "at “" + title + "”"
		}
		return "“" + title + "”"
	})
	if found {
		text = orVariable().ReplaceAllString(text, "")
	}
	return text
}

// Titled applies [AtQuestions] to the finding's texts.
func Titled(f finding.Finding) finding.Finding {
	f.What, f.Remedy = AtQuestions(f.What), AtQuestions(f.Remedy)
	return f
}
