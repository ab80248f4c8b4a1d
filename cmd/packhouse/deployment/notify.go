package deployment

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"packhouse/cmd/packhouse/cli"
	"packhouse/server"
)

// DrainMargin is how long a service manager waits beyond the drain timeout.
const DrainMargin = 10 * time.Second

// AnnounceState makes a server notify the service manager, if any (sd_notify(3)): when it is ready, so
// that starting the service waits until the registry responds, and when it drains, so that
// http.draintimeout applies however long it is.
func AnnounceState(a *cli.App, o *server.Options) {
	o.Ready = func() { notifySystemd(a, daemon.SdNotifyReady) }
	o.Draining = func(timeout time.Duration) {
		within := (timeout + DrainMargin).Microseconds()
		notifySystemd(a, fmt.Sprintf("%s\nEXTEND_TIMEOUT_USEC=%d", daemon.SdNotifyStopping, within))
	}
}

// notifySystemd sends a state to the service manager, if there is one.
func notifySystemd(a *cli.App, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		a.Warn("notify the service manager: %v", err)
	}
}

// FeedWatchdog notifies the service manager's watchdog (WatchdogSec= in systemd.service(5)) at the
// required interval, each time after a request to the handler's /health. It does nothing without a
// watchdog. Call the returned function to stop it.
func FeedWatchdog(a *cli.App, h http.Handler) (stop func()) {
	patience, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		a.Warn("read what the service manager watches for: %v", err)
	}
	if patience <= 0 {
		return func() {}
	}
	ctx, stop := context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "/health", http.NoBody)
	if err != nil {
		a.Warn("feed the watchdog: %v", err)
		return stop
	}
	go func() {
		tick := time.NewTicker(patience / 3)
		defer tick.Stop()
		for {
			h.ServeHTTP(unread{}, request.Clone(ctx))
			if ctx.Err() != nil { // stopped during the request
				return
			}
			notifySystemd(a, daemon.SdNotifyWatchdog)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return stop
}

// unread discards the body of a response: only its arrival matters.
type unread struct{}

func (unread) Header() http.Header { return http.Header{} }

func (unread) Write(p []byte) (int, error) { return len(p), nil }

func (unread) WriteHeader(int) {}
