package laketest

import (
	"errors"
	"fmt"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forget"
	"github.com/versionlake/versionlake/telemetry"
)

// FillTogetherWorld is a world of two users of whom each has a session alone, one with the other, and one with others.
func (in *Ingester) FillTogetherWorld() (hour telemetry.Hour) {
	in.TB.Helper()
	in.Put("27T05/a.tsv", Sighting("27T05:10", GoneSession, "1.0"), Sighting("27T05:11", Gone2Session, "1.0"),
		Sighting("27T05:12", BothSession, "1.0"),
		Sighting("27T05:13", threeSession, "1.0"), Sighting("27T05:14", "s1", "1.0"))
	in.Put("27T06/a.tsv", Login("27T06:00", GoneSession, Gone), Login("27T06:01", Gone2Session, Gone2),
		Login("27T06:10", BothSession, Gone),
		DeviceInfo("27T06:11", BothSession, "Tablet"), Sighting("27T06:12", BothSession, "2.0"),
		Login("27T06:20", BothSession, Gone2), Sighting("27T06:22", BothSession, "2.1"),
		Login("27T06:30", threeSession, Gone), Login("27T06:40", threeSession, Gone2),
		Sighting("27T06:42", threeSession, "3.0"),
		Login("27T06:50", threeSession, "p2"), DeviceInfo("27T06:51", threeSession, "Phone"),
		Sighting("27T06:52", threeSession, "3.1"))
	in.Put("27T07/a.tsv", Sighting("27T07:00", BothSession, "2.2"), Event("27T07:01", BothSession, "Chat"),
		Sighting("27T07:02", threeSession, "3.2"),
		Event("27T07:03", "s9", "Crash", "Message", Gone+" met "+Gone2, "UserId", "p2"))
	hour = HourAt(in.TB, "2022-05-27T05")
	for i := range 3 {
		in.Ingest(hour + telemetry.Hour(i))
	}
	return hour
}

// ForgetLikeWorkflow takes the steps as ForgetUser does, again and again while the proof finds the user. It tells
// whether another run ended the erasure.
func (in *Ingester) ForgetLikeWorkflow(erasure string) (elsewhere bool, err error) {
	in.TB.Helper()
	var remains []forget.Remain
	for range 5 {
		tables, proof, err := in.ForgetOnce(erasure)
		remains = proof.Remains
		if err == nil && len(proof.Remains) == 0 {
			in.retry(func() error {
				_, err = forget.FinishForget(in.TB.Context(), in.Lake, erasure, tables, proof)
				return err
			})
		}
		switch {
		case errors.Is(err, lake.ErrNotForgetting):
			_, err := forget.EndedErasure(in.TB.Context(), in.Lake, erasure)
			return true, err
		case err != nil && !errors.Is(err, lake.ErrStale):
			return false, err
		case err == nil && len(proof.Remains) == 0:
			return false, nil
		}
	}
	return false, fmt.Errorf("after five tries the proof finds %+v", remains)
}

// retry is what Temporal does with a step that fails: once more, unless that can't help.
func (in *Ingester) retry(step func() error) {
	in.TB.Helper()
	for range 50 {
		if err := step(); err == nil || errors.Is(err, lake.ErrStale) || errors.Is(err, lake.ErrNotForgetting) ||
			in.TB.Context().Err() != nil {
			return
		}
	}
}

func (in *Ingester) ForgetOnce(erasure string) (tables []forget.ErasedTable, proof forget.Proof, err error) {
	ctx := in.TB.Context()
	in.retry(func() error { _, err = forget.FindSessions(ctx, in.Lake, erasure, telemetry.Options{}); return err })
	for _, name := range forget.ErasableTables() {
		if err == nil {
			in.retry(func() error {
				var erased forget.ErasedTable
				if erased, err = forget.EraseTable(ctx, in.Lake, erasure, name, telemetry.Options{},
					func(int64) {}); err == nil {
					tables = append(tables, erased)
				}
				return err
			})
		}
	}
	for _, step := range []func() error{
		func() error { return forget.RecountErased(ctx, in.Lake, erasure) },
		func() error { _, err := forget.SweepForgotten(ctx, in.Lake, erasure); return err },
		func() (err error) {
			proof, err = forget.ProveForgotten(ctx, in.Lake, erasure, func(int64) {})
			return err
		},
	} {
		if err == nil {
			in.retry(func() error { err = step(); return err })
		}
	}
	return tables, proof, err
}
