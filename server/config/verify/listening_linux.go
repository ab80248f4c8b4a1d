package verify

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Listening returns the sockets that listen on a TCP port. Every user may see those of all users.
func Listening(port int) (found []Socket) {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, err := os.ReadFile(table)
		if err == nil {
			found = append(found, listening(string(data), port)...)
		}
	}
	return found
}

// listening parses a table of /proc/net and returns the sockets in state LISTEN on a port.
func listening(table string, port int) (found []Socket) {
	suffix := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(table) {
		f := strings.Fields(line) // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
		if len(f) <= 9 || f[3] != "0A" || !strings.HasSuffix(f[1], suffix) {
			continue
		}
		if uid, err := strconv.Atoi(f[7]); err == nil {
			found = append(found, Socket{UID: uid, Inode: f[9]})
		}
	}
	return found
}
