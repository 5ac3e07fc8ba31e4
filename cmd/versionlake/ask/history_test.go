package ask

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/terminal"
)

// TestHistoryFormat: other programs read this, byte for byte.
func TestHistoryFormat(t *testing.T) {
	at := func(text string) int64 {
		moment, err := time.Parse(time.RFC3339Nano, text)
		require.NoError(t, err)
		return moment.UnixMicro()
	}
	user := history.Build("p<1>&", history.KindUser, []history.Sighting{
		{Service: "ClientApp", Device: "Gameboy", HasDevice: true, Version: "1.22.03",
			Time: at("2021-12-24T11:31:19.459Z")},
		{Service: "ClientApp", Device: "Gameboy", HasDevice: true, Version: "1.22.02",
			Time: at("2021-12-25T00:00:00Z")},
		{Service: "Other", Version: "7", Time: at("2021-12-25T00:00:00.000001Z")},
		{Service: "Other", Version: "unknown", Time: at("2021-12-26T00:00:00Z")},
	})
	var stdout bytes.Buffer
	s := &output.Streams{Format: output.JSON, Stdout: terminal.NewOutput(&stdout)}
	require.NoError(t, addHistory(s.NewPrinter(), &user, true))
	require.Equal(t, `{"user_id":"p<1>&","user_kind":"user","history":[`+
		`{"service":"ClientApp","device":"Gameboy","version":"1.22.03","valid_from":"2021-12-24T11:31:19.459Z",`+
		`"valid_to":"2021-12-25T00:00:00Z","last_seen_at":"2021-12-24T11:31:19.459Z","sightings":1,`+
		`"is_downgrade":false},`+
		`{"service":"ClientApp","device":"Gameboy","version":"1.22.02","valid_from":"2021-12-25T00:00:00Z",`+
		`"valid_to":null,"last_seen_at":"2021-12-25T00:00:00Z","sightings":1,"is_downgrade":true},`+
		`{"service":"Other","device":null,"version":"7","valid_from":"2021-12-25T00:00:00.000001Z",`+
		`"valid_to":"2021-12-26T00:00:00Z","last_seen_at":"2021-12-25T00:00:00.000001Z","sightings":1,`+
		`"is_downgrade":false},`+
		`{"service":"Other","device":null,"version":"unknown","valid_from":"2021-12-26T00:00:00Z",`+
		`"valid_to":null,"last_seen_at":"2021-12-26T00:00:00Z","sightings":1,"is_downgrade":null}]}`+"\n",
		stdout.String())
}
