package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Confirm asks a question that only "y" or "yes" answers with yes. Without a terminal, --yes is
// required.
func (a *App) Confirm(yes bool, question string) error {
	if yes {
		return nil
	}
	if !a.Interactive() {
		return UsageError(
			WithHint(
				errors.New("there is no terminal for questions"),
				"--yes asks nothing, --dry-run shows what would happen",
			),
		)
	}
	if !a.Asks(question) {
		return ExitWith(ExitFailed, errors.New("nothing was changed"))
	}
	return nil
}

// Asks asks a question on the terminal and reports whether the answer is yes.
func (a *App) Asks(question string) bool {
	fmt.Fprintf(a.Stderr, "%s [y/N] ", question)
	return readYes(a.Stdin)
}

// readYes reads one line and reports whether it means yes.
func readYes(r io.Reader) bool {
	line, _ := bufio.NewReader(r).ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}
