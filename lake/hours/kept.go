package hours

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

// History outlives its source: a file that was read, and is gone or bad now, keeps the rows, rejects and blank
// lines of its last good version. What that was is said by the hour's last run that ended; one that was given up
// half-way never happened.

const (
	// keptRowBytes is about how much text a row of bronze stands for.
	keptRowBytes = 512
	// keptChunkRows is how many rows that stay are the work of one chunk.
	keptChunkRows = 1 << 20
)

// keptPlan is what a plan says of files whose rows stay.
type keptPlan struct {
	// Good are the last good versions of files that were read before, by their place: where a file is gone or bad,
	// its rows stay.
	Good map[int]ledger.File `json:"good,omitempty"`
	// Gone are the places of the files that left the source.
	Gone map[int]bool `json:"gone,omitempty"`
	// From are the snapshots that have the rows, by table; 0: it has none.
	From map[string]int64 `json:"from,omitempty"`
	// Was is the hour's state before, where nothing was listed.
	Was string `json:"was,omitempty"`
	// Noted, where nothing but the ledger has to change since all files are gone: its row before.
	Noted *ledger.Hour `json:"noted,omitempty"`
	// Heads, with Noted: the tables' snapshots, up to which no run of the hour was half-way.
	Heads map[string]int64 `json:"heads,omitempty"`
}

// NotedRow is the ledger's row of an hour that stays as it is, with all its files gone.
func (p *keptPlan) NotedRow() ledger.Hour {
	row := *p.Noted
	row.BadFiles, row.GoneFiles = 0, int64(len(p.Gone))
	return row
}

// hourBefore is what the hour's last run that ended has left.
type hourBefore struct {
	files map[string]ledger.File // the present version of each file, by key
	from  map[string]int64       // by table, the snapshot that has the rows
	half  bool                   // a run committed something since, and has not ended
	row   *ledger.Hour           // of the ledger
}

// before finds out what was read of an hour before; nothing where ops.files does not know the hour.
func before(ctx context.Context, l *lake.Lake, hour telemetry.Hour) (before hourBefore, err error) {
	files, err := l.Load(ctx, lake.OpsFiles)
	if err != nil {
		return before, err
	}
	if live, err := l.HourFiles(ctx, files, hour); err != nil || len(live) == 0 {
		return before, err
	}
	known, err := ledger.OpenLedger(ctx, l)
	if err != nil {
		return before, err
	}
	before.from = map[string]int64{}
	for _, definition := range append(slices.Clone(lake.HourTables), lake.OpsFiles) {
		loaded := files
		if definition.Name != lake.OpsFiles.Name {
			if loaded, err = l.Load(ctx, definition); err != nil {
				return before, err
			}
		}
		at, half, err := known.EndedBefore(ctx, loaded, hour)
		if err != nil {
			return before, err
		}
		before.from[definition.Name], before.half = at, before.half || half
	}
	stored, err := filesAt(ctx, l, files, before.from[lake.OpsFiles.Name], hour)
	if err != nil {
		return before, err
	}
	before.files = map[string]ledger.File{}
	for _, row := range stored {
		if row.Present() {
			before.files[row.Key] = row
		}
	}
	rows, err := ledger.Hours(ctx, l, hour, hour+1)
	if err == nil && len(rows) > 0 {
		before.row = &rows[0]
	}
	return before, err
}

// filesAt are the rows that ops.files had of an hour in a snapshot.
func filesAt(ctx context.Context, l *lake.Lake, files *table.Table, at int64,
	hour telemetry.Hour) ([]ledger.File, error) {
	if at == 0 {
		return nil, nil
	}
	live, err := l.HourFiles(ctx, files, hour, table.WithSnapshotID(at))
	if err != nil {
		return nil, err
	}
	stored, err := lake.ReadRows[lake.FileRow](ctx, l, live)
	if err != nil {
		return nil, err
	}
	rows := make([]ledger.File, len(stored))
	for i, row := range stored {
		rows[i] = ledger.FileOf(&row, hour)
	}
	return rows, nil
}

// gone are the files that left the source and stay in the plan.
func (b *hourBefore) gone(listing source.Listing) (gone []source.File) {
	listed := listedKeys(listing)
	for _, key := range slices.Sorted(maps.Keys(b.files)) {
		if row := b.files[key]; !listed[key] && row.Stays(len(listed) == 0) {
			gone = append(gone, source.File{Key: key, Size: row.Size, ETag: row.ETag})
		}
	}
	return gone
}

func listedKeys(listing source.Listing) map[string]bool {
	listed := map[string]bool{}
	for _, file := range listing.Files {
		listed[file.Key] = true
	}
	for _, bad := range listing.Bad {
		listed[bad.Key] = true
	}
	return listed
}

// keep adds to a plan, whose files are known, what stays of earlier runs, and returns about how much text that is.
// note: where all files are gone, that is all that has to be done.
func (p *StagedPlan) keep(before hourBefore, listing source.Listing, note bool) (text int64) {
	p.Good, p.Gone = map[int]ledger.File{}, map[int]bool{}
	listed := listedKeys(listing)
	chunk, waiting := Chunk{}, int64(0)
	var chunks []Chunk
	for place, file := range p.Files {
		row, known := before.files[file.Key]
		_, bad := p.Bad[place]
		if !listed[file.Key] {
			p.Gone[place] = true
		}
		if !known || row.Lines == 0 {
			continue
		}
		p.Good[place] = row
		if listed[file.Key] && !bad {
			continue
		}
		rows := row.Events + row.Rejects
		text += rows * keptRowBytes
		chunk.Kept = append(chunk.Kept, place)
		if waiting += rows; waiting >= keptChunkRows {
			chunks = append(chunks, chunk)
			chunk, waiting = Chunk{}, 0
		}
	}
	if len(p.Good) > 0 {
		p.From = map[string]int64{lake.BronzeEvents.Name: before.from[lake.BronzeEvents.Name],
			lake.BronzeRejects.Name: before.from[lake.BronzeRejects.Name]}
	}
	if len(listed) == 0 && before.row != nil && before.row.State != ledger.HourEmpty {
		p.Was = before.row.State
		if note && len(p.Gone) > 0 && !before.half {
			p.Noted, p.Heads = before.row, before.from
			return 0
		}
	}
	if len(chunk.Kept) > 0 {
		chunks = append(chunks, chunk)
	}
	p.Chunks = append(p.Chunks, chunks...)
	return text
}

// KeptFiles are the files of hours in [from, to) that left the source, or are bad, and whose rows stay: the first
// most of them, by hour and key.
func KeptFiles(ctx context.Context, l *lake.Lake, from, to telemetry.Hour, most int) (kept []ledger.File, err error) {
	rows, err := ledger.Hours(ctx, l, from, to)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row.GoneFiles+row.BadFiles == 0 || len(kept) >= most {
			continue
		}
		files, err := ledger.Files(ctx, l, row.Hour)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(files, func(a, b ledger.File) int { return strings.Compare(a.Key, b.Key) })
		for _, file := range files {
			if (file.State == ledger.FileGone || file.State == ledger.FileBad && file.Lines > 0) && len(kept) < most {
				kept = append(kept, file)
			}
		}
	}
	return kept, nil
}

// mayHold tells whether a data file's bounds of the column of file names leave room for one of some names, which
// are in order.
func mayHold(file iceberg.DataFile, column int, names []string) bool {
	low, high := file.LowerBoundValues()[column], file.UpperBoundValues()[column]
	if low == nil || high == nil {
		return true
	}
	at, found := slices.BinarySearch(names, string(low))
	return found || at < len(names) && names[at] <= string(high)
}
