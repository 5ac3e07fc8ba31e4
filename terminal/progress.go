package terminal

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Progress shows how far long work is: as a bar on a terminal, as plain lines elsewhere.
type Progress interface {
	// Update says what is being done, and how much of it is done; a total of 0 is not known.
	Update(status string, done, total int64, unit string)
	// Note is a line that stays.
	Note(line string)
	// Interval is how often it is worth asking how far the work is: to answer costs the server more than to show it.
	Interval() time.Duration
	End()
}

// NewProgress shows work of this name.
func (o *Output) NewProgress(name string) Progress {
	if file, ok := o.out.(*os.File); ok && isatty.IsTerminal(file.Fd()) {
		return newBar(file, name)
	}
	return &lines{out: o, name: name}
}

// bar is a progress bar.
type bar struct {
	container *mpb.Progress
	bar       *mpb.Bar
	status    atomic.Value
	estimate  estimate
}

func newBar(out io.Writer, name string, more ...mpb.ContainerOption) *bar {
	b := &bar{container: mpb.New(append(more, mpb.WithOutput(out), mpb.WithWidth(40))...)}
	b.status.Store("starting")
	b.bar = b.container.New(0, mpb.BarStyle().Rbound("|").Lbound("|"),
		mpb.PrependDecorators(decor.Name(Clean(name)+" ")),
		mpb.AppendDecorators(
			decor.CountersNoUnit(" %d of %d "),
			decor.Any(func(decor.Statistics) string { return b.status.Load().(string) }),
		),
	)
	return b
}

func (b *bar) Update(status string, done, total int64, unit string) {
	b.status.Store(Clean(unit + ", " + status + b.estimate.left(time.Now(), done, total)))
	b.bar.SetTotal(total, false)
	b.bar.SetCurrent(done)
}

func (b *bar) Note(line string) { fmt.Fprintln(b.container, Clean(line)) }

func (b *bar) Interval() time.Duration { return 250 * time.Millisecond }

func (b *bar) End() {
	b.bar.Abort(true)
	b.container.Wait()
}

// lines writes a line when the status changes, and now and then when only the figures do.
type lines struct {
	out    *Output
	name   string
	status string
	done   int64
	last   time.Time

	estimate estimate
}

const lineInterval = 5 * time.Second

func (l *lines) Update(status string, done, total int64, unit string) {
	left := l.estimate.left(time.Now(), done, total)
	if status == l.status && (done == l.done || time.Since(l.last) < lineInterval) {
		return
	}
	l.status, l.done, l.last = status, done, time.Now()
	if total == 0 {
		l.out.Printf("%s: %s\n", l.name, status)
		return
	}
	l.out.Printf("%s: %s, %d of %d %s%s\n", l.name, status, done, total, unit, left)
}

func (l *lines) Note(line string) { l.out.Printf("%s\n", line) }

func (l *lines) Interval() time.Duration { return time.Second }

func (l *lines) End() {}

// estimate tells how long work will take that goes on as it did since it was first asked.
type estimate struct {
	began time.Time
	first int64
}

// estimateAfter is how long the work has to run before a guess is worth anything.
const estimateAfter = 5 * time.Second

// left is a text such as ", about 3m10s left"; empty while nobody knows.
func (e *estimate) left(now time.Time, done, total int64) string {
	if e.began.IsZero() || done < e.first {
		e.began, e.first = now, done
	}
	took := now.Sub(e.began)
	if took < estimateAfter || done <= e.first || done >= total {
		return ""
	}
	left := time.Duration(float64(took) * float64(total-done) / float64(done-e.first))
	precision := time.Second
	if left > 2*time.Minute {
		precision = 10 * time.Second
	}
	return fmt.Sprintf(", about %s left", left.Round(precision))
}
