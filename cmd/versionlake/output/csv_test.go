package output_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/terminal"
)

type inner struct {
	Kind string `json:"kind,omitempty"`
}

type row struct {
	ID string `json:"id"`
	inner
	Device *string  `json:"device"`
	Count  int64    `json:"count,string"`
	Tags   []string `json:"tags"`
	hidden int
	Never  string `json:"-"`
}

// TestCSV: a line an object, the same fields in each, and nothing that a spreadsheet takes for a formula.
func TestCSV(t *testing.T) {
	var out bytes.Buffer
	streams := output.Streams{Stdout: terminal.NewOutput(&out), Format: output.CSV}
	p := streams.NewPrinter("not", "these")
	device := "a \"b\", c\nd\x1b"
	for _, each := range []any{
		row{ID: "p1", Count: 5, Tags: []string{"x", "y"}},
		&row{ID: "=1+1", inner: inner{"user"}, Device: &device, Never: "never", hidden: 1},
		row{ID: "-5"},
	} {
		require.NoError(t, p.Add(each, 1, 2))
	}
	require.NoError(t, p.Flush())
	require.Equal(t, []string{
		"\ufeffid,kind,device,count,tags",
		`p1,,,5,"[""x"",""y""]"`,
		`'=1+1,user,"a ""b"", c\nd\x1b",0,`,
		"'-5,,,0,",
	}, strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n"))
}

// TestSeveralOfCSV: the mark of UTF-8 stands at the begin alone, since it would belong to a name elsewhere.
func TestSeveralOfCSV(t *testing.T) {
	var out bytes.Buffer
	streams := output.Streams{Stdout: terminal.NewOutput(&out), Format: output.CSV}
	require.NoError(t, streams.NewPrinter().Add(inner{"first"}))
	require.NoError(t, streams.NewPrinter().Add(inner{"second"}))
	require.Equal(t, "\ufeffkind\nfirst\nkind\nsecond\n", out.String())
}

type twice struct{}

func (twice) MarshalJSON() ([]byte, error) { return []byte(`{"version":"1","version":"2"}`), nil }

// TestCSVOfOneNameTwice: SELECT a.version, b.version has two columns of one name.
func TestCSVOfOneNameTwice(t *testing.T) {
	var out bytes.Buffer
	streams := output.Streams{Stdout: terminal.NewOutput(&out), Format: output.CSV}
	require.NoError(t, streams.NewPrinter().Add(twice{}))
	require.Equal(t, "\ufeffversion,version\n1,2\n", out.String())
}
