package ask

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/lake/cost"
)

type askCost struct {
	*settings.Settings
	prices     string
	workers    []string
	keepBronze string
	keepEvents string
}

func newCost(s *settings.Settings) *cobra.Command {
	o := &askCost{Settings: s}
	cmd := &cobra.Command{
		Use:   "cost",
		Short: "What the lake holds, by layer and table, what it grows by, and what that costs",
		Long: `cost weighs the tables: the files of the newest snapshots, those that any snapshot names, and all that
the warehouse holds. It says what the lake will weigh in a year, by how long bronze and events are kept.

With --prices, a JSON file such as deploy/prices/aws-s3.json, it says what that costs. With --metrics, the
/metrics of each worker, it says what an hour takes: requests and processors, of all that these workers
did since they began, by the hours that they ingested.`,
		Example: `  versionlake cost
  versionlake cost --prices deploy/prices/aws-s3.json --metrics http://worker:9464/metrics
  versionlake cost --keep-bronze 720h --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.prices, "prices", "", "JSON file with prices")
	flags.StringArrayVar(&o.workers, "metrics", nil,
		"the metrics of a worker, http://host:port/metrics; may be repeated")
	flags.StringVar(&o.keepBronze, "keep-bronze", "",
		"forecast the lake with bronze kept so long, such as 2160h; for ever when empty [VERSIONLAKE_KEEP_BRONZE]")
	flags.StringVar(&o.keepEvents, "keep-events", "", "the same for events [VERSIONLAKE_KEEP_EVENTS]")
	return cmd
}

// costs are what --output json writes.
type costs struct {
	*cost.Weight
	HeldBytes int64        `json:"held_bytes"`
	Forecast  []forecast   `json:"forecast"`
	Hour      *cost.Use    `json:"hour,omitempty"`
	Prices    *cost.Prices `json:"prices,omitempty"`
	// StorageMonth and WorkMonth are money, at the prices and what is held and done now.
	StorageMonth *float64 `json:"storage_month,omitempty"`
	WorkMonth    *float64 `json:"work_month,omitempty"`
}

// forecast is what the lake holds in a year.
type forecast struct {
	KeepBronze   string   `json:"keep_bronze"`
	KeepEvents   string   `json:"keep_events"`
	Bytes        int64    `json:"bytes"`
	StorageMonth *float64 `json:"storage_month,omitempty"`
}

const (
	day     = 24 * time.Hour
	year    = 365 * day
	forEver = "for ever"
)

func (o *askCost) run(ctx context.Context) error {
	keep, err := o.keeps()
	if err != nil {
		return err
	}
	var c costs
	if o.prices != "" {
		file, err := os.Open(o.prices)
		if err != nil {
			return usage.Errorf("--prices: %w", err)
		}
		defer file.Close()
		if c.Prices, err = cost.ReadPrices(file); err != nil {
			return usage.Errorf("--prices %s: %w", o.prices, err)
		}
	}
	if len(o.workers) > 0 {
		if c.Hour, err = cost.Scrape(ctx, o.workers); err != nil {
			return err
		}
	}
	l, err := o.ReadLake(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	if c.Weight, err = cost.Weigh(ctx, l); err != nil {
		return err
	}
	c.HeldBytes = c.Held()
	for _, each := range keep {
		f := forecast{KeepBronze: forEver, KeepEvents: forEver, Bytes: c.In(year, each)}
		if each.Bronze > 0 {
			f.KeepBronze = days(each.Bronze)
		}
		if each.Events > 0 {
			f.KeepEvents = days(each.Events)
		}
		if c.Prices != nil {
			f.StorageMonth = new(c.Prices.Storage(f.Bytes))
		}
		c.Forecast = append(c.Forecast, f)
	}
	if c.Prices != nil {
		c.StorageMonth = new(c.Prices.Storage(c.HeldBytes))
		if c.Hour != nil {
			c.WorkMonth = new(c.Prices.Work(*c.Hour))
		}
	}
	if o.Objects() {
		return o.NewPrinter().Add(c)
	}
	return o.print(&c)
}

// keeps are the settings that are forecast: those that were asked for, or some usual ones.
func (o *askCost) keeps() ([]cost.Keep, error) {
	var asked cost.Keep
	for _, each := range []struct {
		flag, value string
		keep        *time.Duration
	}{{"--keep-bronze", o.keepBronze, &asked.Bronze}, {"--keep-events", o.keepEvents, &asked.Events}} {
		if each.value == "" {
			continue
		}
		keep, err := time.ParseDuration(each.value)
		if err != nil || keep <= 0 {
			return nil, usage.Errorf("%s %q is no time such as 2160h", each.flag, each.value)
		}
		*each.keep = keep
	}
	if asked != (cost.Keep{}) {
		return []cost.Keep{{}, asked}, nil
	}
	return []cost.Keep{{}, {Bronze: 90 * day}, {Bronze: 30 * day}, {Bronze: 30 * day, Events: 90 * day}}, nil
}

func days(keep time.Duration) string { return fmt.Sprintf("%g days", keep.Hours()/24) }

func (o *askCost) print(c *costs) error {
	p := o.NewPrinter("TABLE", "LIVE", "ALL SNAPSHOTS", "HELD", "A DAY ADDS")
	layers := map[string]*cost.Table{}
	var order []string
	for _, t := range c.Tables {
		sum, known := layers[t.Layer]
		if !known {
			sum = &cost.Table{Name: t.Layer}
			layers[t.Layer], order = sum, append(order, t.Layer)
		}
		sum.Live.Bytes += t.Live.Bytes
		sum.Named.Bytes += t.Named.Bytes
		sum.Held.Bytes += t.Held.Bytes
		sum.DayBytes += t.DayBytes
		if err := addTable(p, t); err != nil {
			return err
		}
	}
	for _, layer := range order {
		if err := addTable(p, *layers[layer]); err != nil {
			return err
		}
	}
	if err := p.Add(nil, "staged, notes", "–", "–", output.Size(c.Other.Bytes), "–"); err != nil {
		return err
	}
	if err := p.Flush(); err != nil {
		return err
	}
	o.Stdout.Printf("%s held in all%s\n\nin a year:\n", output.Size(c.HeldBytes), o.money(c, c.StorageMonth))
	p = o.NewPrinter("KEEP BRONZE", "KEEP EVENTS", "BYTES", "A MONTH")
	for _, f := range c.Forecast {
		month := "–"
		if f.StorageMonth != nil {
			month = fmt.Sprintf("%.2f %s", *f.StorageMonth, c.Prices.Currency)
		}
		if err := p.Add(f, f.KeepBronze, f.KeepEvents, output.Size(f.Bytes), month); err != nil {
			return err
		}
	}
	if err := p.Flush(); err != nil {
		return err
	}
	if c.Hour != nil {
		o.Stdout.Printf("\nan hour, of %.0f: %.0f requests that write, %.0f that list, %.0f that read; %.1f s of "+
			"processors%s\n",
			c.Hour.Hours, c.Hour.Requests["write"], c.Hour.Requests["list"], c.Hour.Requests["read"], c.Hour.CPUSeconds,
			o.money(c, c.WorkMonth))
	}
	if c.Prices != nil {
		o.Stdout.Printf("\nprices of %s: %s\n", c.Prices.AsOf, c.Prices.Note)
	}
	return nil
}

func (o *askCost) money(c *costs, month *float64) string {
	if month == nil {
		return ""
	}
	return fmt.Sprintf(": %.2f %s a month", *month, c.Prices.Currency)
}

func addTable(p *output.Printer, t cost.Table) error {
	return p.Add(t, t.Name, output.Size(t.Live.Bytes), output.Size(t.Named.Bytes), output.Size(t.Held.Bytes),
		output.Size(t.DayBytes))
}
