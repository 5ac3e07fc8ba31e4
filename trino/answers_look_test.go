package trino_test

import (
	"cmp"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake/ops"
	"github.com/versionlake/versionlake/lake/releasefile"
	"github.com/versionlake/versionlake/lake/releases"
	"github.com/versionlake/versionlake/telemetry"
)

// tell imports releases into the world's lake, and into the truth: every other version that was seen, betas in a
// channel of their own, every fourth in steps.
func (w *world) tell(t testing.TB, truth *truth) {
	t.Helper()
	var rows []releases.Row
	for r, rank := range truth.rank {
		beta := strings.Contains(r.version, "beta")
		if rank%2 == 0 && !beta {
			continue
		}
		at := truth.first[r] - 6*day/24
		row := releases.Row{Service: r.service, Version: r.version, ReleasedAt: at, Channel: "stable", Kind: "minor"}
		if beta {
			row.Channel, row.Kind = "beta", ""
		}
		if rank%4 == 1 {
			end := truth.end + int64(rank-8)*day
			row.MinimumSupported, row.EndOfSupport, row.NotesURL = "1.0", &end, "https://example.com/"+r.version
			row.Rollout = []ops.StepRow{{At: at, Share: 0.05}, {At: at + 2*day, Share: 0.5},
				{At: at + 5*day, Share: 1}}
		}
		rows = append(rows, row)
		truth.told[r] = row
	}
	truth.told[release{"ClientApp", "9.9"}] = releases.Row{} // that nobody ever saw
	rows = append(rows, releases.Row{Service: "ClientApp", Version: "9.9", ReleasedAt: truth.end, Channel: "stable"})
	_, err := releases.Import(t.Context(), w.Lake, rows, false)
	require.NoError(t, err)
}

func (t *truth) channel(r release) string {
	return cmp.Or(t.told[r].Channel, releasefile.DefaultChannel)
}

// wilson is the 95 % interval of a share, to 6 decimals; NULL of nothing.
func wilson(some, all int) (low, high any) {
	if all == 0 {
		return null, null
	}
	const z = 1.96
	n, p := float64(all), float64(some)/float64(all)
	middle, half := p+z*z/(2*n), z*math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return rounded((middle-half)/(1+z*z/n), 6), rounded((middle+half)/(1+z*z/n), 6)
}

// byarLow and byarHigh are the ends of the 95 % interval of a rate per thousand, of events that come one by one.
func byarLow(events, of int) float64 {
	if events == 0 {
		return 0
	}
	n := float64(events)
	return rounded(1000/float64(of)*n*math.Pow(1-1/(9*n)-1.96/(3*math.Sqrt(n)), 3), 6)
}

func byarHigh(events, of int) float64 {
	n := float64(events + 1)
	return rounded(1000/float64(of)*n*math.Pow(1-1/(9*n)+1.96/(3*math.Sqrt(n)), 3), 6)
}

// TestByar holds the interval against that of Poisson, as tables have it.
func TestByar(t *testing.T) {
	for events, exact := range map[int][2]float64{0: {0, 3.69}, 5: {1.62, 11.67}, 10: {4.80, 18.39},
		100: {81.36, 121.63}} {
		require.InDelta(t, exact[0], byarLow(events, 1000), 0.03, events)
		require.InDelta(t, exact[1], byarHigh(events, 1000), 0.03, events)
	}
}

func rounded(value float64, digits int) float64 {
	scale := math.Pow10(digits)
	if value = math.Round(value*scale) / scale; value == 0 {
		return 0 // and not -0
	}
	return value
}

const few = 30

var line = regexp.MustCompile(`[0-9]+\.[0-9]+`)

// released says when each release was: as told, else when enough users had run it.
func (t *truth) released() map[release]int64 {
	active := distinct[string]{}
	for _, s := range t.stays {
		if s.known && s.LastSeenAt > t.end-28*day {
			active.add(s.Service, s.user)
		}
	}
	at := map[release]int64{}
	adopted := t.adopted()
	for r := range t.rank {
		if row, told := t.told[r]; told {
			at[r] = row.ReleasedAt
			continue
		}
		enough := max(5, (active.n(r.service)+999)/1000)
		if times := slices.Sorted(maps.Values(adopted[r])); len(times) >= enough {
			at[r] = times[enough-1]
		}
	}
	return at
}

