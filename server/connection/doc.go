// Package connection limits what the connections of a server and their requests cost, before and
// after a client has signed in: how many are open (Listener, Requests), how long they may stall
// (Response), and how much they hold in memory (NewServer).
package connection
