package terminal

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vbauerster/mpb/v8"
)

// ours are the bar's own movements of the cursor.
var ours = regexp.MustCompile(`\x1b\[[0-9]*[AJK]|\r`)

// TestBar: a bar moves the cursor; what it shows of others does not.
func TestBar(t *testing.T) {
	const hostile = "evil\x1b[2A\x1b[31m\r\n\u202e"
	var out bytes.Buffer
	b := newBar(&out, hostile, mpb.WithAutoRefresh()) // as on a terminal
	b.Update(hostile, 1, 2, hostile)
	b.Note("first " + hostile)
	b.Note("second " + hostile)
	b.End()
	shown := ours.ReplaceAllString(out.String(), "")
	require.Contains(t, shown, `first evil\x1b[2A\x1b[31m\r\n\u202e`+"\n"+`second evil\x1b[2A\x1b[31m\r\n\u202e`+"\n")
	require.NotContains(t, out.String(), "evil\x1b")
	for _, r := range shown {
		require.True(t, r == '\n' || !unseen(r, 3), "%q in %q", r, shown)
	}
	status := b.status.Load().(string)
	require.Equal(t, Clean(status), status)
}