// newer are the releases of the same channel that are newer, the oldest first.
func (t *truth) newer(r release, at map[release]int64) (list []release) {
	for _, version := range t.versions[r.service][t.rank[r]:] {
		other := release{r.service, version}
		if _, is := at[other]; is && t.channel(other) == t.channel(r) {
			list = append(list, other)
		}
	}
	return list
}

func (t *truth) releases() (a answer) {
	released := t.released()
	for r, at := range released {
		row, told := t.told[r]
		behind := len(t.newer(r, released))
		end, supported := any(null), any(null)
		if row.EndOfSupport != nil {
			end, supported = moment(*row.EndOfSupport), *row.EndOfSupport > t.end
		}
		text := func(text string) string { return orNull(text, text != "") }
		a.row(r.service, r.version, t.rank[r], "#", line.FindString(r.version), t.channel(r), text(row.Kind),
			moment(at), told,
			behind == 0, behind, text(row.MinimumSupported), end, supported, text(row.NotesURL))
	}
	return a
}

// ranOn says who ran what on a day: of the active known users of each service, the version of the last event that has
// one.
type runs struct {
	t    *truth
	last map[[2]string]map[int64]fact // by service and user, then by day
}

func (t *truth) runs() runs {
	last := map[[2]string]map[int64]fact{}
	for _, f := range t.of() {
		key, date := [2]string{f.Service, f.User}, int64(dayOf(f.Time))
		if f.version == null {
			continue
		}
		if last[key] == nil {
			last[key] = map[int64]fact{}
		}
		if known, ok := last[key][date]; !ok ||
			cmp.Or(cmp.Compare(f.Time, known.Time), cmp.Compare(f.version, known.version)) > 0 {
			last[key][date] = f
		}
	}
	return runs{t, last}
}

// on counts the active users of each version of a service on a day.
func (r runs) on(date int64) map[release]int {
	users := map[release]int{}
	for key, days := range r.last {
		for back := int64(0); back < 28; back++ {
			if f, ok := days[date-back*day]; ok {
				users[release{key[0], f.version}]++
				break
			}
		}
	}
	return users
}

// uptaken is a row of uptake.
type uptaken struct {
	release
	day, date   int64
	users, base int
	share       any
	before      any
	beforeShare any
}

func (t *truth) uptakes() (list []uptaken) {
	if t.uptaken != nil {
		return t.uptaken
	}
	released, ran := t.released(), t.runs()
	counted := map[int64]map[release]int{}
	shares := map[release]map[int64]any{}
	for r, at := range released {
		shares[r] = map[int64]any{}
		for n := int64(0); n <= 180 && int64(dayOf(at))+n*day <= int64(dayOf(t.end)); n++ {
			date := int64(dayOf(at)) + n*day
			if counted[date] == nil {
				counted[date] = ran.on(date)
			}
			u := uptaken{release: r, day: n, date: date, users: counted[date][r]}
			for other, users := range counted[date] {
				if other.service == r.service && t.channel(other) == t.channel(r) {
					u.base += users
				}
			}
			u.share = part(u.users, u.base)
			shares[r][n] = u.share
			list = append(list, u)
		}
	}
	for i := range list {
		u := &list[i]
		u.before, u.beforeShare = null, null
		for _, version := range t.versions[u.service][:t.rank[u.release]-1] {
			older := release{u.service, version}
			if share, as := shares[older][u.day]; as && t.channel(older) == t.channel(u.release) {
				u.before, u.beforeShare = version, share
			}
		}
	}
	t.uptaken = list
	return list
}

func (t *truth) uptake() (a answer) {
	released := t.released()
	for _, u := range t.uptakes() {
		low, high := wilson(u.users, u.base)
		a.row(u.service, u.version, t.rank[u.release], t.channel(u.release), moment(released[u.release]),
			u.day, moment(u.date),
			u.users, u.base, u.share, low, high, u.base < few, u.before, u.beforeShare)
	}
	return a
}

