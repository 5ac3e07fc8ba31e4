package source

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/telemetry"
)

// listings is how many folders are listed at the same time.
const listings = 16

// name is what lies in a folder.
type name struct {
	text   string
	folder bool
	broken *oddity // a link that is not followed
}

// tree is what finding hours needs from a backend.
type tree interface {
	fmt.Stringer
	// names lists what lies directly in a folder, "" being the root, and begins with the prefix, at most so many
	// (0: all); nothing if the folder does not exist. Marks of folders are left out.
	names(ctx context.Context, folder, prefix string, most int) ([]name, error)
	// holds tells whether anything lies in an hour's folder that a listing names.
	holds(ctx context.Context, folder string) (bool, error)
}

// RefusedFolder is a folder that can't be listed: nobody knows what its hours hold.
type RefusedFolder struct {
	Folder string         `json:"folder"`
	From   telemetry.Hour `json:"from"`
	To     telemetry.Hour `json:"to"`
	Why    string         `json:"why"`
}

// RefusedError is returned beside all that was found elsewhere.
type RefusedError struct{ Folders []RefusedFolder }

func (e *RefusedError) Error() string {
	text := fmt.Sprintf("%v: %d folders can't be listed: ", ErrDenied, len(e.Folders))
	for i, folder := range e.Folders[:min(len(e.Folders), 3)] {
		if i > 0 {
			text += "; "
		}
		text += folder.Folder + ": " + folder.Why
	}
	return text
}

func (e *RefusedError) Unwrap() error { return ErrDenied }

// node is a folder on the way to hours.
type node struct {
	folder string
	at     date
	file   bool // a plain file, in the place of an hour's folder
	broken *oddity
}

// search finds hours in [from, to).
type search struct {
	tree     tree
	from, to telemetry.Hour
	mutex    sync.Mutex
	refused  []RefusedFolder
}

// findHours goes down the tree level by level, only into folders that exist, that a layout may name and that the
// range touches. A *RefusedError comes with the hours that were found elsewhere.
func findHours(ctx context.Context, t tree, layouts []Layout, from, to telemetry.Hour) ([]telemetry.Hour, error) {
	if from >= to {
		return nil, nil
	}
	s := &search{tree: t, from: from, to: to}
	var hours []telemetry.Hour
	for _, layout := range layouts {
		nodes, err := s.descend(ctx, layout)
		if err != nil {
			return nil, err
		}
		found, err := gather(ctx, nodes, func(ctx context.Context, n node) ([]telemetry.Hour, error) {
			start, _, _ := n.at.span()
			if n.file {
				return []telemetry.Hour{start}, nil
			}
			holds, err := t.holds(ctx, n.folder)
			if err != nil {
				return nil, s.refuse(ctx, n, err)
			}
			if !holds {
				return nil, nil
			}
			return []telemetry.Hour{start}, nil
		})
		if err != nil {
			return nil, err
		}
		hours = append(hours, found...)
	}
	slices.Sort(hours)
	hours = slices.Compact(hours)
	if len(s.refused) > 0 {
		slices.SortFunc(s.refused, func(a, b RefusedFolder) int { return strings.Compare(a.Folder, b.Folder) })
		return hours, &RefusedError{s.refused}
	}
	return hours, nil
}

// descend finds the folders of hours that a layout names.
func (s *search) descend(ctx context.Context, layout Layout) ([]node, error) {
	nodes := []node{{at: unknown}}
	for i, segment := range layout.segments {
		mayBeFile := i == layout.last()
		found, err := gather(ctx, nodes, func(ctx context.Context, parent node) ([]node, error) {
			if parent.file {
				return []node{parent}, nil
			}
			names, err := s.tree.names(ctx, parent.folder, segment.prefix(), 0)
			if err != nil {
				return nil, s.refuse(ctx, parent, err)
			}
			var inRange []node
			for _, name := range names {
				at, matches := segment.match(name.text, parent.at)
				child := node{folder: path.Join(parent.folder, name.text), at: at, file: !name.folder}
				switch {
				case !matches || !at.touches(s.from, s.to):
				case name.broken != nil && !mayBeFile:
					if err := s.refuse(ctx, child, fmt.Errorf("%w: %s", errLink, name.broken.why)); err != nil {
						return nil, err
					}
				case name.folder || mayBeFile:
					inRange = append(inRange, child)
				}
			}
			return inRange, nil
		})
		if err != nil {
			return nil, err
		}
		nodes = found
	}
	return nodes, nil
}

// refuse remembers a folder that can't be listed, though others can. What concerns all folders stays an error.
func (s *search) refuse(ctx context.Context, n node, err error) error {
	from, to, known := n.at.span()
	if n.folder == "" || !known || !errors.Is(err, ErrDenied) && !errors.Is(err, errLink) {
		return err
	}
	if _, all := s.tree.names(ctx, "", "", 1); all != nil { // credentials that ran out, say
		return all
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.refused = append(s.refused,
		RefusedFolder{Folder: n.folder, From: max(from, s.from), To: min(to, s.to), Why: err.Error()})
	return nil
}

// hourFolders finds the folders of an hour, of all layouts and ways to write it, and plain files and bad links in
// the place of one.
func hourFolders(ctx context.Context, t tree, layouts []Layout,
	at telemetry.Hour) (folders []string, inPlace []node, err error) {
	type place struct {
		layout Layout
		stem   string
	}
	var places []place
	for _, layout := range layouts {
		for _, stem := range layout.stems(at) {
			places = append(places, place{layout, stem})
		}
	}
	want := dateOf(at)
	found, err := gather(ctx, places, func(ctx context.Context, p place) ([]node, error) {
		folder, prefix := path.Split(p.stem)
		folder = strings.TrimSuffix(folder, "/")
		names, err := t.names(ctx, folder, prefix, 0)
		if err != nil {
			return nil, err
		}
		var nodes []node
		for _, name := range names {
			got, matches := p.layout.segments[p.layout.last()].match(name.text, unknown)
			for what, number := range got {
				matches = matches && (number == -1 || number == want[what])
			}
			switch {
			case !matches:
			case name.folder:
				nodes = append(nodes, node{folder: path.Join(folder, name.text) + p.layout.rest()})
			default:
				nodes = append(nodes, node{folder: path.Join(folder, name.text), file: true, broken: name.broken})
			}
		}
		return nodes, nil
	})
	for _, n := range found {
		if n.file {
			inPlace = append(inPlace, n)
		} else {
			folders = append(folders, n.folder)
		}
	}
	slices.Sort(folders)
	slices.SortFunc(inPlace, func(a, b node) int { return strings.Compare(a.folder, b.folder) })
	inPlace = slices.CompactFunc(inPlace, func(a, b node) bool { return a.folder == b.folder })
	return slices.Compact(folders), inPlace, err
}

// gather joins what each of the places gives, asking for several at a time.
func gather[P, T any](ctx context.Context, places []P, give func(context.Context, P) ([]T, error)) ([]T, error) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(listings)
	given := make([][]T, len(places))
	for i, place := range places {
		group.Go(func() (err error) {
			if err = ctx.Err(); err == nil {
				given[i], err = give(ctx, place)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(given...), nil
}
