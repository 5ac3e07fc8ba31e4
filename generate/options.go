// Package generate makes believable telemetry from a seed number: releases that roll out in stages, users with several
// devices, downgrades, notifications before upgrades, sessions that cross the hour, late clients, wrong clocks, retries
// and broken lines. What it writes it also tells, as typed events, so that answers can be checked without SQL.
//
// Everything about a user follows from the seed and the user's number by hashing. Nothing is remembered between hours:
// memory depends on the lines of one file, and neither time nor the number of processors changes a byte.
package generate

import (
	"errors"
	"fmt"
	"time"

	"github.com/versionlake/versionlake/telemetry"
)

// Options describe a world. Start from Defaults: a zero is a zero, not a default. Fractions are from 0 to 1.
type Options struct {
	Seed uint64

	From         telemetry.Hour // the first hour
	Hours        int
	Users        int
	LinesPerHour int // on average over a day, roughly
	FilesPerHour int

	SessionLength time.Duration // on average; no session reaches an hour
	Cadence       time.Duration // between two releases of the main product; the others have rhythms of their own

	Daily    float64 // how far activity swings with the time of day; 0 is flat
	NewUsers float64 // installations that appear during the world; the others are older than it

	Anonymous float64 // sessions that never say whose they are
	Shared    float64 // sessions in which somebody else logs in half way
	// sessions, of those that say whose they are, that are nobody's for their last part: a Logout, or a Login of nobody
	Ended      float64
	Deviceless float64 // installations that never say on what device they are
	Named      float64 // bodies that name the user, in sessions that do
	Dialects   float64 // installations whose clients write times and bodies in another of the accepted ways
	Skewed     float64 // installations whose clock is wrong, by up to twelve hours
	Late       float64 // sessions that arrive up to MaxLate hours late, whole or with their Login only
	MaxLate    int     // hours
	Repeated   float64 // lines that a client sends twice within the hour
	Bad        float64 // lines followed by one that no parser should accept
	EmptyHours float64 // hours without any file
	Compressed float64 // files written as .gz or .zst

	Empty  []telemetry.Hour // these hours have no file, whatever EmptyHours says
	Broken []telemetry.Hour // in these hours every tenth line is followed by a bad one
	Script []Event          // written as they are to a file of their own, script.tsv, in the hour that they name
}

// Defaults is a small company over two weeks: ten thousand users, 20,000 lines an hour, and a little of everything that
// goes wrong.
func Defaults() Options {
	from, _ := telemetry.ParseHour("2022-05-16T00")
	return Options{
		Seed: 1, From: from, Hours: 14 * 24, Users: 10_000, LinesPerHour: 20_000, FilesPerHour: 4,
		SessionLength: 20 * time.Minute, Cadence: 7 * 24 * time.Hour, Daily: 0.6, NewUsers: 0.25,
		Anonymous: 0.05, Shared: 0.01, Deviceless: 0.03, Named: 0.1, Dialects: 0.1, Skewed: 0.01, Late: 0.02,
		MaxLate: 6, Repeated: 0.005, Bad: 0.001,
		EmptyHours: 0.01, Compressed: 0.3,
	}
}

// Benchmark is a world to measure with: hours of 2 million lines, 350 MB and 200,000 users, in plain files of plain
// lines, nothing late, broken or repeated, every session with a Login.
func Benchmark(hours int) Options {
	from, _ := telemetry.ParseHour("2021-12-24T11")
	return Options{
		Seed: 1, From: from, Hours: hours, Users: 200_000, LinesPerHour: 2_000_000, FilesPerHour: 8,
		SessionLength: 4 * time.Minute, Cadence: 7 * 24 * time.Hour, NewUsers: 0.01,
	}
}

// The most that the packing of a file's plan can hold, and far more than a believable world needs.
const (
	maxLinesPerSession = 1 << 17
	maxUsersPerFile    = 1 << 17 // an hour may get the late sessions of many, 2^22 in all
	maxLinesPerFile    = 1 << 24 // eight bytes each while the file is made
	minLinesPerSession = 10      // below this, fewer users are active rather than sessions shorter
)

// Validate says what is wrong with the options, all of it at once.
func (o Options) Validate() error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	check(o.Hours > 0, "hours: %d, need at least 1", o.Hours)
	check(o.Users > 0, "users: %d, need at least 1", o.Users)
	check(o.LinesPerHour > 0, "lines per hour: %d, need at least 1", o.LinesPerHour)
	check(o.FilesPerHour > 0 && o.FilesPerHour <= 10_000, "files per hour: %d, need 1 to 10000", o.FilesPerHour)
	check(o.SessionLength >= time.Second && o.SessionLength <= 30*time.Minute, "session length: %v, need 1s to 30m",
		o.SessionLength)
	check(o.Cadence >= time.Hour, "cadence of releases: %v, need at least an hour", o.Cadence)
	check(o.MaxLate >= 0 && o.MaxLate <= 23, "hours late: %d, need 0 to 23", o.MaxLate)
	for _, f := range []struct {
		name  string
		value float64
	}{
		{"daily swing", o.Daily}, {"new users", o.NewUsers}, {"anonymous", o.Anonymous}, {"shared", o.Shared}, {"ended",
			o.Ended}, {"deviceless", o.Deviceless}, {"named", o.Named},
		{"dialects", o.Dialects}, {"skewed", o.Skewed}, {"late", o.Late}, {"repeated", o.Repeated}, {"bad", o.Bad},
		{"empty hours", o.EmptyHours}, {"compressed", o.Compressed},
	} {
		check(f.value >= 0 && f.value <= 1, "%s: %v, need a fraction from 0 to 1", f.name, f.value)
	}
	first, last := o.From.Start(), (o.From + telemetry.Hour(max(o.Hours, 0))).Start()
	check(first.Year() >= 1971 && last.Year() <= 9998, "hours from %s to %s: need years from 1971 to 9998", o.From,
		last.Format(time.DateOnly))
	if len(faults) == 0 {
		check(o.LinesPerHour/o.Users < maxLinesPerSession/4, "%d lines an hour from %d users: need more users",
			o.LinesPerHour, o.Users)
		check(o.LinesPerHour/o.FilesPerHour <= maxLinesPerFile, "%d lines in %d files an hour: need more files",
			o.LinesPerHour, o.FilesPerHour)
		check(o.Users/o.FilesPerHour < maxUsersPerFile, "%d users in %d files an hour: need more files",
			o.Users, o.FilesPerHour)
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	return nil
}
