// Package notification posts pushes, pulls, mounts and deletions to webhooks, in the format of CNCF distribution.
//
//	n, err := notification.Open(notification.Options{Config: cfg.Notifications, Dir: dir, Log: log})
//	go n.Run(ctx)
//	n.Notify(event) // never waits for a receiver
//
// # Guarantees
//
// Each event that Notify accepts is delivered at least once, in order, to every endpoint that wants it, even if the
// endpoint is down and the server restarts. An event that was delivered just before a crash is delivered again with the
// same ID. The queue of an endpoint is bounded: when it is full, the oldest events are dropped and counted. If a receiver
// rejects the content of an event (400, 413, 415, 422), the notifier retries as often as the threshold says and then drops
// the event, so that it does not block those behind it.
//
// # On disk
//
// Each endpoint has a directory of segments, files with one JSON event per line, and a cursor that records how far
// delivery has progressed:
//
//	<dir>/<name>-<hash>/00000001.jsonl …   cursor
//
// If one of these files is removed while the server runs, its events are lost, but no later ones. A damaged entry is
// dropped and counted.
//
// # In a bucket
//
// If several processes share a store, each keeps its queues in memory and writes events that were not delivered within a
// second or two to records, many events per record. Another process takes the records over when this one stops, or has
// shown no sign of life for two minutes. Delivery to a receiver that answers needs no request to the bucket. A process that
// is killed loses the undelivered events of its last two seconds. The other guarantees are the same, except for the order:
// events of different processes are not ordered, and those that were taken over arrive later.
//
// Without Dir and Shared, the queue is in memory and ends with the process.
//
// # Reload
//
//	change, err := n.Prepare(cfg.Notifications) // opens new queues; nothing has changed yet
//	change.Commit()                             // or Abandon, if another part of the configuration fails
//
// Endpoints are identified by name. Change documents what happens to endpoints that stay, change, are added or are removed.
//
// Addresses and headers of endpoints may contain credentials, so the log names endpoints by name only.
package notification
