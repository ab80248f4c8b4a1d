// Package machine detects facts about this host: its names and addresses, its users, the processes that
// listen on its ports, and its file systems. [Host] is the interface to the operating system; tests
// replace it.
package machine
