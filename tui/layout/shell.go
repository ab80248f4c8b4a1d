package layout

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Shell breaks a command between words, with a backslash, so that it still works when it is
// copied from the screen. It never breaks at a space within quotes.
func Shell(line string, width int) []string {
	if ansi.StringWidth(line) <= width {
		return []string{line}
	}
	var out []string
	current, indent := "", ""
	for _, word := range flagsWithValues(shellWords(line), width-4) {
		switch {
		case current == "":
			current = indent + word
		case ansi.StringWidth(current)+1+ansi.StringWidth(word)+2 <= width:
			current += " " + word
		default:
			out = append(out, current+" \\")
			indent = "  "
			current = indent + word
		}
	}
	return append(out, current)
}

// flagsWithValues joins each flag with its value if both fit on a line, so that "--san localhost"
// is not split.
func flagsWithValues(words []string, width int) []string {
	var out []string
	for i := 0; i < len(words); i++ {
		word := words[i]
		if strings.HasPrefix(word, "-") && i+1 < len(words) && !strings.HasPrefix(words[i+1], "-") &&
			ansi.StringWidth(word+words[i+1])+1 <= width {
			i++
			word += " " + words[i]
		}
		out = append(out, word)
	}
	return out
}

// shellWords splits a line at the spaces that are not quoted.
func shellWords(line string) []string {
	var words []string
	var word strings.Builder
	quote := rune(0)
	for _, r := range line {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '\'' || r == '"':
			quote = r
		case r == ' ':
			if word.Len() > 0 {
				words = append(words, word.String())
				word.Reset()
			}
			continue
		}
		word.WriteRune(r)
	}
	if word.Len() > 0 {
		words = append(words, word.String())
	}
	return words
}
