package lake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	icebergio "github.com/apache/iceberg-go/io"

	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/testserver"
)

// throughFaults takes hours, a rerun and maintenance through a lake whose steps fail, and does as Temporal does: each step
// again until it is done. What is in the lake must then be what a sound one has. sound ends the faults.
func throughFaults(t *testing.T, l *Lake, sound func()) {
	t.Helper()
	write := func(in *ingester) {
		for n, at := range []string{"27T05", "27T06"} {
			in.manyChunks(at, 3)
			in.put(at+"/login.tsv", login(at+":01", "s27T05-0-1", "p7"), sighting(at+":02", "s1", fmt.Sprintf("1.%d", n)), "broken")
		}
	}
	first := hourAt(t, "2022-05-27T05")
	hours := []telemetry.Hour{first, first + 1, first}
	plain := newWorld(t)
	write(plain)
	for _, hour := range hours {
		plain.ingest(hour)
	}

	in := newIngester(t, l, t.TempDir())
	write(in)
	failures := map[string]int{}
	in.failed = func(err error) {
		if errors.Is(err, ErrConfig) || errors.Is(err, ErrNoLake) || errors.Is(err, ErrConflict) || len(failures) > 500 {
			t.Fatal(err)
		}
		failures[err.Error()]++
	}
	for _, hour := range hours {
		in.ingest(hour)
		in.do(func() error { _, err := l.maintainAll(t.Context(), Upkeep{Grace: time.Hour}); return err })
	}
	sound()
	in.failed = nil
	if len(failures) < 5 {
		t.Errorf("only these steps failed: %v", failures)
	}
	if got, want := users(t, l, "")+dumpHours(t, l), users(t, plain.lake, "")+dumpHours(t, plain.lake); got != want {
		t.Errorf("the tables are\n%s\nand without faults\n%s", got, want)
	}
	checkVerify(t, l)
	checkVersions(t, l)
}

// faultyFS is Iceberg's local file system; below the roots in faultsBelow, a part of its calls fails.
type faultyFS struct{ icebergio.LocalFS }

var faultsBelow sync.Map // root → *faults

// faults are what befalls the calls to a warehouse.
type faults struct {
	mutex  sync.Mutex
	random *rand.Rand
	share  int    // of a thousand calls fail
	left   int    // calls until the process dies; 0: it does not
	die    func() // is told of its death
	dead   bool   // no call has an effect any more
}

func init() {
	icebergio.Unregister("file")
	icebergio.Register("file", func(context.Context, *url.URL, map[string]string) (icebergio.IO, error) { return faultyFS{}, nil })
}

// fails tells whether a call is to fail, and if so whether after its effect.
func fails(name string) (fails, late bool) {
	faultsBelow.Range(func(root, of any) bool {
		if strings.HasPrefix(strings.TrimPrefix(name, "file://"), root.(string)+"/") {
			fails, late = of.(*faults).call()
		}
		return !fails
	})
	return fails, late
}

func (f *faults) call() (fails, late bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.left > 0 {
		if f.left--; f.left == 0 {
			f.dead = true
			f.die()
		}
	}
	if f.dead {
		return true, false
	}
	return f.random.IntN(1000) < f.share, f.random.IntN(2) == 0
}

// faultySource fails as the warehouse does, and now and then a file changes between the list and the read.
type faultySource struct {
	source.Source
	faults *faults
}

func (s faultySource) List(ctx context.Context, hour telemetry.Hour) (source.Listing, error) {
	if fails, _ := s.faults.call(); fails {
		return source.Listing{}, fmt.Errorf("list %s: %w", hour, syscall.EIO)
	}
	return s.Source.List(ctx, hour)
}

func (s faultySource) Open(ctx context.Context, file source.File, offset, length int64) (io.ReadCloser, error) {
	fails, late := s.faults.call()
	if fails && !late {
		return nil, fmt.Errorf("open %s: %w", file.Key, source.ErrChanged)
	}
	r, err := s.Source.Open(ctx, file, offset, length)
	if err != nil || !fails {
		return r, err
	}
	return torn{io.LimitReader(r, max(file.Size/2, 1)), r}, nil
}

