package filesystem

import (
	"sync"
	"time"
)

// clockSteps detects forward steps of the clock. For a window afterwards, content touched just
// before the step looks older than it is, so garbage collection must not remove it.
type clockSteps struct {
	mu      sync.Mutex
	ahead   time.Duration // clock minus uptime, since the last step
	stepped time.Time     // when the last step was noticed
}

// epoch is the zero of the clock. Only changes of clock minus uptime matter.
var epoch = time.Unix(0, 0)

func (c *clockSteps) begin(now time.Time, uptime time.Duration) {
	c.ahead = now.Round(0).Sub(epoch) - uptime
}

// resume continues with the step that an earlier run noticed last; zero if there was none.
func (c *clockSteps) resume(stepped time.Time) { c.stepped = stepped }

// noticed returns when a forward step of more than tolerance was last noticed, or zero. A backward
// step does not make anything look older.
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
