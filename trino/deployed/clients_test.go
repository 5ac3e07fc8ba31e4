package deployed_test

import (
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/generate"
	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/testserver"
	"github.com/versionlake/versionlake/trino"
)

// facts is what a client of testdata prints, in order.
func facts(t *testing.T, client *exec.Cmd) []string {
	t.Helper()
	var complaints strings.Builder
	client.Stderr = &complaints
	output, err := client.Output()
	require.NoError(t, err, complaints.String())
	return slices.Sorted(strings.Lines(string(output)))
}

// asked is the moment that clients ask about.
func asked() time.Time { return generate.Demo().From.Start().Add(hours / 2 * time.Hour) }

// expected is what it should print: the views as their files describe them, which versions known users ran at a
// moment, and what was known of that for a user when each of the tags was made, by the lake itself.
func (s *site) expected(t *testing.T, user string, tags []string) []string {
	t.Helper()
	want := []string{"catalog\tscratch\n", "catalog\tsystem\n", "catalog\tversionlake\n", "schema\tgold\n",
		"schema\tviews\n"}
	views, err := trino.Views()
	require.NoError(t, err)
	for _, view := range views {
		want = append(want, "table\t"+view.Name+"\tVIEW\n", "comment\t"+view.Name+"\t"+view.Comment+"\n")
		for _, column := range view.Columns {
			want = append(want, "column\t"+view.Name+"\t"+column.Name+"\t"+column.Comment+"\n")
		}
	}
	for user := range s.users(t, "") {
		for _, i := range user.At(asked().UnixMicro()) {
			if user.Kind == history.KindUser {
				want = append(want, "version\t"+user.ID+"\t"+shown(i)+"\n")
			}
		}
	}
	for _, tag := range tags {
		for _, i := range s.known(t, tag)[user] {
			want = append(want, tag+"\t"+i+"\n")
		}
	}
	slices.Sort(want)
	return want
}

func (s *site) users(t *testing.T, asOf string) iter.Seq[history.User] {
	t.Helper()
	version, err := gold.FindVersion(t.Context(), s.lake, asOf)
	require.NoError(t, err)
	return func(yield func(history.User) bool) {
		for user, err := range gold.Users(t.Context(), s.lake, version) {
			require.NoError(t, err)
			if !yield(user) {
				return
			}
		}
	}
}

func shown(i history.Interval) string {
	device := "null"
	if i.HasDevice {
		device = i.Device
	}
	return i.Service + "\t" + device + "\t" + i.Version
}

// known are the versions that each user ran at the moment, and until when, as was known as of a tag.
func (s *site) known(t *testing.T, tag string) map[string][]string {
	t.Helper()
	known := map[string][]string{}
	for user := range s.users(t, tag) {
		for _, i := range user.At(asked().UnixMicro()) {
			until := "null"
			if !i.Open {
				until = time.UnixMicro(i.ValidTo).UTC().Format("2006-01-02 15:04:05.000000 UTC")
			}
			known[user.ID] = append(known[user.ID], shown(i)+"\t"+until)
		}
	}
	return known
}

// learnt names a user of whom more was known later, and two tags between which that came.
func (s *site) learnt(t *testing.T) (user string, tags []string) {
	t.Helper()
	tags = []string{"hour-" + (generate.Demo().From + hours/2).String(), s.tag}
	before, after := s.known(t, tags[0]), s.known(t, tags[1])
	for user := range after {
		if len(before[user]) > 0 && !slices.Equal(before[user], after[user]) {
			return user, tags
		}
	}
	t.Fatalf("between the tags %v nothing was learnt", tags)
	return "", nil
}

// jdbc connects as Tableau and DBeaver do.
func (s *site) jdbc(t *testing.T) {
	java, jars := testserver.TrinoInstall(t).Java, testserver.JDBC(t)
	classes := t.TempDir()
	out, err := exec.CommandContext(t.Context(), java, "-jar", filepath.Join(jars, "ecj.jar"), "-21", "-d", classes,
		"testdata/Client.java").CombinedOutput()
	require.NoError(t, err, string(out))
	location := strings.Replace(s.url, "https:", "jdbc:trino:", 1) + "/versionlake/views?SSL=true&SSLTrustStorePath=" +
		s.authority
	user, tags := s.learnt(t)
	client := exec.CommandContext(t.Context(), java, append([]string{"-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8",
		"-cp", classes + string(filepath.ListSeparator) + filepath.Join(jars, "trino-jdbc.jar"), "Client",
		location, support, s.passwords[support], asked().Format(time.RFC3339), user}, tags...)...)
	require.Equal(t, s.expected(t, user, tags), facts(t, client))
}

// python connects with Trino's package for Python, and through SQLAlchemy.
func (s *site) python(t *testing.T) {
	user, tags := s.learnt(t)
	client := exec.CommandContext(t.Context(), testserver.Python(t), append([]string{"testdata/client.py",
		s.url, support, s.passwords[support], s.tokens.token(t, claimsOf(support)), s.authority,
		asked().Format(time.RFC3339), user}, tags...)...)
	// they would win over what the program says
	client.Env = append(os.Environ(), "REQUESTS_CA_BUNDLE=", "CURL_CA_BUNDLE=")
	require.Equal(t, s.expected(t, user, tags), facts(t, client))
}

// noTagAsParameter: Trino 476 counts no parameter in AS OF. When this fails, clients may give tags and times as others.
func (s *site) noTagAsParameter(t *testing.T) {
	for kind, value := range map[string]any{"VERSION": s.tag, "TIMESTAMP": time.Now()} {
		_, err := s.open(t, support).QueryContext(t.Context(),
			"SELECT count(*) FROM gold.users FOR "+kind+" AS OF ?", value)
		require.ErrorContains(t, err, "Incorrect number of parameters: expected 0 but found 1")
	}
}
