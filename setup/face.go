package setup

import (
	"regexp"
	"strings"
)

// flagWords is a flag in a sentence, with what it takes and the word that leads to it.
var flagWords = regexp.MustCompile(`(\b(?:with|in) )?(--[a-z][a-z0-9-]*)( FILE| NAME| DIR| URL)?`)

// orVariable names the environment variable that scripts can use instead of a flag.
var orVariable = regexp.MustCompile(` or in [A-Z][A-Z0-9_]+\b`)

// AtQuestions words a sentence for somebody who is asked questions and gives no flags: a flag that answers one becomes the title of that
// question. The same sentence serves scripts as it is.
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
	text = flagWords.ReplaceAllStringFunc(text, func(words string) string {
		parts := flagWords.FindStringSubmatch(words)
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
		text = orVariable.ReplaceAllString(text, "")
	}
	return text
}

// AtQuestions words the finding likewise.
func (f Finding) AtQuestions() Finding {
	f.What, f.Remedy = AtQuestions(f.What), AtQuestions(f.Remedy)
	return f
}
