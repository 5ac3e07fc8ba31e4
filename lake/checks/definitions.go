package checks

// States of a check.
const (
	OK      = "ok"
	Warn    = "warn"
	Fail    = "fail"
	Unknown = "unknown" // it could not be found out, and what was known before stays
)

// Definition is what is known of a check before it looks.
type Definition struct {
	Name string
	What string // what it finds, as docs/CHECKS.md says it
	Unit string // of its figure
	// Warn and Fail are the figures from which it warns and fails; nil: never.
	Warn, Fail *float64
	// Least is what an hour must have, at the least, for its figure to count; nil: it has no such bound.
	Least *float64
	// Event marks what is news and no state: that it is over is not told.
	Event bool
}

func limit(figure float64) *float64 { return &figure }

// Names of checks that others refer to.
const (
	CheckLake        = "lake"
	CheckDisk        = "disk"
	CheckWorkers     = "workers"
	CheckSource      = "source"
	CheckLate        = "hours_late"
	CheckFreshness   = "freshness"
	CheckDegraded    = "hours_degraded"
	CheckEmpty       = "hours_empty"
	CheckRejects     = "rejects"
	CheckLines       = "lines"
	CheckGone        = "files_gone"
	CheckGold        = "gold_behind"
	CheckDaily       = "daily_behind"
	CheckMaintenance = "maintenance"
	CheckVerify      = "verify"
	CheckVersions    = "new_versions"
	CheckDevices     = "new_devices"
	CheckAdoption    = "adoption"
	CheckIssues      = "issues_of_release"
	CheckDowngrades  = "downgrades"
	CheckSwitchOff   = "switch_off"
	CheckRules       = "rules"
	CheckLists       = "lists"
)

// BuiltIn are the checks that need no SQL, in the order in which they are shown.
var BuiltIn = []Definition{
	{Name: CheckLake, Unit: "", Fail: limit(1),
		What: "the catalog or the warehouse can't be read, or written to: S3, the database or a disk does not do its " +
			"part"},
	{Name: CheckDisk, Unit: "share used", Warn: limit(0.9), Fail: limit(0.97),
		What: "a disk fills up: that of a local warehouse, of --dir, or of TMPDIR"},
	{Name: CheckWorkers, Unit: "missing", Fail: limit(1),
		What: "Temporal does not answer, or no worker asks it for work"},
	{Name: CheckRules, Unit: "", Fail: limit(1), What: "the file of rules can't be read: nobody is called"},
	{Name: CheckSource, Unit: "", Fail: limit(1), What: "a schedule found not one folder of an hour in the source"},
	{Name: CheckLate, Unit: "hours", Warn: limit(1), Fail: limit(3),
		What: "hours of the last seven days have not been ingested; how long ago the first of them ended"},
	{Name: CheckFreshness, Unit: "hours", Warn: limit(2.5), Fail: limit(6),
		What: "how long ago the newest hour ended that has files"},
	{Name: CheckDegraded, Unit: "hours", Warn: limit(1),
		What: "hours of the last seven days whose last run left out a file whole"},
	{Name: CheckEmpty, Unit: "hours", Fail: limit(1),
		What: "hours of the last seven days without a file, though the same hour of the weekday never was without " +
			"in the four weeks before"},
	{Name: CheckRejects, Unit: "share", Warn: limit(0.05), Fail: limit(0.2), Least: limit(100),
		What: "the largest share of lines that an hour of the last seven days rejected"},
	{Name: CheckLines, Unit: "times", Warn: limit(3), Least: limit(100),
		What: "how many times more, or fewer, lines an hour of the last seven days has than the median of the same " +
			"hour of the weekday in the four weeks before"},
	{Name: CheckGone, Unit: "files", Warn: limit(1),
		What: "files of the last seven days that left the source; their rows stay"},
	{Name: CheckGold, Unit: "minutes", Warn: limit(30), Fail: limit(120),
		What: "how long an hour that is in silver has waited for gold"},
	{Name: CheckDaily, Unit: "minutes", Warn: limit(60), Fail: limit(360),
		What: "the same for gold.events and the daily aggregates"},
	{Name: CheckMaintenance, Unit: "hours", Warn: limit(30), Fail: limit(72),
		What: "how long ago maintenance last succeeded; it fails, too, where the last one failed"},
	{Name: CheckVerify, Unit: "differences", Fail: limit(1),
		What: "what the last versionlake verify of all hours found"},
	{Name: CheckLists, Unit: "lists", Fail: limit(1),
		What: "lists of the rules that were not written when they were due last"},
	{Name: CheckVersions, Unit: "users", Warn: limit(10), Event: true,
		What: "a version had so many users on a day of the last two, and never before"},
	{Name: CheckDevices, Unit: "users", Warn: limit(10), Event: true, What: "likewise a device"},
	{Name: CheckAdoption, Unit: "share", Warn: limit(0.5), Event: true,
		What: "a version had such a part of a day's users of its service, of a hundred at least, on one of the last " +
			"two whole days, and never before"},
	{Name: CheckIssues, Unit: "times", Warn: limit(1),
		What: "how many times more issues per 1000 users a day the newest release has than the one before it had at " +
			"equal age, at the least: the lower end of its interval by the upper end of the other's"},
	{Name: CheckDowngrades, Unit: "times", Warn: limit(1.5),
		What: "how many times more downgrades per 1000 users one of the last two whole days has than the four weeks " +
			"before, at the least: by the ends of intervals, too"},
	{Name: CheckSwitchOff, Unit: "goals", Warn: limit(1),
		What: "as few users as a goal says run a version or an older one: it can be switched off"},
}

// Limits replace those of a definition.
type Limits struct {
	Off   bool     `json:"off,omitempty" yaml:"off"`
	Warn  *float64 `json:"warn,omitempty" yaml:"warn"`
	Fail  *float64 `json:"fail,omitempty" yaml:"fail"`
	Least *float64 `json:"least,omitempty" yaml:"least"`
}

// definition finds a built-in check, with the limits that were set in place of its own.
func (o *Options) definition(name string) (Definition, bool) {
	for _, d := range BuiltIn {
		if d.Name != name {
			continue
		}
		set := o.Limits[name]
		for _, each := range []struct{ to, from **float64 }{{&d.Warn, &set.Warn}, {&d.Fail, &set.Fail},
			{&d.Least, &set.Least}} {
			if *each.from != nil {
				*each.to = *each.from
			}
		}
		return d, !set.Off
	}
	panic("there is no check " + name)
}

// IsBuiltIn tells whether a check of the name is there without SQL.
func IsBuiltIn(name string) bool {
	for _, d := range BuiltIn {
		if d.Name == name {
			return true
		}
	}
	return false
}
