package ranges

import (
	"slices"

	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/telemetry"
)

// This is how ranges ran that began before small hours of several parts were read together. Recorded histories hold it
// as it is.

// togetherBefore was how many hours were read together at most.
const togetherBefore = 50

// partBefore are the hours that one commit of gold shows.
type partBefore struct {
	end     telemetry.Hour     // exclusive
	waiting [][]telemetry.Hour // each to be run together
	running int
}

// orderBefore runs the hours of a range such that those of a part are committed to silver before any of a later
// part: gold follows silver's log, and so its commit at the end of a part shows nothing of what comes after. Hours
// of the next parts are read meanwhile, and wait for their turn with what they have staged.
type orderBefore struct {
	parts   []*partBefore
	current int // the part whose turn it is
	ahead   int // how many parts, from that one on, are read at once
	running int
}

// orderBefore divides hours into parts, and a part into shares that are read together.
func (r *hoursRunner) orderBefore(hours []telemetry.Hour) *orderBefore {
	o := &orderBefore{ahead: r.parallel}
	for len(hours) > 0 {
		p := &partBefore{end: r.end(hours[0])}
		n := 0
		for n < len(hours) && hours[n] < p.end {
			n++
		}
		p.waiting = shares(hours[:n], 1, togetherBefore)
		o.parts, hours = append(o.parts, p), hours[n:]
	}
	return o
}

// waiting is the first part with hours that may be run, the one whose turn it is or one after it; -1 where none is.
func (o *orderBefore) waiting() int {
	for at := o.current; at < min(o.current+o.ahead, len(o.parts)); at++ {
		if len(o.parts[at].waiting) > 0 {
			return at
		}
	}
	return -1
}

// runInOrderBefore runs hours, and returns when they have ended. It asks for gold at the end of each part that is
// not after until: the range may go on with hours of that one. A cancelled workflow starts no more.
func (r *hoursRunner) runInOrderBefore(ctx workflow.Context, hours []telemetry.Hour, until telemetry.Hour) {
	o := r.orderBefore(hours)
	running := workflow.NewWaitGroup(ctx)
	for range r.parallel {
		running.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer running.Done()
			for ctx.Err() == nil {
				at := o.waiting()
				if at < 0 {
					// What runs may leave hours to be run one by one, and what ends lets later ones begin.
					idle := func() bool { return o.running == 0 || o.waiting() >= 0 }
					if o.running == 0 || workflow.Await(ctx, idle) != nil {
						return
					}
					continue
				}
				r.runTurnBefore(ctx, o, at)
				for o.current < len(o.parts) && o.parts[o.current].ended() {
					end := o.parts[o.current].end
					o.current++
					if end <= until {
						r.gold.Ask(ctx)
					}
				}
			}
		})
	}
	running.Wait(ctx)
	if r.gold.Due() {
		// A part that is large: all that is done comes before all that is not.
		r.gold.Ask(ctx)
	}
}

func (p *partBefore) ended() bool { return p.running+len(p.waiting) == 0 }

// runTurnBefore runs the next hours of a part. Those that are left, of several, come next, one by one.
func (r *hoursRunner) runTurnBefore(ctx workflow.Context, o *orderBefore, at int) {
	p := o.parts[at]
	hours := p.waiting[0]
	p.waiting = p.waiting[1:]
	turn := func() bool { return o.current >= at }
	o.running, p.running = o.running+1, p.running+1
	var left []telemetry.Hour
	if len(hours) > 1 {
		left, _ = r.runHours(ctx, hours, nil, turn)
	} else {
		r.runHour(ctx, hours[0], turn)
	}
	o.running, p.running = o.running-1, p.running-1
	p.waiting = slices.Insert(p.waiting, 0, slices.Collect(slices.Chunk(left, 1))...)
}
