package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/versionlake/versionlake/telemetry"
)

// maxPassed is how many names of what is passed over a Listing has; it counts all.
const maxPassed = 1000

// Option sets up a source.
type Option func(*setup)

// setup is what of a source's tree is read.
type setup struct {
	layouts []Layout
	endings Endings
}

// WithLayouts names the folders of hours; DefaultLayout where none is given.
func WithLayouts(layouts ...Layout) Option { return func(s *setup) { s.layouts = layouts } }

// WithEndings names the files that are telemetry.
func WithEndings(endings Endings) Option { return func(s *setup) { s.endings = endings } }

func newSetup(options []Option) setup {
	var s setup
	for _, option := range options {
		option(&s)
	}
	if len(s.layouts) == 0 {
		layout, err := ParseLayout(DefaultLayout)
		if err != nil {
			panic(err)
		}
		s.layouts = []Layout{layout}
	}
	return s
}

// entry is what lies in an hour's folder.
type entry struct {
	name   string
	folder bool
	file   File    // size and etag
	odd    *oddity // no file and no folder
}

// oddity is what can't be opened, and why. Its tag is that of the kind: it stays while the kind does.
type oddity struct{ tag, why string }

// store is what a Source is made of.
type store interface {
	tree
	// entries lists what lies directly in an hour's folder.
	entries(ctx context.Context, folder string) ([]entry, error)
}

// list sorts what lies in the folders of an hour.
func (s setup) list(ctx context.Context, b store, hour telemetry.Hour) (Listing, error) {
	folders, inPlace, err := hourFolders(ctx, b, s.layouts, hour)
	if err != nil {
		return Listing{}, err
	}
	var listing Listing
	for _, n := range inPlace {
		if n.broken != nil {
			listing.bad(n.folder, File{ETag: n.broken.tag}, "in the place of an hour's folder: "+n.broken.why)
			continue
		}
		listing.pass(n.folder, File{ETag: "in-place"},
			"a file in the place of an hour's folder: put it into such a folder")
	}
	for _, folder := range folders {
		entries, err := b.entries(ctx, folder)
		if err != nil {
			return Listing{}, err
		}
		for _, entry := range entries {
			switch {
			case isIgnored(entry.name):
			case s.isBelow(entry):
				if err := listing.passBelow(ctx, b, folder+"/"+entry.name); err != nil {
					return Listing{}, err
				}
			default:
				s.sort(&listing, folder, entry)
			}
		}
	}
	listing.finish()
	return listing, nil
}

// sort puts an entry where it belongs.
func (s setup) sort(listing *Listing, folder string, e entry) {
	text, isText := escaped(e.name)
	key := folder + "/" + text
	switch {
	case e.folder && s.endings.says(e.name):
		listing.bad(key+"/", File{ETag: "folder"},
			"it is a folder, not a file; move its files up, into the folder of the hour")
	case e.name == "" || e.name == "." || e.name == "..":
		listing.pass(key+"/", cmp.Or(e.file, File{ETag: "folder"}),
			"a key with an empty, . or .. part; copy such objects to keys without one")
	case !s.endings.read(e.name):
		listing.pass(key, e.file, "its ending is none that is read; --endings changes them")
	case e.odd != nil:
		listing.bad(key, File{ETag: e.odd.tag}, e.odd.why)
	case !isText:
		listing.bad(key, File{Size: e.file.Size, ETag: e.file.ETag},
			"its name is not UTF-8 text, here escaped; rename it")
	default:
		listing.Files = append(listing.Files, File{Key: key, Size: e.file.Size, ETag: e.file.ETag})
	}
}

// isBelow tells a folder of which what lies in it is passed over.
func (s setup) isBelow(e entry) bool {
	_, isText := escaped(e.name)
	return e.folder && isText && !s.endings.says(e.name) && e.name != "" && e.name != "." && e.name != ".."
}

// whyBelow is why what lies in a folder of an hour's folder is not read.
const whyBelow = "it lies in a folder below that of the hour, where nothing is read; move it up, or name such " +
	"folders with --layout"

// maxBelow bounds the folders that are looked into for the names of what is passed over.
const maxBelow = 100

// passBelow names what lies in a folder of an hour's folder, at any depth. A folder that is not looked into is
// named itself.
func (l *Listing) passBelow(ctx context.Context, b store, folder string) error {
	folders := []string{folder}
	for n := 0; len(folders) > 0; n++ {
		next := folders[0]
		folders = folders[1:]
		text, _ := escaped(next)
		if n >= maxBelow || l.PassedOver >= maxPassed {
			l.pass(text+"/", File{ETag: "folder"}, whyBelow)
			continue
		}
		entries, err := b.entries(ctx, next)
		if errors.Is(err, ErrDenied) {
			l.pass(text+"/", File{ETag: "closed"}, whyBelow)
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			switch {
			case isIgnored(e.name):
			case e.folder && e.name != "" && e.name != "." && e.name != "..":
				folders = append(folders, next+"/"+e.name)
			default:
				name, _ := escaped(next + "/" + e.name)
				l.pass(name, cmp.Or(e.file, File{ETag: "odd"}), whyBelow)
			}
		}
	}
	return nil
}

func (l *Listing) bad(key string, file File, why string) {
	file.Key = key
	l.Bad = append(l.Bad, LeftOut{File: file, Why: why})
}

func (l *Listing) pass(key string, file File, why string) {
	file.Key = key
	l.PassedOver++
	l.Passed = append(l.Passed, LeftOut{File: file, Why: why})
}

// finish puts the lists in order. An escaped name may read as that of a file beside it: it is then told apart.
func (l *Listing) finish() {
	taken := map[string]bool{}
	for _, file := range l.Files {
		taken[file.Key] = true
	}
	for _, list := range []*[]LeftOut{&l.Bad, &l.Passed} {
		for i := range *list {
			left := &(*list)[i]
			key := left.Key
			for n := 2; taken[left.Key]; n++ {
				left.Key = fmt.Sprintf("%s (%d)", key, n)
			}
			taken[left.Key] = true
		}
		slices.SortFunc(*list, func(a, b LeftOut) int { return strings.Compare(a.Key, b.Key) })
	}
	l.Passed = l.Passed[:min(len(l.Passed), maxPassed)]
	slices.SortFunc(l.Files, func(a, b File) int { return strings.Compare(a.Key, b.Key) })
}

// escaped is a name as text. One that is not UTF-8 is escaped as Go does, \xe9, and then each backslash of it is
// doubled.
func escaped(name string) (text string, isText bool) {
	if utf8.ValidString(name) && !strings.ContainsRune(name, 0) {
		return name, true
	}
	var out strings.Builder
	for i := 0; i < len(name); {
		char, width := utf8.DecodeRuneInString(name[i:])
		switch {
		case char == utf8.RuneError && width == 1 || char == 0:
			fmt.Fprintf(&out, `\x%02x`, name[i])
		case char == '\\':
			out.WriteString(`\\`)
		default:
			out.WriteString(name[i : i+width])
		}
		i += width
	}
	return out.String(), false
}

// printable is a name for a message.
func printable(name string) string {
	quoted := strconv.QuoteToGraphic(name)
	if quoted == `"`+name+`"` {
		return name
	}
	return quoted
}

// hours finds hours in which something lies that a Listing names.
func (s setup) hours(ctx context.Context, b store, from, to telemetry.Hour) ([]telemetry.Hour, error) {
	return findHours(ctx, b, s.layouts, from, to)
}

func (s setup) lookout(b store) *lookout { return &lookout{tree: b, layouts: s.layouts} }
