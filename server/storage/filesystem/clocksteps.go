package filesystem

import (
	"sync"
	"time"
)

// clockSteps detects that the clock was stepped forward. Until a window later, what was touched just before
// the step looks older than it is, and collection must not remove it.
type clockSteps struct {
	mu      sync.Mutex
	ahead   time.Duration // the clock less the uptime, since the last step
	stepped time.Time     // when the last step was noticed
}

// epoch is what clocks are measured from. Only changes of the difference to the uptime matter.
var epoch = time.Unix(0, 0)

func (c *clockSteps) begin(now time.Time, uptime time.Duration) {
	c.ahead = now.Round(0).Sub(epoch) - uptime
}

// resume continues with the step that an earlier run noticed last; zero if there was none.
func (c *clockSteps) resume(stepped time.Time) { c.stepped = stepped }

// noticed returns when a step of more than tolerance was noticed last; zero if there was none. A step back
// makes nothing look older.
func (c *clockSteps) noticed(now time.Time, uptime, tolerance time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch ahead := now.Round(0).Sub(epoch) - uptime; {
	case ahead > c.ahead+tolerance:
		c.ahead, c.stepped = ahead, now
	case ahead < c.ahead:
		c.ahead = ahead
	}
	return c.stepped
}
