package lake

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parquet-go/parquet-go"
)

// eraseVersions takes the versions out of gold.versions, and out of its history, that nobody has any more: nothing may say what
// only a forgotten user ran. It comes after silver and gold.users.
func (l *Lake) eraseVersions(ctx context.Context, erasure string) (err error) {
	loaded, err := l.load(ctx, goldVersions)
	if err != nil || loaded.CurrentSnapshot() == nil {
		return ignoreNoLake(err)
	}
	folder := fmt.Sprintf("%s/%d", l.forgetVersions(erasure), time.Now().UnixNano())
	defer func() { err = errors.Join(err, l.objects.removeAll(ctx, folder)) }()
	for {
		staged, err := l.presentVersions(ctx, folder)
		if err != nil {
			return err
		}
		e := &eraser{lake: l, known: &forgotten{}, versions: map[uint64]bool{}}
		if err := l.objects.eachVersion(staged, func(name versionName) error {
			e.versions[name.hash()] = true
			return nil
		}); err != nil {
			return err
		}
		s := &search{eraser: e, table: goldVersions, write: true, become: map[string]newFile{}, clean: map[string]bool{}, tell: func(int64) {}}
		if _, err = l.rewriteHistory(ctx, erasure, s); err == nil {
			break
		}
		if !isConflict(err) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	// A round that found one of these just before, and showed it since, needs it back; so does a text that an id was taken out of.
	staged, err := l.presentVersions(ctx, folder)
	if err != nil {
		return err
	}
	_, err = l.ensureVersions(ctx, staged, false)
	return err
}

// forgetVersions is where an erasure stages versions. What is left there goes with its other documents.
func (l *Lake) forgetVersions(erasure string) string { return l.forgetFolder(erasure) + "/versions" }

func ignoreNoLake(err error) error {
	if errors.Is(err, ErrNoLake) {
		return nil
	}
	return err
}

// version keeps the rows of versions that somebody has.
func (e *eraser) version(row *versionRow) (keep, changed bool) {
	return e.versions[versionName{row.Service, row.Version}.hash()], false
}

var versionSchema = parquet.SchemaOf(struct {
	Service string `parquet:"service_name,dict,id(4)"`
	Version string `parquet:"version,dict,id(6)"`
}{})

// presentVersions stages the versions of all sightings, and of all histories, as they are now.
func (l *Lake) presentVersions(ctx context.Context, folder string) (staged []string, err error) {
	c := newVersionCollector(l.objects, fmt.Sprintf("%s/%d", folder, time.Now().UnixNano()))
	for _, definition := range []tableDefinition{silverSightings, goldUsers} {
		loaded, err := l.load(ctx, definition)
		if err != nil {
			return nil, err
		}
		live, err := liveFiles(ctx, loaded)
		if err != nil {
			return nil, err
		}
		for _, file := range live {
			if definition.name == silverSightings.name {
				err = l.scanRaw(ctx, file, versionSchema, func(row parquet.Row) error {
					return c.add(alias(row[0].ByteArray()), alias(row[1].ByteArray()))
				})
			} else {
				err = l.movesOf(ctx, file, func(key *dayKey, _ int) error { return c.add(key.service, key.version) })
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return c.staged()
}
