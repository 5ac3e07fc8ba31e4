package recover

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	icebergio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/identity"
	"github.com/versionlake/versionlake/lake/objects"
)

// numberOf is the number that a metadata file's name begins with: one more with each commit.
func numberOf(object string) int {
	digits, _, _ := strings.Cut(path.Base(object), "-")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return -1
	}
	return n
}

// find chooses a table's metadata; nil where there is none, as in a lake of before the table.
func (r *recovery) find(ctx context.Context, definition lake.TableDefinition) (*Table, error) {
	found := &Table{Table: definition.Name, State: StateFound}
	if r.sides.Catalog != nil {
		now, _, err := r.sides.Catalog.Locations(ctx, definition.Identifier())
		if err != nil {
			return nil, err
		}
		found.before = now
	}
	of, err := identity.Lineages(ctx, r.objects, definition.Name)
	if err != nil {
		return nil, err
	}
	newest, err := r.newest(definition, of)
	if err != nil {
		return nil, err
	}
	if found.before != "" {
		found.State = StateKept
		if newest != nil && numberOf(newest.MetadataLocation()) > numberOf(found.before) {
			found.State = StateNewer
		}
		if found.State == StateNewer && r.Newest {
			found.State = StateMoved
		}
	}
	switch found.State {
	case StateKept, StateNewer:
		found.chosen, err = r.read(definition, r.here(found.before))
	default:
		found.chosen = newest
	}
	if err != nil || found.chosen == nil {
		return nil, err
	}
	found.Metadata = found.chosen.MetadataLocation()
	found.Snapshots = len(found.chosen.Metadata().Snapshots())
	for name := range found.chosen.Metadata().Refs() {
		if name != table.MainBranch {
			found.Tags++
		}
	}
	return found, nil
}

// here is where an object that the catalog names lies in the warehouse that is looked at.
func (r *recovery) here(object string) string {
	if r.warehouse == nil {
		return object
	}
	if name, inside := strings.CutPrefix(object, r.warehouse.Place+"/"); inside {
		return r.objects.Root + "/" + name
	}
	return object
}

// newest reads the newest metadata of a table that can be read.
func (r *recovery) newest(definition lake.TableDefinition, of map[string]string) (*table.Table, error) {
	lineages := map[string][]string{}
	for object, id := range of {
		lineages[id] = append(lineages[id], object)
	}
	var heads []*table.Table
	for _, objectList := range lineages {
		slices.SortFunc(objectList, func(a, b string) int {
			return cmp.Or(numberOf(b)-numberOf(a), strings.Compare(a, b))
		})
		head, err := r.head(definition, objectList)
		if err != nil {
			return nil, err
		}
		if head != nil {
			heads = append(heads, head)
		}
	}
	slices.SortFunc(heads, func(a, b *table.Table) int {
		return cmp.Compare(b.Metadata().LastUpdatedMillis(), a.Metadata().LastUpdatedMillis())
	})
	switch {
	case len(heads) == 0:
		return nil, nil
	case len(heads) > 1 && !strings.HasPrefix(definition.Name, "gold."): // those are made anew by a repair
		var says []string
		for _, head := range heads {
			says = append(says, head.MetadataLocation())
		}
		return nil, fmt.Errorf(
			"%w: tables of several catalogs lie in one folder, the newest metadata of each is %s: move "+
				"the metadata files of those that are not the lake's away, and try again", objects.ErrConfig,
			strings.Join(says, " and "))
	}
	return heads[0], nil
}

// head is the newest of one table's metadata files, which are in order. Of several with one number, one lost against
// the others and was never committed: the one that was written last is taken, and find says so.
func (r *recovery) head(definition lake.TableDefinition, objectList []string) (head *table.Table, err error) {
	for _, object := range objectList {
		if head != nil && numberOf(object) < numberOf(head.MetadataLocation()) {
			return head, nil
		}
		read, err := r.read(definition, object)
		if objects.Unreadable(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if head == nil || read.Metadata().LastUpdatedMillis() > head.Metadata().LastUpdatedMillis() {
			head = read
		}
	}
	return head, nil
}

// read reads a metadata file. Errors: objects.IsDamage.
func (r *recovery) read(definition lake.TableDefinition, object string) (*table.Table, error) {
	text, err := r.objects.ReadAll(object)
	if err != nil {
		return nil, err
	}
	metadata, err := table.ParseMetadataBytes(text)
	if err != nil {
		return nil, &objects.Damage{Object: object, What: "is no metadata of a table: " + err.Error()}
	}
	fs := func(context.Context) (icebergio.IO, error) { return r.objects.IO, nil }
	return table.New(definition.Identifier(), metadata, object, fs, nil), nil
}

// doubt finds tables whose newest metadata may never have been committed: a commit writes it before the catalog
// names it. What the ledger, which is committed last, has of a run was committed in all tables of hours.
func (r *recovery) doubt() {
	done := map[lake.Run]bool{}
	for _, snapshot := range r.table(lake.OpsHours).chosen.Metadata().Snapshots() {
		for _, run := range lake.RunsIn(&snapshot) {
			done[run] = true
		}
	}
	for i := range r.result.Tables {
		t := &r.result.Tables[i]
		if t.State != StateFound && t.State != StateMoved {
			if t.State == StateNewer {
				t.Doubt = "the warehouse has newer metadata, which --newest takes"
			}
			continue
		}
		head := t.chosen.CurrentSnapshot()
		if head == nil {
			continue
		}
		runs := lake.RunsIn(head)
		if t.Table == lake.OpsChecks.Name { // whose commits are of no hour, and name the first there is
			runs = nil
		}
		for _, run := range runs {
			if !done[run] {
				t.Doubt = fmt.Sprintf(
					"its last commit, of hour %s, is not in the ledger and may never have taken effect: "+
						"ingest that hour again", run.Hour)
			}
		}
		if len(runs) == 0 {
			t.Doubt = "whether its last commit took effect can't be told: versionlake verify compares what it holds"
		}
	}
	if hours := r.table(lake.OpsHours); hours.State == StateFound {
		hours.Doubt = "whether its last commit took effect can't be told: versionlake verify compares what it holds"
	}
}
