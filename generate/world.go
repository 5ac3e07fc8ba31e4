package generate

import (
	"slices"

	"github.com/versionlake/versionlake/telemetry"
)

const (
	second = int64(1000)
	hourMs = 3600 * second
)

// world is what the options come to: everything that all users and hours share.
type world struct {
	Options
	root     seed
	products []product
	active   float64 // the chance that a user starts a session in an hour, before the time of day
	lines    int     // of a session, on average
	last     telemetry.Hour
	hasLast  bool // an hour with files exists
}

func newWorld(o Options) (*world, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	w := &world{Options: o, root: seed(o.Seed).of(0), products: products()}
	for i := range w.products {
		p := &w.products[i]
		p.publish(w.root.of(ofRelease).of(uint64(i)), startMs(o.From), startMs(w.end()), o.Cadence)
	}
	w.active = min(1, float64(o.LinesPerHour)/float64(o.Users*minLinesPerSession))
	w.lines = max(minLinesPerSession, o.LinesPerHour/o.Users)
	for h := w.end() - 1; h >= w.From && !w.hasLast; h-- {
		if !w.empty(h) {
			w.last, w.hasLast = h, true
		}
	}
	return w, nil
}

func startMs(h telemetry.Hour) int64 { return int64(h) * hourMs }

func (w *world) end() telemetry.Hour { return w.From + telemetry.Hour(w.Hours) }

// empty says whether an hour has no files: nobody starts a session in it, and what arrives then waits for the next one.
func (w *world) empty(h telemetry.Hour) bool {
	return slices.Contains(w.Empty, h) || w.root.of(ofEmpty).of(uint64(h)).is(w.EmptyHours)
}

// landing is the hour in whose folder something lies that is due in an hour: that hour or the next one with files.
func (w *world) landing(h telemetry.Hour) (telemetry.Hour, bool) {
	for ; h < w.end(); h++ {
		if !w.empty(h) {
			return h, true
		}
	}
	return 0, false
}

// activeAt swings activity over the day, in percent of the options' Daily: nights are quiet, evenings busy.
var activeAt = [24]float64{-70, -85, -90, -90, -85, -70, -40, -15, 0, 10, 15, 20, 25, 20, 15, 20, 30, 45, 70,
	95, 100, 80, 30, -30}

// user is who the seed and a number make.
type user struct {
	number        int
	seed          seed
	installations int
}

func (w *world) user(number int) user {
	s := w.root.of(ofUsers).of(uint64(number))
	installations := 1
	switch roll := s.of(ofSlots).below(100); {
	case roll < 12:
		installations = 3
	case roll < 40:
		installations = 2
	}
	return user{number, s, installations}
}

// installed is the hour in which the user installs the slot's product; one before the world, for most.
func (w *world) installed(u *user, slot int) telemetry.Hour {
	roll := u.seed.of(ofInstall).of(uint64(slot))
	if roll.is(w.NewUsers) {
		if h, ok := w.landing(w.From + telemetry.Hour(roll.of(ofInstallHour).below(w.Hours))); ok {
			return h
		}
	}
	return w.From - 1
}

// start says whether the user starts a session in an hour, at most one; in which installation, and whether to install
// it. The seed is the session's.
func (w *world) start(u *user, h telemetry.Hour) (roll seed, slot int, install, ok bool) {
	arrived := w.installed(u, 0)
	if h < arrived {
		return 0, 0, false, false
	}
	roll = u.seed.of(ofHours).of(uint64(h))
	for slot := range u.installations {
		if w.installed(u, slot) == h {
			return roll, slot, true, true
		}
	}
	zone := u.seed.of(ofZone).below(3)
	chance := w.active * (1 + w.Daily*activeAt[(int(h.OfDay())+zone)%24]/100)
	if !roll.of(ofActive).is(chance) {
		return 0, 0, false, false
	}
	// The first installation is used more than the others.
	slot = roll.of(ofSlot).below(u.installations + 1)
	if slot == u.installations || w.installed(u, slot) > h {
		slot = 0
	}
	return roll, slot, false, true
}

// late says how many hours late the session of a seed arrives, 0 for most, and whether only its Login does.
func (w *world) late(roll seed) (hours int, loginOnly bool) {
	if w.MaxLate == 0 || !roll.of(ofLate).is(w.Late) {
		return 0, false
	}
	return 1 + roll.of(ofDelay).below(w.MaxLate), roll.of(ofLoginOnly).below(3) == 0
}

// product and device of an installation: the devices of a user differ, the products may.
func (w *world) installation(u *user, slot int) (*product, *device) {
	where := (u.seed.of(ofDevice).below(len(devices)) + slot) % len(devices)
	roll := u.seed.of(ofProduct)
	if slot > 0 && roll.of(uint64(slot)).below(3) == 0 {
		roll = roll.of(uint64(slot))
	}
	at := roll.of(ofKind).below(10) // the weights add up to ten
	for i := range w.products {
		if at -= w.products[i].weight; at < 0 {
			return &w.products[i], &devices[where]
		}
	}
	panic("generate: the weights of the products do not add up to ten")
}
