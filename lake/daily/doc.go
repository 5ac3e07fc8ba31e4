// Package daily keeps the daily aggregates, gold.version_daily and gold.event_daily: a refresh finds the dates that
// may have changed, counts these anew and replaces their months (docs/ARCHITECTURE.md, Daily aggregates).
package daily
