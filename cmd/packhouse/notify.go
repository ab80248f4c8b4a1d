package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"packhouse/server"
)

// drainMargin is how long a service manager waits beyond the time limit of running requests.
const drainMargin = 10 * time.Second

// announce has a server tell the service manager, where one wants to know (sd_notify(3)): that it is ready, so that who started it waits
// until the registry answers and not only until the program runs; and that it drains, so that http.draintimeout holds, however long it is.
func (a *app) announce(o *server.Options) {
	o.Ready = func() { a.notify(daemon.SdNotifyReady) }
	o.Draining = func(timeout time.Duration) {
		a.notify(fmt.Sprintf("%s\nEXTEND_TIMEOUT_USEC=%d", daemon.SdNotifyStopping, (timeout + drainMargin).Microseconds()))
	}
}

// notify sends a state to the service manager, if there is one.
func (a *app) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		a.warn("tell the service manager: %v", err)
	}
}

// feedWatchdog shows the service manager that requests are answered, as often as it wants to see that (WatchdogSec= of systemd.service(5)):
// each sign follows a request to the handler's /health. It shows nothing where nobody watches. The returned function ends it.
func (a *app) feedWatchdog(h http.Handler) (stop func()) {
	patience, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		a.warn("read what the service manager watches for: %v", err)
	}
	if patience <= 0 {
		return func() {}
	}
	ctx, stop := context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "/health", http.NoBody)
	if err != nil {
		a.warn("feed the watchdog: %v", err)
		return stop
	}
	go func() {
		tick := time.NewTicker(patience / 3)
		defer tick.Stop()
		for {
			h.ServeHTTP(unread{}, request.Clone(ctx))
			if ctx.Err() != nil { // an answer that comes after the end shows nothing
				return
			}
			a.notify(daemon.SdNotifyWatchdog)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return stop
}

// unread discards the body of an answer: only its arrival matters.
type unread struct{}

func (unread) Header() http.Header         { return http.Header{} }
func (unread) Write(p []byte) (int, error) { return len(p), nil }
func (unread) WriteHeader(int)             {}
