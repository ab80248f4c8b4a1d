// Package notification tells other programs about pushes, pulls, mounts and deletions, by webhooks in the form of CNCF distribution.
//
//	n, err := notification.Open(notification.Options{Config: cfg.Notifications, Dir: dir, Log: log})
//	go n.Run(ctx)
//	n.Notify(event) // never waits for anybody
//
// # What is promised
//
// An event that Notify took reaches every endpoint that wants it at least once, in order, however often the endpoint is down and the server
// is restarted. An event that was delivered just before a crash is delivered again; its id tells so. The queue of an endpoint is bounded:
// when it is full the oldest events go, and are counted. A receiver that refuses one event for what it is (400, 413, 415, 422) is offered it
// as often as the threshold says; then the event is left out, so that the ones behind it are not held up for ever.
//
// # On disk
//
// Each endpoint has a directory of segments, files of one JSON event a line, and a cursor that says how far delivery has come:
//
//	<dir>/<name>-<hash>/00000001.jsonl …   cursor
//
// Somebody who removes one of these under a running server loses what was in it, and nothing that comes later. An entry that a disk has damaged
// is left out, and counted.
//
// # In a bucket
//
// Where many processes share their store, each keeps its queues in memory and writes what was not delivered within a second or two to records,
// many events in one, which any other process takes over when this one was stopped, or has not been heard of for two minutes. A receiver that
// answers costs no request. What a process that is killed took within its last two seconds and did not deliver is lost; apart from that the
// promise is the same, but for the order: events of different processes come as they come, and those that were taken over come later.
//
// Without either the queue is in memory and ends with the process.
//
// # Another configuration
//
//	change, err := n.Prepare(cfg.Notifications) // opens what is new; nothing has changed
//	change.Commit()                             // or Abandon, where something else of the configuration cannot be had
//
// Endpoints are known by their names; Change says what becomes of those that stay, change, come and go.
//
// Addresses and headers of endpoints may hold credentials. They are never logged: endpoints are called by their name.
package notification
