package hours

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

// Piece is a range of a file: whole lines only.
type Piece struct {
	File   source.File `json:"file"`
	Offset int64       `json:"offset"`
	Length int64       `json:"length"` // -1: to the end
	Line   int64       `json:"line"`   // number of the first line, 1-based
}

// CompressedText is about how many bytes of text a compressed byte holds, in a file of the source as in one of bronze.
// Of generated telemetry it is less, five with gzip and seven with zstd. Rather too large than too small: what is cut
// too finely costs little, and what is cut too coarsely costs memory.
const CompressedText = 8

// TextOf is about how many bytes of text a file of the source holds.
func TextOf(file source.File) int64 {
	if telemetry.Compressed(file.Key) {
		return file.Size * CompressedText
	}
	return file.Size
}

// Chunk is the work of one ParseChunk: pieces of files of one hour, in order of file and offset.
type Chunk struct {
	Pieces []Piece `json:"pieces,omitempty"`
	// Bronze, instead: data files of bronze.events, where silver is made from bronze.
	Bronze []lake.DataFile `json:"bronze,omitempty"`
	// Kept, instead: the places of files whose rows stay as bronze has them.
	Kept []int `json:"kept,omitempty"`
}

// Plan is what a run of an hour will do. The chunks themselves lie in the warehouse: Temporal payloads stay small.
type Plan struct {
	Ref    string `json:"ref"`
	Files  int    `json:"files"`
	Bytes  int64  `json:"bytes"`
	Chunks int    `json:"chunks"`
	// Kept is about how many bytes of text the files had whose rows stay.
	Kept int64 `json:"kept,omitempty"`
	// Ledger is the ledger's snapshot before the hour was listed, -1 where it had none; 0: other runs of the hour
	// are not looked for.
	Ledger int64 `json:"ledger,omitempty"`
	// LeftOut names the first files that can't be opened, and why.
	LeftOut []string `json:"left_out,omitempty"`
}

// StagedPlan is what lies at an Plan's Ref.
type StagedPlan struct {
	Source string        `json:"source"`
	Files  []source.File `json:"files"` // by key: a file's place in this list is its place in the order of events
	// Bad are the places of files that could not be opened when they were listed, with the reason; no chunk has them.
	Bad map[int]string `json:"bad,omitempty"`
	// Passed is what lay beside the files and is not read, the first of it; PassedOver counts all.
	Passed     []source.LeftOut `json:"passed,omitempty"`
	PassedOver int64            `json:"passed_over,omitempty"`
	Chunks     []Chunk          `json:"chunks"`
	Sections   int              `json:"sections"`
	// Bronze, where silver is made from bronze: the ledger's row that bronze goes back to.
	Bronze *ledger.Hour `json:"bronze,omitempty"`
	keptPlan
	// Erasures is the snapshot of ops.erasures that the run began with: what is staged may hold who was forgotten
	// since.
	Erasures int64 `json:"erasures,omitempty"`
}

// place finds a file's place in the plan's files.
func (p *StagedPlan) place(key string) (int, error) {
	place, found := slices.BinarySearchFunc(p.Files,
		key, func(file source.File, key string) int { return strings.Compare(file.Key, key) })
	if !found {
		return 0, fmt.Errorf("the plan does not list %s", key)
	}
	return place, nil
}

// planName is the name of a plan in it.
const planName = "plan.json"

// staging is the folder of a run's uncommitted work.
func staging(l *lake.Lake, run lake.Run) string {
	return fmt.Sprintf("%s/hour-%s/%s", l.StagingFolder(), run.Hour, run.ID)
}

// LedgerNow is the Ledger of a Plan, to be asked for before the hour is listed.
func LedgerNow(ctx context.Context, l *lake.Lake) (int64, error) {
	loaded, err := l.Load(ctx, lake.OpsHours)
	if err != nil {
		return 0, err
	}
	return cmp.Or(lake.HeadOf(loaded), -1), nil
}

// Listed is an hour as it was listed.
type Listed struct {
	Source  string // its URL
	Listing source.Listing
	Chunks  []Chunk // that the files were cut into
	Gone    GoneFiles
	// Unread: ops.files has no row of the hour, so that nothing of it was read before.
	Unread bool
}

