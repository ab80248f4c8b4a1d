package observe

import (
	"time"

	"packhouse/server/auth"
	"packhouse/server/problem"
	"packhouse/server/route"
)

// Request describes an answered request, for the log and the metrics.
type Request struct {
	Began   time.Time
	Client  auth.Client
	Action  route.Action
	Request route.Request
	User    string         // authenticated user; never an unverified name
	Refusal *problem.Error // the error that was sent; nil after a success
	Reason  error          // the error behind it
	Aborted bool           // the response was cut off
}
