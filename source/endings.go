package source

import (
	"regexp"
	"slices"
	"strings"
)

// DefaultEndings are the endings of files that are read, see docs/EVENTS.md.
var DefaultEndings = []string{".tsv", ".tab", ".csv", ".txt", ".text", ".log", ".out", ".dat", ".data", ".bin",
	noEnding}

// noEnding stands for names without any ending, such as part-00000.
const noEnding = "none"

// Endings tells by their names which files of an hour's folder are telemetry. The zero value is the default.
type Endings struct{ list []string }

// ParseEndings reads endings such as .tsv; "none" is a name without one. Errors: ErrConfig.
func ParseEndings(texts []string) (Endings, error) {
	var endings Endings
	for _, text := range texts {
		ending := strings.ToLower(strings.TrimSpace(text))
		if ending != noEnding && !strings.HasPrefix(ending, ".") {
			ending = "." + ending
		}
		if len(ending) < 2 || strings.ContainsAny(ending, "/*?\x00") {
			return Endings{}, faultf(ErrConfig, nil, "%q is not the ending of a file's name; write it as .tsv, or none for "+
				"names without one", text)
		}
		if _, packed := unpacked(ending); packed {
			return Endings{}, faultf(ErrConfig, nil, "the ending %q: leave out .gz, .zst and .bz2, which may always follow",
				text)
		}
		endings.list = append(endings.list, ending)
	}
	return endings, nil
}

func (e Endings) all() []string {
	if e.list == nil {
		return DefaultEndings
	}
	return e.list
}

func (e Endings) String() string { return strings.Join(e.all(), ",") }

// The endings that say that a file is packed; what it is, its contents say.
var packings = []string{".gz", ".gzip", ".zst", ".zstd", ".bz2", ".bzip2"}

var (
	// rotated is what log rotation leaves behind an ending: access.log.1, access.log-20220527,
	// access.log.2022-05-27_05.
	rotated = regexp.MustCompile(`[._-][0-9][0-9._t:-]*$`)
	// copied is the mark of a part file's attempt: part-00000-6f1e.c000.
	copied = regexp.MustCompile(`\.c[0-9]{3}$`)
)

// longestEnding is the longest that a text behind the last dot may be to count as an ending: what is longer is an id.
const longestEnding = 16

func unpacked(lower string) (string, bool) {
	for _, packing := range packings {
		if rest, found := strings.CutSuffix(lower, packing); found {
			return rest, true
		}
	}
	return lower, false
}

// read tells whether a file of this name is telemetry.
func (e Endings) read(name string) bool {
	name, _ = unpacked(strings.ToLower(name))
	name = copied.ReplaceAllString(name, "")
	return e.named(name) || e.named(rotated.ReplaceAllString(name, "")) || slices.Contains(e.all(), noEnding) &&
		!hasEnding(name)
}

// named tells whether a name ends in one of the endings.
func (e Endings) named(name string) bool {
	return slices.ContainsFunc(e.all(), func(ending string) bool {
		return ending != noEnding && strings.HasSuffix(name, ending)
	})
}

// says tells whether a name has an ending that is read: a folder of such a name is taken for a file gone wrong.
func (e Endings) says(name string) bool {
	lower, packed := unpacked(strings.ToLower(name))
	return packed || e.named(lower)
}

func hasEnding(name string) bool {
	name = rotated.ReplaceAllString(name, "")
	dot := strings.LastIndexByte(name, '.')
	return dot >= 0 && len(name)-dot-1 <= longestEnding || strings.HasSuffix(name, "~")
}

// isIgnored tells the names that are never read and never counted: of files being written, of side files such as
// _SUCCESS, and of marks of folders.
func isIgnored(name string) bool {
	if name == "." || name == ".." {
		return false // parts of a key on S3, not names
	}
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || strings.HasSuffix(name, "_$folder$")
}