// GoneFiles is what a run does about files that were read before and left the source or are bad now.
type GoneFiles int

const (
	KeepGone   GoneFiles = iota // their rows are staged again, as today's rules have them
	NoteGone                    // likewise; where all are gone, nothing but the ledger changes
	RemoveGone                  // their rows go
)

// StagePlan keeps the plan of a run. ErrDropped: the hour must not be ingested again.
func StagePlan(ctx context.Context, l *lake.Lake, run lake.Run, listed Listed) (Plan, error) {
	listing := listed.Listing
	if err := ledger.RefuseDropped(ctx, l, run); err != nil {
		return Plan{}, err
	}
	if !slices.IsSortedFunc(listing.Files, func(a, b source.File) int { return strings.Compare(a.Key, b.Key) }) {
		return Plan{}, fmt.Errorf("plan hour %s: the files are not in order of their keys", run.Hour)
	}
	erasures, err := forgotten.ErasuresAt(ctx, l)
	if err != nil {
		return Plan{}, err
	}
	staged := StagedPlan{
		Source: listed.Source, Files: slices.Clone(listing.Files), Chunks: slices.Clone(listed.Chunks),
		Passed:     listing.Passed,
		PassedOver: listing.PassedOver, Erasures: erasures,
	}
	for _, bad := range listing.Bad {
		staged.Files = append(staged.Files, bad.File)
	}
	var earlierFiles hourBefore
	if listed.Gone != RemoveGone && !listed.Unread {
		if earlierFiles, err = before(ctx, l, run.Hour); err != nil {
			return Plan{}, fmt.Errorf("find out what was read of hour %s before: %w", run.Hour, err)
		}
		staged.Files = append(staged.Files, earlierFiles.gone(listing)...)
	}
	slices.SortFunc(staged.Files, func(a, b source.File) int { return strings.Compare(a.Key, b.Key) })
	for i, file := range staged.Files {
		if i > 0 && staged.Files[i-1].Key >= file.Key {
			return Plan{}, fmt.Errorf("plan hour %s: the file %q is listed twice", run.Hour, file.Key)
		}
	}
	for _, bad := range listing.Bad {
		place, err := staged.place(bad.Key)
		if err != nil {
			return Plan{}, fmt.Errorf("plan hour %s: %w", run.Hour, err)
		}
		if staged.Bad == nil {
			staged.Bad = map[int]string{}
		}
		staged.Bad[place] = bad.Why
	}
	plan := Plan{Ref: staging(l, run) + "/" + planName}
	for _, bad := range listing.Bad[:min(len(listing.Bad), ledger.LeftOutTold)] {
		plan.LeftOut = append(plan.LeftOut, bad.Key+": "+bad.Why)
	}
	weight := int64(0)
	for _, file := range listing.Files {
		plan.Bytes += file.Size
		text := TextOf(file)
		if telemetry.Compressed(file.Key) {
			text += text / 4 // a section must fit in memory, so what is not known is taken larger
		}
		weight += text
	}
	plan.Kept = staged.keep(earlierFiles, listing, listed.Gone == NoteGone)
	staged.Sections = sectionsFor(weight + plan.Kept)
	plan.Files, plan.Chunks = len(staged.Files), len(staged.Chunks)
	return plan, l.Objects.WriteJSON(plan.Ref, staged)
}

// ReadPlan reads a run's plan back. ErrStale: it was taken away, since the run may have staged someone who was
// forgotten.
func ReadPlan(l *lake.Lake, plan Plan, staged *StagedPlan) error {
	err := l.Objects.ReadJSON(plan.Ref, staged)
	if objects.IsMissing(err) {
		return fmt.Errorf("%w: %w", lake.ErrStale, err)
	}
	return err
}

// DropStaging removes what a run staged, once it is committed or given up.
func DropStaging(ctx context.Context, l *lake.Lake, run lake.Run) error {
	return l.Objects.RemoveAll(ctx, staging(l, run))
}

// sectionsFor keeps a section of silver small whatever the size of the hour: about 16 MiB of source each.
func sectionsFor(bytes int64) int {
	sections := 64
	for sections < 4096 && bytes/int64(sections) > 16<<20 {
		sections *= 2
	}
	return sections
}
