package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/versionlake/versionlake/cmd/versionlake/usage"
)

// FileName is the file of settings in Dir.
const FileName = "versionlake.yaml"

// File is its path, whether it is there or not.
func (s *Settings) File() string { return filepath.Join(s.Dir, FileName) }

// moreFileKeys are flags that a file may set, and no variable does.
var moreFileKeys = []string{"output", "delay", "snapshot-age", "grace", "reconcile-hourly", "reconcile-daily",
	"checks-every", "catchup", "workers", "drain", "ui-port"}

// fileKeys are all flags that a file may set: what a lake and its workers always want, and not what one command does.
func fileKeys() (keys []string) {
	for name := range Variables {
		if name != "dir" { // it says where the file is
			keys = append(keys, name)
		}
	}
	for name := range listVariables {
		keys = append(keys, name)
	}
	keys = append(keys, moreFileKeys...)
	slices.Sort(keys)
	return keys
}

// pathKeys name files and folders: relative ones are meant from the folder of the file.
var pathKeys = []string{"source", "events", "rules"}

// mostFileBytes is far more than a file of settings has.
const mostFileBytes = 1 << 20

// readFile gives a command's flags the values of the file, where neither the command line nor a variable has one.
func (s *Settings) readFile(cmd *cobra.Command) error {
	text, err := os.ReadFile(s.File())
	if errors.Is(err, fs.ErrNotExist) {
		other := strings.TrimSuffix(s.File(), ".yaml") + ".yml"
		if _, err := os.Stat(other); err == nil {
			return usage.Saidf("%s is not read: call it %s", other, FileName)
		}
		return nil
	}
	if info, statErr := os.Stat(s.Dir); err != nil && statErr == nil && !info.IsDir() {
		return usage.Saidf("--dir %s is a file: name a folder", s.Dir)
	}
	if err != nil {
		return fmt.Errorf("read the settings: %w", err)
	}
	s.hasFile = true
	if len(text) > mostFileBytes {
		return usage.Saidf("%s is too large for a file of settings", s.File())
	}
	entries, err := fileEntries(text)
	if err != nil {
		return usage.Saidf("%s: %w", s.File(), err)
	}
	for _, entry := range entries {
		if err := s.takeEntry(cmd, entry); err != nil {
			return usage.Saidf("%s, line %d: %w", s.File(), entry.line, err)
		}
	}
	return nil
}

// entry is a key of the file with its values; several where it is a list.
type entry struct {
	key    string
	values []string
	line   int
}

// fileEntries reads the file without a notion of what its keys mean.
func fileEntries(text []byte) (entries []entry, err error) {
	var document yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&document); err != nil {
		if len(bytes.TrimSpace(text)) == 0 || document.Kind == 0 && err.Error() == "EOF" {
			return nil, nil
		}
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	root := document.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, errors.New("write a setting a line, such as source: /data/telemetry")
	}
	for i := 0; i < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		e := entry{key: strings.TrimPrefix(key.Value, "--"), line: key.Line}
		nodes := []*yaml.Node{value}
		if value.Kind == yaml.SequenceNode {
			nodes = value.Content
		}
		for _, node := range nodes {
			if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
				return nil, fmt.Errorf("line %d: %s takes a value, or a list of them", key.Line, key.Value)
			}
			e.values = append(e.values, node.Value)
		}
		if slices.ContainsFunc(entries, func(other entry) bool { return other.key == e.key }) {
			return nil, fmt.Errorf("line %d: %s stands there twice", key.Line, key.Value)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// secretKey is the name of something that is not to lie in a file which people copy and commit.
var (
	secretKey   = regexp.MustCompile(`(?i)pass|secret|token|credential|api.?key|access.?key|^pg|^aws`)
	secretValue = regexp.MustCompile(`\b(AKIA|ASIA)[0-9A-Z]{12}`)
)

const noSecrets = "holds no passwords and keys: give Postgres' password by PGPASSFILE or PGPASSWORD, S3's keys by " +
	"AWS_* variables or ~/.aws/credentials, Temporal's by TEMPORAL_API_KEY or its configuration file, and Trino's " +
	"by VERSIONLAKE_TRINO_URL"

func (s *Settings) takeEntry(cmd *cobra.Command, e entry) error {
	if e.key == "dir" {
		return errors.New("dir is where this file lies: name it with --dir or VERSIONLAKE_DIR")
	}
	keys := fileKeys()
	if !slices.Contains(keys, e.key) {
		if secretKey.MatchString(e.key) {
			return fmt.Errorf("%s: this file %s", e.key, noSecrets)
		}
		return fmt.Errorf("there is no setting %q%s", e.key, usage.DidYouMean(e.key, keys, ""))
	}
	for _, value := range e.values {
		if hasPassword(value) || secretValue.MatchString(value) {
			return fmt.Errorf("%s: this file %s", e.key, noSecrets)
		}
	}
	flag := cmd.Flags().Lookup(e.key)
	if flag == nil || flag.Changed || os.Getenv(variableOf(e.key)) != "" {
		return nil
	}
	if _, list := flag.Value.(pflag.SliceValue); !list && len(e.values) != 1 {
		return fmt.Errorf("%s takes one value", e.key)
	}
	for _, value := range e.values {
		if slices.Contains(pathKeys, e.key) {
			value = s.fromFile(value)
		}
		if err := flag.Value.Set(value); err != nil {
			return fmt.Errorf("%q is not a value that %s takes", value, e.key)
		}
	}
	s.given[e.key] = true
	s.origins[e.key] = Origin{From: FileName}
	return nil
}

// fromFile is a path of the file as the program can open it; what is a URL, or whole, stays.
func (s *Settings) fromFile(path string) string {
	if path == "" || filepath.IsAbs(path) || strings.Contains(path, "://") {
		return path
	}
	return filepath.Join(s.Dir, path)
}

// variableOf is the variable of a flag; "" has none.
func variableOf(flag string) string {
	if name := Variables[flag]; name != "" {
		return name
	}
	return listVariables[flag]
}

// Origin is a setting that is not the default, and where it comes from.
type Origin struct{ Name, Value, From string }

// HasFile tells whether there is a file of settings.
func (s *Settings) HasFile() bool { return s.hasFile }

// Origins are the settings of all commands that somebody gave, by name. TakeKept adds those of the lake.
func (s *Settings) Origins() (all []Origin) {
	for name, origin := range s.origins {
		origin.Name = name
		if flag := s.flags.Lookup(name); flag != nil && origin.Value == "" {
			origin.Value = flag.Value.String()
			if parsed, err := url.Parse(origin.Value); err == nil && parsed.User != nil {
				origin.Value = parsed.Redacted()
			}
		}
		all = append(all, origin)
	}
	slices.SortFunc(all, func(a, b Origin) int { return strings.Compare(a.Name, b.Name) })
	return all
}
