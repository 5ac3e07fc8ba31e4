package trino_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/generate"
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

// expected is what it should print: the views as their files describe them, and which versions known users ran at a time,
// by the lake itself.
func (s *site) expected(t *testing.T, at time.Time) []string {
	t.Helper()
	want := []string{"catalog\tsystem\n", "catalog\tversionlake\n", "schema\tgold\n", "schema\tviews\n"}
	views, err := trino.Views()
	require.NoError(t, err)
	for _, view := range views {
		want = append(want, "table\t"+view.Name+"\tVIEW\n", "comment\t"+view.Name+"\t"+view.Comment+"\n")
		for _, column := range view.Columns {
			want = append(want, "column\t"+view.Name+"\t"+column.Name+"\t"+column.Comment+"\n")
		}
	}
	now, err := s.lake.Version(t.Context(), "")
	require.NoError(t, err)
	for user, err := range s.lake.Users(t.Context(), now) {
		require.NoError(t, err)
		for _, i := range user.History {
			if user.Kind != "user" || i.ValidFrom > at.UnixMicro() || !i.Open && i.ValidTo <= at.UnixMicro() {
				continue
			}
			device := "null"
			if i.HasDevice {
				device = i.Device
			}
			want = append(want, "version\t"+i.Service+"\t"+device+"\t"+i.Version+"\n")
		}
	}
	slices.Sort(want)
	return want
}

func asked() time.Time { return generate.Demo().From.Start().Add(hours / 2 * time.Hour) }

// jdbc connects as Tableau and DBeaver do.
func (s *site) jdbc(t *testing.T) {
	java, jars := testserver.TrinoInstall(t).Java, testserver.JDBC(t)
	classes := t.TempDir()
	out, err := exec.CommandContext(t.Context(), java, "-jar", filepath.Join(jars, "ecj.jar"), "-21", "-d", classes, "testdata/Client.java").CombinedOutput()
	require.NoError(t, err, string(out))
	location := strings.Replace(s.url, "https:", "jdbc:trino:", 1) + "/versionlake/views?SSL=true&SSLTrustStorePath=" + s.authority
	client := exec.CommandContext(t.Context(), java, "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8",
		"-cp", classes+string(filepath.ListSeparator)+filepath.Join(jars, "trino-jdbc.jar"), "Client",
		location, analyst, s.passwords[analyst], asked().Format(time.RFC3339))
	require.Equal(t, s.expected(t, asked()), facts(t, client))
}

// python connects with Trino's package for Python, and through SQLAlchemy.
func (s *site) python(t *testing.T) {
	client := exec.CommandContext(t.Context(), testserver.Python(t), "testdata/client.py",
		s.url, analyst, s.passwords[analyst], s.tokens.token(t, claimsOf(analyst)), s.authority, asked().Format(time.RFC3339))
	client.Env = append(os.Environ(), "REQUESTS_CA_BUNDLE=", "CURL_CA_BUNDLE=") // they would win over what the program says
	require.Equal(t, s.expected(t, asked()), facts(t, client))
}