func (t *truth) uptakeSummary() (a answer) {
	released := t.released()
	days := map[release][]uptaken{}
	for _, u := range t.uptakes() {
		days[u.release] = append(days[u.release], u)
	}
	for r, list := range days {
		slices.SortFunc(list, func(a, b uptaken) int { return cmp.Compare(a.day, b.day) })
		first := func(at float64) any {
			for _, u := range list {
				if share, ok := u.share.(float64); ok && share >= at {
					return u.day
				}
			}
			return null
		}
		ceiling, ceilingDay := any(null), int64(0)
		for _, u := range list {
			if share, ok := u.share.(float64); ok && (ceiling == null || share > ceiling.(float64)) {
				ceiling, ceilingDay = share, u.day
			}
		}
		last, change := list[len(list)-1], any(null)
		if len(list) > 7 {
			now, is := last.share.(float64)
			then, was := list[len(list)-8].share.(float64)
			if is && was {
				change = now - then
			}
		}
		a.row(r.service, r.version, t.rank[r], t.channel(r), moment(released[r]), len(list), first(0.1), first(0.5),
			first(0.9),
			ceiling, ceilingDay, last.share, change, last.users, last.base, last.base < few)
	}
	return a
}

func (t *truth) rollouts() (a answer) {
	at := map[release]map[int64]uptaken{}
	for _, u := range t.uptakes() {
		if at[u.release] == nil {
			at[u.release] = map[int64]uptaken{}
		}
		at[u.release][u.date] = u
	}
	for r, row := range t.told {
		for i, step := range row.Rollout {
			ends, until := any(null), int64(math.MaxInt64)
			if i+1 < len(row.Rollout) {
				until = row.Rollout[i+1].At
				ends = moment(until)
			}
			reached := int64(-1)
			for date := range at[r] {
				if date >= int64(dayOf(step.At)) && (ends == null || date < int64(dayOf(until))) {
					reached = max(reached, date)
				}
			}
			cells := []any{r.service, r.version, t.rank[r], t.channel(r), i + 1, moment(step.At), ends, step.Share}
			if u, ok := at[r][reached]; ok {
				low, high := wilson(u.users, u.base)
				over := any(null)
				if low != null {
					over = low.(float64) > step.Share
				}
				cells = append(cells, moment(reached), u.users, u.share, low, high, u.base < few, over)
			} else {
				cells = append(cells, null, null, null, null, null, null, null)
			}
			a.row(cells...)
		}
	}
	return a
}

func (t *truth) stuckUsers() (a answer) {
	released := t.released()
	newest := map[[2]string]int{} // rank, by service and device
	for _, s := range t.stays {
		key := [2]string{s.Service, s.on()}
		newest[key] = max(newest[key], t.rank[s.release()])
	}
	for _, s := range t.active(true) {
		newer := t.newer(s.release(), released)
		if len(newer) < 2 {
			continue
		}
		var times []int64
		for _, r := range newer {
			times = append(times, released[r])
		}
		slices.Sort(times)
		if s.LastSeenAt < times[1]+7*day {
			continue
		}
		got := map[string]bool{}
		for _, f := range t.of(telemetry.KindNotification) {
			if f.User == s.user && f.Service == s.Service &&
				t.rank[release{f.Service, f.Target}] > t.rank[s.release()] &&
				f.Time >= s.ValidFrom {
				got[f.Status] = true
			}
		}
		a.row(s.Service, s.user, s.on(), s.Version, t.rank[s.release()], t.channel(s.release()), moment(s.ValidFrom),
			moment(s.LastSeenAt), len(newer), newer[len(newer)-1].version, moment(times[1]),
			stuckReason(s.HasDevice && newest[[2]string{s.Service, s.on()}] <= t.rank[s.release()], got))
	}
	return a
}

func stuckReason(noneOnDevice bool, got map[string]bool) string {
	if noneOnDevice {
		return "no newer version on the device"
	}
	for _, each := range [][2]string{{"Failed", "failed"}, {"Accepted", "accepted, not upgraded"},
		{"Dismissed", "dismissed"},
		{"Shown", "unknown"}, {"Sent", "told, not shown"}} {
		if got[each[0]] {
			return each[1]
		}
	}
	if len(got) > 0 {
		return "unknown"
	}
	return "never told"
}
