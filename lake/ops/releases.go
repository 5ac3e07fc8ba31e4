package ops

// ReleaseRow is a row of ops.releases.
type ReleaseRow struct {
	// Service or product.
	Service string `parquet:"service,dict,id(1)"`
	// Version, as telemetry spells it.
	Version string `parquet:"version,id(2)"`
	// When it was released, UTC.
	ReleasedAt int64 `parquet:"released_at,timestamp(microsecond),id(3)"`
	// For whom it is: stable, beta …
	Channel string `parquet:"channel,dict,id(4)"`
	// What kind of release it is: major, minor, hotfix …; NULL: nobody said.
	Kind string `parquet:"kind,optional,dict,id(5)"`
	// Oldest version of the service that is supported from this release on; NULL: nobody said.
	MinimumSupported string `parquet:"minimum_supported,optional,id(6)"`
	// When support of this version ends, UTC; NULL: nobody said.
	EndOfSupport *int64 `parquet:"end_of_support,optional,timestamp(microsecond),id(7)"`
	// Where its notes are; NULL: nobody said.
	NotesURL string `parquet:"notes_url,optional,id(8)"`
	// Steps by which it is rolled out, in their order; none: to everyone at once.
	Rollout []StepRow `parquet:"rollout,list,id(9)" parquet-element:",id(10)"`
}

// StepRow is a step of a rollout.
type StepRow struct {
	// When the step begins, UTC.
	At int64 `parquet:"at,timestamp(microsecond),id(11)"`
	// Part of the users who may have the release from then on, 0 to 1.
	Share float64 `parquet:"share,id(12)"`
}
