package lake

import "hash/maphash"

// GoldUsers holds the answers; GoldVersions orders versions in SQL. GoldVersionDaily and GoldEventDaily are the daily
// aggregates.
var (
	GoldUsers = TableDefinition{
		Name: "gold.users", Comment: "One row per user, history included.", Row: UserRow{},
		BucketBy: "user_id", OfUsers: true, Ruled: true, properties: metrics("user_id", "full"),
	}
	GoldVersions = TableDefinition{
		Name: "gold.versions", Row: VersionRow{},
		Comment: "One row per version of a service that was ever sighted, with the keys that order it.",
	}
	GoldVersionDaily = TableDefinition{
		Name: "gold.version_daily", Row: VersionDailyRow{}, MonthOf: "date_utc",
		Comment: "One row per date, service, version and device: who was active, what came, went and happened.",
	}
	GoldEventDaily = TableDefinition{
		Name: "gold.event_daily", Row: EventDailyRow{}, MonthOf: "date_utc",
		Comment: "Events of the catalogue counted per date, service, version, device and what they are about.",
	}
)

// DailyTables are the daily aggregates in the order of their commits. The state of the last one is the base of a
// refresh.
var DailyTables = []TableDefinition{GoldEventDaily, GoldVersionDaily}

// UserRow is a row of gold.users.
type UserRow struct {
	// User id, or session:<session id> while nobody is known.
	UserID string `parquet:"user_id,id(1)"`
	// user or session.
	UserKind string `parquet:"user_kind,dict,id(2)"`
	// First sighting, UTC.
	FirstSeenAt int64 `parquet:"first_seen_at,timestamp(microsecond),id(3)"`
	// Last sighting, UTC.
	LastSeenAt int64 `parquet:"last_seen_at,timestamp(microsecond),id(4)"`
	// Service of the interval with the latest valid_from.
	CurrentService string `parquet:"current_service,dict,id(5)"`
	// Device of that interval.
	CurrentDevice string `parquet:"current_device,optional,dict,id(6)"`
	// Version of that interval.
	CurrentVersion string `parquet:"current_version,dict,id(7)"`
	// valid_from of that interval, UTC.
	CurrentSince int64 `parquet:"current_since,timestamp(microsecond),id(8)"`
	// Version before it in the same installation.
	PreviousVersion string `parquet:"previous_version,optional,dict,id(9)"`
	// Different (service, version) pairs in the history.
	VersionCount int64 `parquet:"version_count,id(10)"`
	// All intervals, ordered by valid_from, service, device.
	History []IntervalRow `parquet:"history,list,id(11)" parquet-element:",id(12)"`
	// Older intervals that the history lacks, since it would hold more than --max-intervals; NULL: none. All other
	// columns are of the whole history.
	IntervalsCut int64 `parquet:"intervals_cut,optional,id(21)"`
	// When the last of these ended, UTC: before it the history can't tell what was in effect. 9999-12-31 where one of
	// them has not ended; NULL: none was cut.
	CutBefore *int64 `parquet:"cut_before,optional,timestamp(microsecond),id(22)"`
}

// IntervalRow is an interval of a user's history.
type IntervalRow struct {
	// Service.
	Service string `parquet:"service,dict,id(13)"`
	// Device; NULL where nothing names it.
	Device string `parquet:"device,optional,dict,id(14)"`
	// Version in effect.
	Version string `parquet:"version,dict,id(15)"`
	// First sighting of the version, UTC, inclusive.
	ValidFrom int64 `parquet:"valid_from,timestamp(microsecond),id(16)"`
	// First sighting of the next version, UTC, exclusive; NULL: still in effect.
	ValidTo *int64 `parquet:"valid_to,optional,timestamp(microsecond),id(17)"`
	// Last sighting of the version in this interval, UTC.
	LastSeenAt int64 `parquet:"last_seen_at,timestamp(microsecond),id(18)"`
	// Sightings in this interval.
	Sightings int64 `parquet:"sightings,id(19)"`
	// Whether the version is older than the installation's one before it, false for the first; NULL: the two are not
	// comparable, see docs/VERSIONS.md.
	IsDowngrade *bool `parquet:"is_downgrade,optional,id(20)"`
}

// VersionRow is a row of gold.versions.
type VersionRow struct {
	// Id of the service or product.
	Service string `parquet:"service,dict,id(1)"`
	// Version text, as it came.
	Version string `parquet:"version,id(2)"`
	// Versions of a service are comparable if they have one class: # for those that begin with a number, else their
	// leading word. NULL: it has no order.
	Class string `parquet:"version_class,optional,dict,id(3)"`
	// What decides: of two comparable versions the older has the smaller one, by bytes, and equal ones have the same.
	RankKey string `parquet:"rank_key,id(4)"`
	// rank_key, a blank, and what tells versions of equal rank apart: orders all versions by bytes.
	SortKey string `parquet:"sort_key,id(5)"`
}

// gold.versions is a dictionary: a round of gold adds what it has not met yet, before gold.users shows it; rows go only
// where gold is made anew, and with a forgotten user. So it grows with the number of different versions, and most
// rounds don't touch it.

// VersionName names a version of a service.
type VersionName struct{ Service, Version string }

// versionSeed is another one in each process: whoever makes up versions can't make two that look alike.
var versionSeed = maphash.MakeSeed()

func (n VersionName) Hash() uint64 { return maphash.Comparable(versionSeed, n) }
