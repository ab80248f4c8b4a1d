package main

import "fmt"

// goal is what a figure is held to. One of atLeast and atMost is set.
type goal struct {
	row     string // SETTING/SCENARIO
	atLeast float64
	atMost  float64
	// of says what the figure is divided by: "best" is the best peer of the
	// row, a peer's name its figure, SETTING/SCENARIO packhouse's own figure
	// there; empty is nothing.
	of   string
	said string // how the report names it
}

const bestPeer = "best"

// goals hold for the same machine, run and promise.
var goals = func() []goal {
	var all []goal
	for _, small := range []string{"ping", "manifest by tag", "blob get 1 KiB"} {
		for _, costly := range []struct {
			setting string
			times   float64
		}{{"bcrypt5-tls", 15}, {"bcrypt10-tls", 300}} {
			all = append(
				all,
				goal{row: costly.setting + "/" + small, atLeast: costly.times, of: bestPeer},
				goal{row: costly.setting + "/" + small, atLeast: 0.8, of: "none-tls/" + small, said: "own without passwords"},
			)
		}
	}
	return append(
		all,
		goal{row: "none-plain/blob get 100 MiB", atLeast: 0.95, of: "bare files"},
		goal{row: "none-plain/blob push 100 MiB", atLeast: 1.2, of: bestPeer},
		goal{row: "none-plain/the last 1,000 tag pushes against the first", atLeast: 0.77},
		goal{row: "none-plain/tags, all in one page", atLeast: 10, of: bestPeer},
		goal{row: "none-plain/tags, walk by 100", atLeast: 10, of: bestPeer},
		goal{row: "none-plain/tags, a page of 100 in all", atMost: 1.5, of: "none-plain/tags, a page of 100 in 1,000", said: "own in 1,000"},
		goal{row: "none-plain/catalogue, walk by 100", atLeast: 10, of: bestPeer},
		goal{row: "bcrypt5-tls/blob get 1 MiB", atLeast: 2, of: bestPeer},
		goal{row: "bcrypt5-tls/blob get 100 MiB", atLeast: 0.95, of: "bare files"},
		goal{row: "bcrypt5-tls/blob push 100 MiB", atLeast: 1.2, of: bestPeer},
		goal{row: "bcrypt5-tls/artifact push 1 MiB", atLeast: 4.5, of: "distribution"},
		goal{row: "bcrypt5-tls/mixed, 4 pulls to 1 push", atLeast: 3, of: bestPeer},
		goal{row: "attack/" + floodFirst, atMost: 30_000},
		goal{row: "attack/" + floodKnown, atMost: 5000},
		goal{row: "attack/" + floodVerified, atMost: 5000},
		goal{row: "attack/" + sameFirst, atMost: 30_000},
		goal{row: "attack/" + sameVerified, atMost: 5000},
		goal{row: "attack/" + sameCached, atMost: 5000},
		goal{row: "overload/" + overloadP99, atMost: 100},
		goal{row: "scale/" + scaleCatalog, atMost: 1000},
		goal{row: "scale/" + scaleDelete, atMost: 200},
		goal{row: "scale/" + scaleTags, atMost: 3000},
		goal{row: "scale/" + scaleGCBucket, atLeast: 800},
		goal{row: "process/cold start, empty store", atMost: 100},
		goal{row: "process/cold start, full store", atMost: 100},
		goal{row: "process/binary", atMost: 40},
		goal{row: "wizard/first frame", atMost: 100},
		goal{row: "wizard/setup --yes, whole", atMost: 1500},
	)
}()

// peakOnDisk is what packhouse may need on a file system in any scenario, in MiB.
const peakOnDisk = 40

// better returns how many times as good a figure is as another, in a unit of
// which more or less is better.
func better(figure, other float64, unit string) float64 {
	if lessIsBetter(unit) {
		return other / figure
	}
	return figure / other
}

func lessIsBetter(unit string) bool {
	return unit == millis || unit == "MiB" || unit == "MB" || unit == "requests"
}

// verdict words how a value stands to the goal.
func (g goal) verdict(value float64, unit string) string {
	sign, bound, met := "≥", g.atLeast, value >= g.atLeast
	if g.atMost > 0 {
		sign, bound, met = "≤", g.atMost, value <= g.atMost
	}
	if g.of != "" {
		unit = "× " + g.of
		if g.said != "" {
			unit = "× " + g.said
		}
	} else {
		unit = " " + unit
	}
	mark := "met"
	if !met {
		mark = "missed"
	}
	return fmt.Sprintf("%s %g%s: %s, %s", sign, bound, unit, number(value), mark)
}
