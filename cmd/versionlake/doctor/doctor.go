// Package doctor has the command that checks what versionlake stands on, each part against the real thing.
package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/checks"
	"github.com/versionlake/versionlake/terminal"
)

// Commands are those of this package.
func Commands(s *settings.Settings) []*cobra.Command {
	return usage.InGroup(usage.Upkeep, newDoctor(s, checks.UsedShare))
}

type doctor struct {
	*settings.Settings
	findings []finding
	used     func(folder string) (float64, error) // the share of its disk

	lake   *lake.Lake // nil where there is none, or none that can be opened
	clocks []clock
}

// finding is what was found of one thing, as --output json writes it.
type finding struct {
	Check string `json:"check"`
	State string `json:"state"` // of those below
	Found string `json:"found"`
	Do    string `json:"do,omitempty"`
	Why   string `json:"why,omitempty"` // an error, as somebody else words it
}

// States of findings.
const (
	ok      = "ok"
	note    = "note"    // nothing is wrong, and something is not there
	warning = "warning" // it works, and should not stay so
	wrong   = "wrong"   // something does not work
)

// patience is how long each part may take to answer.
const patience = 10 * time.Second

func newDoctor(s *settings.Settings, used func(folder string) (float64, error)) *cobra.Command {
	o := &doctor{Settings: s, used: used}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check what versionlake stands on: source, catalog, warehouse, Temporal, Trino, clocks, rights, disk",
		Long: `doctor tries each thing that versionlake stands on, and prints a line about it: what was found, and what
to do. It reads the begin of the newest file of the source, and says whether its lines can be read and tell
a version; it writes a small object to the warehouse and removes it, and asks the catalog, Temporal and
Trino for what commands will ask them for. It changes nothing else.

The first lines name the settings that differ from the defaults, and where each comes from: the command
line, a variable, the file versionlake.yaml in --dir, or the lake, which keeps those that decide what its
hours mean.

It ends with 0 where nothing is wrong, with warnings or without, and with 1 otherwise.`,
		Example: `  versionlake doctor
  versionlake doctor --source s3://telemetry/service-logs
  versionlake doctor --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	s.AddTrinoFlag(cmd)
	return cmd
}

func (d *doctor) run(ctx context.Context) error {
	defer func() {
		if d.lake != nil {
			d.lake.Close()
		}
	}()
	for _, check := range []func(context.Context){
		d.checkCatalog, d.checkSettings, d.checkSource, d.checkWarehouse, d.checkTemporal, d.checkTrino,
		d.checkClocks, d.checkRights, d.checkDisk,
	} {
		within, cancel := context.WithTimeout(ctx, patience)
		check(within)
		cancel()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return d.print()
}

// say keeps what was found.
func (d *doctor) say(check, state, found, do string) {
	d.findings = append(d.findings, finding{check, state, found, do, ""})
}

// sayWhy keeps what went wrong, with the error for those who need it: what to do comes first.
func (d *doctor) sayWhy(check, found, do string, why error) {
	d.findings = append(d.findings, finding{check, wrong, found, do, text(why)})
}

// order is that in which findings are printed; the lake is opened first, since it keeps settings, too.
var order = []string{"settings", "source", "layout", "lines", "catalog", "warehouse", "temporal", "trino", "clocks",
	"rights",
	"disk"}

func (d *doctor) print() error {
	count := map[string]int{}
	p := d.NewPrinter()
	for _, check := range order {
		for _, f := range d.findings {
			if f.Check != check {
				continue
			}
			count[f.State]++
			if d.Objects() {
				if err := p.Add(f); err != nil {
					return err
				}
				continue
			}
			do := ""
			if f.Do != "" {
				do = ": " + f.Do
			}
			if f.Why != "" {
				do += " (" + f.Why + ")"
			}
			d.Stdout.Printf("%-8s %-10s %s%s\n", f.State, f.Check, f.Found, do)
		}
	}
	if err := p.Flush(); err != nil {
		return err
	}
	if count[wrong] > 0 {
		return usage.WithExit(1, nil)
	}
	return nil
}

// checkSettings says which file counts, and where each setting comes from.
func (d *doctor) checkSettings(context.Context) {
	if d.HasFile() {
		d.say("settings", ok, d.File()+" counts", "")
	} else {
		d.say("settings", note, "there is no "+d.File(), "")
	}
	for _, origin := range d.Origins() {
		d.say("settings", ok, fmt.Sprintf("%s is %s, by %s", origin.Name, origin.Value, origin.From), "")
	}
}

func text(err error) string { return terminal.Error(err) }
