package source

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/testserver"
)

// TestFaults lets every other request fail, in each way: what is read is the object, or an error that a retry cures.
func TestFaults(t *testing.T) {
	server := testserver.S3(t)
	server.Setenv(t)
	t.Setenv("AWS_MAX_ATTEMPTS", "1") // the client's own retries would hide the faults, and take their time
	for name, fault := range map[string]testserver.Fault{
		"refused": testserver.Refused, "fails late": testserver.FailsLate, "cut": testserver.Cut,
		"torn": testserver.Torn, "slow": testserver.Slow,
	} {
		t.Run(name, func(t *testing.T) {
			b := s3Backend(t, server, "logs")
			contents := map[string]string{}
			for _, file := range []string{"a.tsv", "b.tsv", "c.tsv"} {
				contents[hourFolder+"/"+file] = strings.Repeat(file+" line\n", 10_000)
				b.put(t, hourFolder+"/"+file, contents[hourFolder+"/"+file])
			}
			var requests, faults atomic.Int32
			faulty := server.Behind(t, func(*http.Request) testserver.Fault {
				if requests.Add(1)%5 != 1 { // a listing takes three
					return testserver.NoFault
				}
				faults.Add(1)
				return fault
			})
			t.Setenv("AWS_ENDPOINT_URL_S3", faulty.Endpoint)
			src := openSource(t, b.location)
			again := func(what func() error) {
				t.Helper()
				for try := 1; ; try++ {
					err := what()
					if err == nil {
						return
					}
					if errors.Is(err, ErrConfig) || errors.Is(err, ErrChanged) || errors.Is(err, ErrNotFound) ||
						try == 20 {
						t.Fatalf("try %d: %v", try, err)
					}
				}
			}
			hour, err := telemetry.ParseHour("2022-05-27T05")
			must(t, err)
			var files []File
			again(func() error {
				listing, err := src.List(t.Context(), hour)
				files = listing.Files
				return err
			})
			if len(files) != len(contents) {
				t.Fatalf("listed %v", files)
			}
			for _, f := range files {
				again(func() error {
					r, err := src.Open(t.Context(), f, 0, -1)
					if err != nil {
						return err
					}
					defer r.Close()
					text, err := io.ReadAll(r)
					if err == nil && string(text) != contents[f.Key] {
						t.Fatalf("read %d bytes of %s that are not the %d of the object", len(text),
							f.Key, len(contents[f.Key]))
					}
					return err
				})
			}
			if faults.Load() < 2 {
				t.Errorf("%d faults in %d requests", faults.Load(), requests.Load())
			}
		})
	}
}
