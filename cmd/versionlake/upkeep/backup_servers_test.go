package upkeep_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake/database"
	"github.com/versionlake/versionlake/testserver"
)

// TestBackupOnServers does with Postgres and S3 what docs/BACKUP.md says: a copy in another bucket stands alone, with a
// copy of the database, and the database is lost without a dump.
func TestBackupOnServers(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers")
	}
	store := testserver.S3(t)
	first, lost, copied := testserver.Postgres(t), testserver.Postgres(t), testserver.Postgres(t)
	address, password := testserver.Catalog(t, first)
	bucket, other := store.NewBucket(t), store.NewBucket(t)
	root := t.TempDir()
	bin, hour := filepath.Join(root, "bin"), filepath.Join(root, "telemetry", "2022", "05", "27", "05")
	require.NoError(t, os.MkdirAll(bin, 0o755))
	writeBackupHour(t, hour)
	sh := shell(t, bin, append(store.Env(), "HOME="+root, password, "VERSIONLAKE_DIR="+filepath.Join(root, "lake"),
		"VERSIONLAKE_SOURCE="+filepath.Join(root, "telemetry"), "VERSIONLAKE_CATALOG="+address,
		"VERSIONLAKE_WAREHOUSE=s3://"+bucket+"/versions", "KEY="+filepath.Join(root, "recovery.key"))...)
	const answers = "versionlake history --all --output json"
	sh("versionlake ingest 2022-05-27T05; versionlake recovery-key \"$KEY\"; versionlake forget patricia-1 --yes")
	want := sh(answers)
	require.Contains(t, want, "quentin-2")
	require.NotContains(t, want, "patricia-1")
	copyBucket(t, store, bucket, other)
	copyCatalog(t, first, copied)

	// A copy is refused for writing, and with the original's database altogether, until it stands alone.
	there, _ := testserver.Catalog(t, copied)
	elsewhere := "export VERSIONLAKE_WAREHOUSE=s3://" + other + "/versions\n"
	alone := elsewhere + "export VERSIONLAKE_CATALOG=" + there + "\n"
	require.Contains(t, sh(alone+"versionlake ingest 2022-05-27T05 2>&1 && exit 1 || true"), "versionlake relocate")
	require.Contains(t, sh(alone+"versionlake verify 2>&1 || echo exit $?"), "exit 4", "it would read the original")
	require.Contains(t, sh(elsewhere+"export VERSIONLAKE_CATALOG="+address+
		"\nversionlake relocate 2>&1 && exit 1 || true"), "--move")
	sh(alone + "versionlake relocate --dry-run; versionlake relocate; versionlake verify")
	sh("echo >> " + filepath.Join(hour, "a.tsv"))
	sh(alone + "versionlake ingest 2022-05-27T05")
	require.Equal(t, strings.Count(want, "\n"), strings.Count(sh(alone+answers), "\n"), "who was forgotten stays out")
	sh(alone + "versionlake verify")

	// The database is lost: an empty one is refused, and stays empty, until recover fills it.
	empty, _ := testserver.Catalog(t, lost)
	in := "export VERSIONLAKE_CATALOG=" + empty + "\n"
	require.Contains(t, sh(in+"versionlake status 2>&1 && exit 1 || true"), "versionlake recover")
	sh(in + "versionlake recover --key \"$KEY\" --dry-run")
	require.Zero(t, tablesIn(t, lost))
	require.Contains(t, sh(in+"versionlake recover --key \"$KEY\""), "who was forgotten stays out")
	sh(in + "versionlake verify")
	require.Equal(t, want, sh(in+answers))
}

func copyBucket(t *testing.T, store testserver.S3Server, from, to string) {
	t.Helper()
	listed := s3.NewListObjectsV2Paginator(store.Client(), &s3.ListObjectsV2Input{Bucket: aws.String(from)})
	for listed.HasMorePages() {
		page, err := listed.NextPage(t.Context())
		require.NoError(t, err)
		for _, object := range page.Contents {
			_, err := store.Client().CopyObject(t.Context(),
				&s3.CopyObjectInput{Bucket: aws.String(to), Key: object.Key,
					CopySource: aws.String(from + "/" + *object.Key)})
			require.NoError(t, err)
		}
	}
}

// copyCatalog does as a dump does that is restored elsewhere.
func copyCatalog(t *testing.T, from, to string) {
	t.Helper()
	open := func(location string, create bool) *sql.DB {
		db, dialect, err := database.Open(location, create)
		require.NoError(t, err)
		t.Cleanup(func() { _ = db.Close() })
		_, err = database.NewCatalog("versionlake", db, dialect, database.Properties("file:///nowhere"), create)
		require.NoError(t, err)
		return db
	}
	source, target := open(from, false), open(to, true)
	for _, name := range []string{"iceberg_tables", "iceberg_namespace_properties"} {
		var rows string
		require.NoError(t, source.QueryRow("SELECT coalesce(json_agg(t), '[]') FROM "+name+" t").Scan(&rows))
		_, err := target.Exec("INSERT INTO "+name+" SELECT * FROM json_populate_recordset(NULL::"+name+", $1)", rows)
		require.NoError(t, err)
	}
}

func tablesIn(t *testing.T, location string) (n int) {
	t.Helper()
	db, _, err := database.Open(location, false)
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.QueryRow("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&n))
	return n
}
