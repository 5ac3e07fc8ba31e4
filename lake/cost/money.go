package cost

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/versionlake/versionlake/lake/ledger"
)

// Prices are what a store and processors ask for.
type Prices struct {
	Currency string `json:"currency"`
	AsOf     string `json:"as_of"` // the date of the prices
	Note     string `json:"note"`  // whose they are
	// StorageGiBMonth is for a GiB over a month of 730 hours.
	StorageGiBMonth float64 `json:"storage_gib_month"`
	// Per1000Requests is by kind: write, list, read, delete.
	Per1000Requests map[string]float64 `json:"per_1000_requests"`
	CPUHour         float64            `json:"cpu_hour"`
}

// Kinds of requests, as stores price them.
var Kinds = []string{"write", "list", "read", "delete"}

// ReadPrices reads a file of prices. A price that it lacks is an error, and one that nobody knows too.
func ReadPrices(file io.Reader) (*Prices, error) {
	p := &Prices{StorageGiBMonth: -1, CPUHour: -1}
	decoder := json.NewDecoder(file)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(p); err != nil {
		return nil, err
	}
	if p.Currency == "" || p.AsOf == "" {
		return nil, fmt.Errorf("currency and as_of, the date of the prices, are missing")
	}
	if p.StorageGiBMonth < 0 || p.CPUHour < 0 {
		return nil, fmt.Errorf("storage_gib_month and cpu_hour are prices, 0 where there is none")
	}
	for _, kind := range Kinds {
		if price, ok := p.Per1000Requests[kind]; !ok || price < 0 {
			return nil, fmt.Errorf("per_1000_requests has no price for %s", kind)
		}
	}
	if len(p.Per1000Requests) != len(Kinds) {
		return nil, fmt.Errorf("per_1000_requests has more than %v", Kinds)
	}
	return p, nil
}

const monthHours = 730

// Storage is what bytes cost a month.
func (p *Prices) Storage(bytes int64) float64 { return float64(bytes) / (1 << 30) * p.StorageGiBMonth }

// Work is what a month of hours costs.
func (p *Prices) Work(u Use) float64 {
	sum := u.CPUSeconds / 3600 * p.CPUHour
	for kind, requests := range u.Requests {
		sum += requests / 1000 * p.Per1000Requests[kind]
	}
	return sum * monthHours
}

// Use is what an hour takes, on the average of some hours.
type Use struct {
	Hours      float64            `json:"hours"` // that were ingested meanwhile
	Requests   map[string]float64 `json:"requests"`
	CPUSeconds float64            `json:"cpu_seconds"`
}

// Keep is how long layers are kept; zero is for ever.
type Keep struct {
	Bronze, Events time.Duration
}

// In is what the lake will weigh after a time, by what a day adds now. What older snapshots and metadata take
// beside the live files stays as it is, and what is held longer than Keep goes.
func (w *Weight) In(after time.Duration, keep Keep) int64 {
	bytes := w.Other.Bytes
	for _, t := range w.Tables {
		kept := map[string]time.Duration{ledger.LayerBronze: keep.Bronze, ledger.LayerEvents: keep.Events}[t.KeptFor]
		live := t.Live.Bytes + int64(after.Hours()/24*float64(t.DayBytes))
		if kept > 0 {
			live = min(live, int64(kept.Hours()/24*float64(t.DayBytes)))
		}
		bytes += live + max(0, t.Held.Bytes-t.Live.Bytes)
	}
	return bytes
}

// Held is all that the warehouse holds.
func (w *Weight) Held() int64 {
	bytes := w.Other.Bytes
	for _, t := range w.Tables {
		bytes += t.Held.Bytes
	}
	return bytes
}
