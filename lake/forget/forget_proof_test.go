package forget_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forget"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/forgetting"
)

// TestProofUnpacks: packed bytes that spell an id by chance are no remains; the same bytes anywhere else are, and
// so is what only unpacking shows.
//
//nolint:funlen // a table of cases
func TestProofUnpacks(t *testing.T) {
	in, _ := forgetWorld(t)
	erasure, err := forget.BeginForget(t.Context(), in.Lake, laketest.Gone)
	in.Must(err)
	forgetting.Rest(in, erasure)
	erasure, err = forget.BeginForget(t.Context(), in.Lake, laketest.Gone)
	in.Must(err)
	type row struct {
		Text string `parquet:"text"`
	}
	file := func(packing compress.Codec, option parquet.WriterOption, texts ...string) []byte {
		var out bytes.Buffer
		w := parquet.NewGenericWriter[row](&out, parquet.Compression(packing), option, parquet.DataPageStatistics(true))
		for _, text := range texts {
			_, err := w.Write([]row{{text}})
			in.Must(err)
		}
		in.Must(w.Close())
		return out.Bytes()
	}
	place := in.Lake.Objects.LocalPath(in.Lake.Objects.Root + "/someone.parquet")
	remains := func(data []byte) int {
		t.Helper()
		in.Must(os.WriteFile(place, data, 0o644))
		proof, err := forget.ProveForgotten(t.Context(), in.Lake, erasure, func(int64) {})
		in.Must(err)
		for _, remain := range proof.Remains {
			if !strings.HasSuffix(remain.Object, "/someone.parquet") {
				t.Errorf("%+v", remain)
			}
		}
		return len(proof.Remains)
	}
	none := parquet.KeyValueMetadata("k", "v")
	v1, v2 := parquet.DataPageVersion(1), parquet.DataPageVersion(2)

	// What follows the id in the text is a repeat, which packing leaves out: of the packed text, something else
	// follows.
	spelt := 0
	for name, packing := range map[string]compress.Codec{"snappy": &parquet.Snappy, "zstd": &parquet.Zstd,
		"lz4": &parquet.Lz4Raw} {
		for n := 8; n < 36; n++ {
			repeat := "0123456789abcdefghijklmnopqrstuvwxyz"[:n]
			data := file(packing, []parquet.WriterOption{v1, v2}[n%2],
				repeat+" !"+laketest.Gone+repeat+" QWERTZUIOPASDFGHJKLYXCVBNM,.-;:_#+*!$%&/()=?")
			chance := false
			for at := bytes.Index(data, []byte(laketest.Gone)); at >= 0; {
				chance = chance || !forgotten.InWord(string(data), at+len(laketest.Gone))
				next := bytes.Index(data[at+1:], []byte(laketest.Gone))
				if next < 0 {
					break
				}
				at += 1 + next
			}
			if !chance {
				continue
			}
			spelt++
			if n := remains(data); n > 0 {
				t.Errorf("%s: a word that the id begins is taken for it", name)
			}
			break
		}
	}
	if spelt == 0 {
		t.Error("no packing spells the id by chance: the test shows nothing")
	}
	long := strings.Repeat(laketest.Gone[:7]+" "+laketest.Gone[7:]+" ", 20)
	for name, data := range map[string][]byte{
		"packed":            file(&parquet.Zstd, v1, long, "x "+laketest.Gone+" y"),
		"packed, newer":     file(&parquet.Zstd, v2, long, "x "+laketest.Gone+" y"),
		"escaped":           file(&parquet.Gzip, v2, long, strings.ReplaceAll(laketest.Gone, "7", `\u0037`)),
		"unpacked":          file(&parquet.Uncompressed, v1, laketest.Gone),
		"unpacked, newer":   file(&parquet.Uncompressed, v2, laketest.Gone),
		"metadata":          file(&parquet.Zstd, parquet.KeyValueMetadata("user", laketest.Gone), "x"),
		"a key of metadata": file(&parquet.Zstd, parquet.KeyValueMetadata(laketest.Gone, "x"), "x"),
	} {
		if n := remains(data); n != 1 {
			t.Errorf("%s: %d remains", name, n)
		}
	}
	if n := remains(file(&parquet.Zstd, none, "x")); n != 0 {
		t.Errorf("a file without the user: %d remains", n)
	}
	in.Must(os.Remove(place))
	place = in.Lake.Objects.LocalPath(in.Lake.Objects.Root + "/of=" + laketest.Gone + "/someone.parquet")
	in.Must(os.MkdirAll(strings.TrimSuffix(place, "/someone.parquet"), 0o755))
	if n := remains(file(&parquet.Zstd, none, "x")); n != 1 {
		t.Errorf("a name: %d remains", n)
	}
}

// TestForgetLooseFiles: what runs left that died is gone, also of sessions that nobody but them knew.
func TestForgetLooseFiles(t *testing.T) {
	in, _ := forgetWorld(t)
	const loose = "5e55104d0000abcd"
	die := func(silver bool, commits ...lake.TableDefinition) {
		t.Helper()
		s := in.Stage(laketest.HourAt(t, "2022-05-27T09"))
		if len(s.Chunks) != 4 {
			t.Fatalf("%d chunks", len(s.Chunks))
		}
		for _, each := range s.Silver {
			var staged hours.SilverFiles
			in.Must(in.Lake.Objects.ReadJSON(each.Ref, &staged))
			for _, file := range staged.Files {
				if !silver {
					in.Must(in.Lake.Objects.Remove(t.Context(), []string{file.Path}))
				}
			}
		}
		in.CommitTables(s, commits...)
		in.Must(hours.DropStaging(t.Context(), in.Lake, s.Run))
	}
	in.ChunkSize = 1 // each line is a chunk
	lines := func(session string, last ...string) []string {
		return append([]string{laketest.Event("27T09:00", session, "Chat"),
			laketest.Sighting("27T09:01", session, "4.0"), laketest.Login("27T09:02", session, laketest.Gone)}, last...)
	}
	in.Put("27T09/a.tsv", lines(loose, laketest.Sighting("27T09:03", "s1", "4.0"))...)
	die(false)
	// One that came to bronze: silver alone tells, which nobody has.
	in.Put("27T09/a.tsv", lines(loose+"2", laketest.Sighting("27T09:03", "s1", "4.0"))...)
	die(true, lake.BronzeEvents)
	// One that names somebody else in a session that the lake knows as the user's alone.
	in.Put("27T09/a.tsv", lines(loose+"3",
		laketest.Sighting("27T09:03", laketest.GoneSession, "4.0", "UserId", "p2"))...)
	die(true)
	in.Put("27T09/a.tsv", laketest.Sighting("27T09:03", "s1", "4.0"))
	in.Ingest(laketest.HourAt(t, "2022-05-27T09"))
	want := in.GoldRows("")
	delete(want, laketest.Gone)
	if len(forgetting.Remains(in, loose)) < 4 {
		t.Fatal("the runs left nothing")
	}
	forgetting.Forget(in, laketest.Gone)
	if found := forgetting.Remains(in, laketest.Gone, laketest.GoneSession, loose); len(found) > 0 {
		t.Errorf("left behind:\n%s", strings.Join(found, "\n"))
	}
	if got := fmt.Sprint(in.GoldRows("")); got != fmt.Sprint(want) {
		t.Errorf("gold is %s\nnot %s", got, want)
	}
	checks.Verify(t, in.Lake)
}
