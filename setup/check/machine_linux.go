package check

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// look sets the fields that Linux supports.
func (m *Machine) look() {
	m.Run, m.ReadFile = runProgram, os.ReadFile
	m.ClockKept = clockKept
	m.OnRootDisk = onRootDisk
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		m.Memory = info.Totalram * uint64(info.Unit)
	}
	// A container, or a service with a limit, has less than the machine.
	if data, err := os.ReadFile("/sys/fs/cgroup/cpu.max"); err == nil {
		m.CPUs = min(m.CPUs, quota(string(data), m.CPUs))
	}
	if data, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if limit, err := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 64); err == nil && limit > 0 {
			m.Memory = min(m.Memory, limit)
		}
	}
}

// quota parses cpu.max of a control group: microseconds of processor time per period, or "max".
func quota(text string, otherwise float64) float64 {
	fields := strings.Fields(text)
	if len(fields) != 2 {
		return otherwise
	}
	used, err := strconv.ParseFloat(fields[0], 64)
	if err != nil || !(used > 0) {
		return otherwise
	}
	period, err := strconv.ParseFloat(fields[1], 64)
	if err != nil || !(period > 0) {
		return otherwise
	}
	return used / period
}

// clockKept reports whether the kernel's clock is synchronized by NTP, using adjtimex(2). It
// changes nothing.
func clockKept() (bool, error) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return false, fmt.Errorf("ask the kernel about its clock: %w", err)
	}
	return state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0, nil
}

func onRootDisk(path string) bool {
	var here, root unix.Stat_t
	return unix.Stat(path, &here) == nil && unix.Stat("/", &root) == nil && here.Dev == root.Dev
}