// torn is a read that breaks off.
type torn struct {
	io.Reader
	io.Closer
}

func (t torn) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (f faultyFS) Open(name string) (icebergio.File, error) {
	if fails, _ := fails(name); fails {
		return nil, fmt.Errorf("open %s: %w", name, syscall.EIO)
	}
	return f.LocalFS.Open(name)
}

func (f faultyFS) ReadFile(name string) ([]byte, error) {
	data, err := f.LocalFS.ReadFile(name)
	if fails, torn := fails(name); fails && torn {
		return data[:len(data)/2], fmt.Errorf("read %s: %w", name, io.ErrUnexpectedEOF)
	} else if fails {
		return nil, fmt.Errorf("read %s: %w", name, syscall.EIO)
	}
	return data, err
}

func (f faultyFS) WriteFile(name string, data []byte) error {
	fails, late := fails(name)
	if fails && !late {
		return fmt.Errorf("write %s: %w", name, syscall.ENOSPC)
	}
	if err := f.LocalFS.WriteFile(name, data); err != nil || !fails {
		return err
	}
	return fmt.Errorf("write %s: %w", name, syscall.EIO)
}

func (f faultyFS) Create(name string) (icebergio.FileWriter, error) {
	if fails, _ := fails(name); fails {
		return nil, fmt.Errorf("create %s: %w", name, syscall.ENOSPC)
	}
	return f.LocalFS.Create(name)
}

func (f faultyFS) Remove(name string) error {
	fails, late := fails(name)
	if fails && !late {
		return fmt.Errorf("remove %s: %w", name, syscall.EIO)
	}
	if err := f.LocalFS.Remove(name); err != nil || !fails {
		return err
	}
	return fmt.Errorf("remove %s: %w", name, syscall.EIO)
}

// TestFaultyDisk lets one of 50 calls to the disk fail, before or after its effect.
func TestFaultyDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("does everything several times")
	}
	dir := t.TempDir()
	l, err := Open(t.Context(), Config{Catalog: "sqlite://" + dir + "/catalog.db", Warehouse: "file://" + dir + "/warehouse", Buckets: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	root := path.Join(dir, "warehouse")
	faultsBelow.Store(root, &faults{random: rand.New(rand.NewPCG(rand.Uint64(), 0)), share: 20})
	defer faultsBelow.Delete(root)
	throughFaults(t, l, func() { faultsBelow.Delete(root) })
}

// TestFaultyServers lets S3 refuse, fail, and break off, and Postgres lose its answers, that of a commit among them.
func TestFaultyServers(t *testing.T) {
	if os.Getenv("VERSIONLAKE_FAULTS") == "" {
		t.Skip("takes minutes: VERSIONLAKE_FAULTS=1 runs it")
	}
	server := testserver.S3(t)
	server.Setenv(t)
	t.Setenv("AWS_MAX_ATTEMPTS", "1") // the client's own retries would hide the faults, and take their time
	bucket := server.NewBucket(t)
	var sound atomic.Bool
	faulty := server.Behind(t, func(*http.Request) testserver.Fault {
		if sound.Load() || rand.IntN(40) > 0 {
			return testserver.NoFault
		}
		return []testserver.Fault{testserver.Refused, testserver.FailsLate, testserver.Cut, testserver.Torn, testserver.Slow}[rand.IntN(5)]
	})
	t.Setenv("AWS_ENDPOINT_URL_S3", faulty.Endpoint)
	database, gate := testserver.PostgresBehind(t, testserver.Postgres(t))
	sound.Store(true)
	l, err := Open(t.Context(), Config{Catalog: database, Warehouse: "s3://" + bucket + "/lake", Buckets: 2, Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sound.Store(false)
	gate.Lose(10)
	throughFaults(t, l, func() {
		sound.Store(true)
		gate.Lose(0)
	})
}
