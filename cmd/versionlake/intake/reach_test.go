package intake_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/intake"
	"github.com/versionlake/versionlake/cmd/versionlake/program"
	"github.com/versionlake/versionlake/cmd/versionlake/programtest"
	"github.com/versionlake/versionlake/testserver"
)

// TestWrongBucketAtAPrompt: a bucket that is not there or can't be one, and a wrong key, end a command at once. No
// server is started, and nothing is waited for.
func TestWrongBucketAtAPrompt(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an S3 server")
	}
	run := programtest.Groups{intake.Commands}.Run
	server := testserver.S3(t)
	server.Setenv(t)
	bucket := server.NewBucket(t)
	for name, test := range map[string]struct{ source, warehouse, secret string }{
		"source in no bucket":            {source: "s3://" + bucket + "-gone/telemetry"},
		"source in an impossible bucket": {source: "s3://No_Bucket/telemetry"},
		"source, wrong key":              {source: "s3://" + bucket + "/telemetry", secret: "wrong"},
		"warehouse in no bucket":         {source: t.TempDir(), warehouse: "s3://" + bucket + "-gone/lake"},
		"warehouse, wrong key":           {source: t.TempDir(), warehouse: "s3://" + bucket + "/lake", secret: "wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.secret != "" {
				t.Setenv("AWS_SECRET_ACCESS_KEY", test.secret)
			}
			dir := t.TempDir()
			args := []string{"ingest", "2022-05-27T05", "--dir", dir, "--source", test.source}
			if test.warehouse != "" {
				args = append(args, "--warehouse", test.warehouse, "--catalog", "sqlite://"+dir+"/catalog.db")
			}
			code, _, stderr := run(t, args...)
			require.NotEqual(t, program.ExitOK, code)
			require.NotContains(t, stderr, "running one in", "a server was started")
			require.NotContains(t, stderr, "waiting")
			t.Log(stderr)
		})
	}
}
