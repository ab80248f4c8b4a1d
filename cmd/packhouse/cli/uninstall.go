package cli

import (
	"bufio"
	"io"
	"strings"
)

// readYes reads one line and reports whether it means yes.
func readYes(r io.Reader) bool {
	line, _ := bufio.NewReader(r).ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}
