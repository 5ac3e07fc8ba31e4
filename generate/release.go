package generate

import (
	"fmt"
	"sort"
	"time"
)

// release is a version of a product that was published at a moment.
type release struct {
	version   string
	published int64 // milliseconds UTC
	beta      bool  // for testers only
	fragile   int   // how many times as many issues it has as a good one
}

// product is a service that users install.
type product struct {
	name     string
	weight   int     // how common it is
	rhythm   float64 // its time between releases, in cadences
	version  func(number int) (text string, beta bool)
	releases []release // in order
}

// At the start of a world the main product is at 1.22.03, and half way to 1.22.04.
const firstNumber, olderReleases = 90, 16

func products() []product {
	return []product{
		{name: "ClientApp", weight: 6, rhythm: 1, version: func(n int) (string, bool) {
			return fmt.Sprintf("1.%d.%02d", n/4, n%4+1), false
		}},
		{name: "Companion", weight: 2, rhythm: 0.7, version: func(n int) (string, bool) {
			minor := n / 3
			if step := n % 3; step < 2 {
				return fmt.Sprintf("2.%d.0-beta.%d", minor, step+1), true
			}
			return fmt.Sprintf("2.%d.0", minor), false
		}},
		{name: "Launcher", weight: 1, rhythm: 2, version: func(n int) (string, bool) {
			return fmt.Sprintf("4.%d.%d.%d", n/10, 1100+13*n, n%10), false
		}},
		{name: "Editor", weight: 1, rhythm: 1.5, version: func(n int) (string, bool) {
			return fmt.Sprintf("v3.%d.%d+build.%d", n/5, n%5, 7000+17*n), false
		}},
	}
}

// publish fills the product's releases: some from before the world, and all that fall into it.
func (p *product) publish(s seed, start, end int64, cadence time.Duration) {
	step := int64(float64(cadence.Milliseconds()) * p.rhythm)
	for number := firstNumber - olderReleases; ; number++ {
		roll := s.of(uint64(number))
		published := start + int64(number-firstNumber)*step - step/2 + roll.of(ofTime).within(step/10)
		if published >= end {
			return
		}
		version, beta := p.version(number)
		p.releases = append(p.releases, release{version, published, beta, 1 + roll.of(ofKind).below(4)})
	}
}

// rollout is how one installation takes to the releases of its product.
type rollout struct {
	product *product
	seed    seed
	tester  bool
	span    int64 // milliseconds from one release to the next
}

// takes says when the installation moves to a release, in milliseconds UTC, and when it goes back, if it does.
// Roll-outs are staged: one in twenty at once, a fifth within the first days, the rest by and by; some never.
func (r *rollout) takes(number int) (at, until int64, ok bool) {
	release := &r.product.releases[number]
	roll := r.seed.of(ofRelease).of(uint64(number))
	if (release.beta && !r.tester) || (number > 0 && roll.of(ofSkip).below(100) < 12) {
		return 0, 0, false
	}
	from, to := r.span/5, r.span*3/5
	switch stage := roll.of(ofStage).below(100); {
	case stage < 5:
		from, to = 0, r.span/20
	case stage < 25:
		from, to = r.span/20, r.span/5
	}
	at = release.published + from + roll.of(ofLag).within(to-from)
	until = int64(1) << 62
	if number > 0 && roll.of(ofRollback).below(100) < 4 {
		until = at + r.span/50 + roll.of(ofRollbackTime).within(r.span/4)
	}
	return at, until, true
}

// published is the number of releases that are out at a moment, at least 1.
func (r *rollout) published(at int64) int {
	releases := r.product.releases
	return max(1, sort.Search(len(releases), func(i int) bool { return releases[i].published > at }))
}

// running is the number of the release that the installation runs at a moment.
func (r *rollout) running(at int64) int {
	for number := r.published(at) - 1; number > 0; number-- {
		if from, until, ok := r.takes(number); ok && from <= at && at < until {
			return number
		}
	}
	return 0
}

// pending is the newest release that is out at a moment and that the installation, which runs an older one, may
// have. It tells whether the installation will move to it within a day.
func (r *rollout) pending(at int64, running int) (number int, soon, ok bool) {
	for number := r.published(at) - 1; number > running; number-- {
		if r.product.releases[number].beta && !r.tester {
			continue
		}
		from, _, takes := r.takes(number)
		return number, takes && at < from && from < at+24*time.Hour.Milliseconds(), true
	}
	return 0, false, false
}

type device struct {
	name, os, model string
	memory          int64
}

// Some names carry what trips parsers up: blanks, quotes, letters beyond ASCII.
var devices = []device{
	{"Gameboy", "GameOS 2.1", "DMG-01", 1}, {"iPhone", "iOS 15.5", "iPhone14,2", 6},
	{"iPad", "iPadOS 15.4", "iPad13,4", 8},
	{"Pixel 6", "Android 12", "oriole", 8}, {"Galaxy S22", "Android 12", "SM-S901B", 8},
	{"Steam Deck", "SteamOS 3.2", "Jupiter", 16},
	{"PlayStation 5", "PS5 22.01", "CFI-1100", 16}, {"Xbox Series X", "Xbox 2206", "RRT-00001", 16},
	{"Switch", "Horizon 14.1", "HAC-001", 4},
	{"PC", "Windows 11", "custom", 32}, {"MacBook", "macOS 12.4", "MacBookPro18,3", 16},
	{`8" tablet`, "FireOS 8", "Kid's edition", 3},
	{"Fernsehgerät", "webOS 22", "OLED48C2", 2},
}
