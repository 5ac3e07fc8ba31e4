package verify

import "github.com/versionlake/versionlake/telemetry"

// Options say what to check; the zero value is everything.
type Options struct {
	// From and To bound the hours whose bronze, silver and ledger are compared: [From, To), everything when both
	// are zero. Gold is always checked as a whole.
	From, To telemetry.Hour
	// Parsing is what the hours were ingested with; its Hour is not looked at.
	Parsing telemetry.Options
	// Progress is told what is being checked, and how far that is; may be nil.
	Progress func(doing string, done, total int, unit string)
}

// Difference is something that contradicts one of the six rules (docs/ARCHITECTURE.md, The six rules).
type Difference struct {
	Rule    int    `json:"rule"`
	Table   string `json:"table"`
	Version string `json:"version,omitempty"` // of gold: a tag, or a snapshot's id
	Hour    string `json:"hour,omitempty"`
	File    string `json:"file,omitempty"` // a source file, with a line where one is meant: 2022/05/27/05/a.tsv:12
	User    string `json:"user,omitempty"`
	Text    string `json:"text"`
	// Object is an object of the warehouse that could not be read, and so not compared. Of a data file, the hours are
	// those that it may hold, from Hour to LastHour, and Rows those that it has by its table.
	Object   string `json:"object,omitempty"`
	LastHour string `json:"last_hour,omitempty"`
	Rows     int64  `json:"rows,omitempty"`
	Kind     Kind   `json:"kind,omitempty"`
}

// Kind is what an object is that could not be read.
type Kind string

// Kinds of objects.
const (
	Metadata     Kind = "metadata" // of a table
	ManifestList Kind = "manifest list"
	Manifest     Kind = "manifest"
	DataFile     Kind = "data file"
	// DeleteFiles are another engine's, that say which rows of data files are deleted.
	DeleteFiles Kind = "manifest of delete files"
)

// Verified is what a Verify looked at.
type Verified struct {
	Hours       int64    `json:"hours"`
	Files       int64    `json:"files"` // versions of source files
	Events      int64    `json:"events"`
	Rejects     int64    `json:"rejects"`
	Silver      int64    `json:"silver_events"`
	Sightings   int64    `json:"sightings"`
	Bindings    int64    `json:"bindings"`
	Users       int64    `json:"users"`
	Versions    int64    `json:"versions"` // snapshots of gold.users
	Tags        int64    `json:"tags"`
	Resolved    int64    `json:"gold_events,omitempty"`
	Daily       int64    `json:"daily"` // rows of gold.version_daily and gold.event_daily
	Differences int64    `json:"differences"`
	Unreadable  int64    `json:"unreadable,omitempty"` // of them: objects that could not be read
	Notes       []string `json:"notes"`                // what is no fault, or could not be checked
}
