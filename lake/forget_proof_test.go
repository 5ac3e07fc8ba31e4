package lake

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
)

// TestProofUnpacks: packed bytes that spell an id by chance are no remains; the same bytes anywhere else are, and so is what only
// unpacking shows.
func TestProofUnpacks(t *testing.T) {
	in, _ := forgetWorld(t)
	erasure, err := in.lake.BeginForget(t.Context(), gone)
	in.must(err)
	in.forgetRest(erasure)
	erasure, err = in.lake.BeginForget(t.Context(), gone)
	in.must(err)
	type row struct {
		Text string `parquet:"text"`
	}
	file := func(packing compress.Codec, option parquet.WriterOption, texts ...string) []byte {
		var out bytes.Buffer
		w := parquet.NewGenericWriter[row](&out, parquet.Compression(packing), option, parquet.DataPageStatistics(true))
		for _, text := range texts {
			_, err := w.Write([]row{{text}})
			in.must(err)
		}
		in.must(w.Close())
		return out.Bytes()
	}
	place := in.lake.objects.localPath(in.lake.objects.root + "/someone.parquet")
	remains := func(data []byte) int {
		t.Helper()
		in.must(os.WriteFile(place, data, 0o644))
		proof, err := in.lake.ProveForgotten(t.Context(), erasure, func(int64) {})
		in.must(err)
		for _, remain := range proof.Remains {
			if !strings.HasSuffix(remain.Object, "/someone.parquet") {
				t.Errorf("%+v", remain)
			}
		}
		return len(proof.Remains)
	}
	none := parquet.KeyValueMetadata("k", "v")
	v1, v2 := parquet.DataPageVersion(1), parquet.DataPageVersion(2)

	// What follows the id in the text is a repeat, which packing leaves out: of the packed text, something else follows.
	spelt := 0
	for name, packing := range map[string]compress.Codec{"snappy": &parquet.Snappy, "zstd": &parquet.Zstd, "lz4": &parquet.Lz4Raw} {
		for n := 8; n < 36; n++ {
			repeat := "0123456789abcdefghijklmnopqrstuvwxyz"[:n]
			data := file(packing, []parquet.WriterOption{v1, v2}[n%2], repeat+" !"+gone+repeat+" QWERTZUIOPASDFGHJKLYXCVBNM,.-;:_#+*!$%&/()=?")
			chance := false
			for at := bytes.Index(data, []byte(gone)); at >= 0; {
				chance = chance || !inWord(string(data), at+len(gone))
				next := bytes.Index(data[at+1:], []byte(gone))
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
	long := strings.Repeat(gone[:7]+" "+gone[7:]+" ", 20)
	for name, data := range map[string][]byte{
		"packed":            file(&parquet.Zstd, v1, long, "x "+gone+" y"),
		"packed, newer":     file(&parquet.Zstd, v2, long, "x "+gone+" y"),
		"escaped":           file(&parquet.Gzip, v2, long, strings.ReplaceAll(gone, "7", `\u0037`)),
		"unpacked":          file(&parquet.Uncompressed, v1, gone),
		"unpacked, newer":   file(&parquet.Uncompressed, v2, gone),
		"metadata":          file(&parquet.Zstd, parquet.KeyValueMetadata("user", gone), "x"),
		"a key of metadata": file(&parquet.Zstd, parquet.KeyValueMetadata(gone, "x"), "x"),
	} {
		if n := remains(data); n != 1 {
			t.Errorf("%s: %d remains", name, n)
		}
	}
	if n := remains(file(&parquet.Zstd, none, "x")); n != 0 {
		t.Errorf("a file without the user: %d remains", n)
	}
	in.must(os.Remove(place))
	place = in.lake.objects.localPath(in.lake.objects.root + "/of=" + gone + "/someone.parquet")
	in.must(os.MkdirAll(strings.TrimSuffix(place, "/someone.parquet"), 0o755))
	if n := remains(file(&parquet.Zstd, none, "x")); n != 1 {
		t.Errorf("a name: %d remains", n)
	}
}

// TestForgetLooseFiles: what runs left that died is gone, also of sessions that nobody but them knew.
func TestForgetLooseFiles(t *testing.T) {
	in, _ := forgetWorld(t)
	const loose = "5e55104d0000abcd"
	die := func(silver bool, commits ...tableDefinition) {
		t.Helper()
		s := in.stage(hourAt(t, "2022-05-27T09"))
		if len(s.chunks) != 4 {
			t.Fatalf("%d chunks", len(s.chunks))
		}
		for _, each := range s.silver {
			var staged stagedSilver
			in.must(in.lake.objects.readJSON(each.Ref, &staged))
			for _, file := range staged.Files {
				if !silver {
					in.must(in.lake.objects.remove(t.Context(), []string{file.Path}))
				}
			}
		}
		in.commitTables(s, commits...)
		in.must(in.lake.DropStaging(t.Context(), s.run))
	}
	in.chunkSize = 1 // each line is a chunk
	lines := func(session string, last ...string) []string {
		return append([]string{event("27T09:00", session, "Chat"), sighting("27T09:01", session, "4.0"), login("27T09:02", session, gone)}, last...)
	}
	in.put("27T09/a.tsv", lines(loose, sighting("27T09:03", "s1", "4.0"))...)
	die(false)
	// One that came to bronze: silver alone tells, which nobody has.
	in.put("27T09/a.tsv", lines(loose+"2", sighting("27T09:03", "s1", "4.0"))...)
	die(true, bronzeEvents)
	// One that names somebody else in a session that the lake knows as the user's alone.
	in.put("27T09/a.tsv", lines(loose+"3", sighting("27T09:03", goneSession, "4.0", "UserId", "p2"))...)
	die(true)
	in.put("27T09/a.tsv", sighting("27T09:03", "s1", "4.0"))
	in.ingest(hourAt(t, "2022-05-27T09"))
	want := in.goldRows("")
	delete(want, gone)
	if len(in.remains(loose)) < 4 {
		t.Fatal("the runs left nothing")
	}
	in.forget(gone)
	if found := in.remains(gone, goneSession, loose); len(found) > 0 {
		t.Errorf("left behind:\n%s", strings.Join(found, "\n"))
	}
	if got := fmt.Sprint(in.goldRows("")); got != fmt.Sprint(want) {
		t.Errorf("gold is %s\nnot %s", got, want)
	}
	checkVerify(t, in.lake)
}
