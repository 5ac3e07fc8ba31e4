package ranges

import (
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/workflows/ingest"
)

// lastDays is how many days of a range, the last ones, end with a commit of gold each. Of what is before them,
// months do.
const lastDays = 35

// end is the end of gold's commit that an hour of the range is in, exclusive.
func (r *hoursRunner) end(hour telemetry.Hour) telemetry.Hour {
	if r.hourTags {
		return hour + 1
	}
	at := hour.Start()
	nextDay := telemetry.HourOf(time.Date(at.Year(), at.Month(), at.Day()+1, 0, 0, 0, 0, time.UTC))
	last := (r.to - 1).Start().AddDate(0, 0, 1-lastDays)
	byDay := telemetry.HourOf(time.Date(last.Year(), last.Month(), last.Day(), 0, 0, 0, 0, time.UTC))
	if hour >= byDay {
		return nextDay
	}
	return min(byDay, telemetry.HourOf(time.Date(at.Year(), at.Month()+1, 1, 0, 0, 0, 0, time.UTC)))
}

// part are the hours that one commit of gold shows.
type part struct {
	end     telemetry.Hour // exclusive
	waiting []share        // that begin with hours of the part
	running int            // of these
	open    int            // shares with hours of the part that have not ended
}

// share are hours that are run together. They are of one part, or of some that follow each other.
type share struct {
	hours []telemetry.Hour
	parts int
}

// order runs the hours of a range such that those of a part are committed to silver before any of a later part: gold
// follows silver's log, and so its commit at the end of a part shows nothing of what comes after. Hours of the next
// parts are read meanwhile, and wait for their turn with what they have staged. Parts of few hours are read together,
// and committed one after the other: what a share costs does not depend on how many hours it has.
type order struct {
	parts   []*part
	current int // the part whose turn it is
	running int
}

// order divides hours into parts, and these into shares.
func (r *hoursRunner) order(hours []telemetry.Hour) *order {
	o := &order{}
	var few share // of the last parts
	for len(hours) > 0 {
		p := &part{end: r.end(hours[0])}
		n := 0
		for n < len(hours) && hours[n] < p.end {
			n++
		}
		o.parts = append(o.parts, p)
		if r.apart || len(few.hours)+n > ingest.MaxTogether {
			o.add(len(o.parts)-1-few.parts, few)
			few = share{}
		}
		if r.apart || n > ingest.MaxTogether {
			for _, some := range shares(hours[:n], 1, ingest.MaxTogether) {
				o.add(len(o.parts)-1, share{some, 1})
			}
		} else {
			few = share{append(few.hours, hours[:n]...), few.parts + 1}
		}
		hours = hours[n:]
	}
	o.add(len(o.parts)-few.parts, few)
	return o
}

// add lets a share wait that begins with hours of a part.
func (o *order) add(at int, s share) {
	if len(s.hours) == 0 {
		return
	}
	o.parts[at].waiting = append(o.parts[at].waiting, s)
	for _, p := range o.parts[at : at+s.parts] {
		p.open++
	}
}

// addFirst lets hours run before all others of their parts: each alone, or together.
func (o *order) addFirst(hours []telemetry.Hour, together bool) {
	first := map[int][]share{}
	for at, p := range o.parts {
		n := 0
		for n < len(hours) && hours[n] < p.end {
			n++
		}
		size := 1
		if together {
			size = max(n, 1)
		}
		for some := range slices.Chunk(hours[:n], size) {
			first[at] = append(first[at], share{some, 1})
		}
		p.waiting = slices.Insert(p.waiting, 0, first[at]...)
		p.open += len(first[at])
		hours = hours[n:]
	}
}

// next is the first part with a share that may begin now, the one whose turn it is or one after it; -1 where none may.
// Those of the part whose turn it is find room whatever waits for its turn.
func (o *order) next(parallel int) int {
	for at := o.current; at < len(o.parts); at++ {
		if p := o.parts[at]; len(p.waiting) > 0 &&
			(o.running < parallel || at == o.current && p.running < parallel) {
			return at
		}
	}
	return -1
}

// runInOrder runs hours, and returns when they have ended. It asks for gold at the end of each part that is not after
// until: the range may go on with hours of that one. A cancelled workflow starts no more.
func (r *hoursRunner) runInOrder(ctx workflow.Context, hours []telemetry.Hour, until telemetry.Hour) {
	o := r.order(hours)
	running := workflow.NewWaitGroup(ctx)
	for ctx.Err() == nil {
		at := o.next(r.parallel)
		if at < 0 {
			// What runs may leave hours to be run one by one, and what ends lets later ones begin.
			may := func() bool { return o.running == 0 || o.next(r.parallel) >= 0 }
			if o.running == 0 || workflow.Await(ctx, may) != nil {
				break
			}
			continue
		}
		p := o.parts[at]
		next := p.waiting[0]
		p.waiting, p.running, o.running = p.waiting[1:], p.running+1, o.running+1
		running.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer running.Done()
			r.runShare(ctx, o, at, next)
			p.running, o.running = p.running-1, o.running-1
			r.endParts(ctx, o, until)
		})
	}
	running.Wait(ctx)
	if r.gold.Due() {
		// A part that is large: all that is done comes before all that is not.
		r.gold.Ask(ctx)
	}
}

// endParts gives the turn to the first part that has not ended, and asks for gold for those before it.
func (r *hoursRunner) endParts(ctx workflow.Context, o *order, until telemetry.Hour) {
	var ends []telemetry.Hour
	for o.current < len(o.parts) && o.parts[o.current].open == 0 {
		if end := o.parts[o.current].end; end <= until {
			ends = append(ends, end)
		}
		o.current++
	}
	if len(ends) > 0 {
		r.gold.AskInParts(ctx, ends)
	}
}

// runShare runs a share. Hours that are left, of several, come next, one by one; those of the parts after them follow.
func (r *hoursRunner) runShare(ctx workflow.Context, o *order, at int, s share) {
	turn := func() bool { return o.current >= at }
	var left, rest []telemetry.Hour
	if len(s.hours) > 1 {
		var ends []telemetry.Hour
		for _, p := range o.parts[at : at+s.parts-1] {
			ends = append(ends, p.end)
		}
		left, rest = r.runHours(ctx, s.hours, ends, turn)
	} else {
		r.runHour(ctx, s.hours[0], turn)
	}
	// Where large hours lie among small ones, the next ones most likely do, too.
	r.apart = r.apart || len(rest) > 0
	o.addFirst(rest, true)
	o.addFirst(left, false)
	for _, p := range o.parts[at : at+s.parts] {
		p.open--
	}
}
