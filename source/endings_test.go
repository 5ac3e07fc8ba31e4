package source

import (
	"errors"
	"strings"
	"testing"
)

func TestEndings(t *testing.T) {
	for names, read := range map[string]bool{
		"a.tsv A.TSV a.Tsv a.tsv.gz a.TSV.GZ a.tsv.gzip a.tsv.zst a.tsv.ZSTD a.tsv.bz2 a.log a.log.gz " +
			"a.txt a.csv a.tab a.dat": true,
		// Spark, Hadoop, Hive, Flink, Kafka Connect, Firehose, Fluentd, Vector, Logstash, load balancers.
		"part-00000 part-r-00001.gz part-00000-1f6c0d1e-0a2b-4a5e-9d3a-6f1a2b3c4d5e-c000.csv " +
			"part-00000-1f6c0d1e.c000 part-00000-1f6c.c000.gz": true,
		"000000_0 000000_0.gz 000001_0_copy_2 part-0-17 part-1f6c0d1e-0 part-1f6c0d1e-0.gz " +
			"telemetry+3+0000012000.bin.gz": true,
		"stream-1-2022-05-27-05-00-00-1f6c0d1e-0a2b-4a5e-9d3a-6f1a2b3c4d5e " +
			"my.stream-1-2022-05-27-05-00-00-1f6c0d1e-0a2b-4a5e.gz": true,
		"2022052705_0.gz 20220527_0.log 1653628800-1f6c0d1e-0a2b.log.gz " +
			"ls.s3.1f6c0d1e.2022-05-27T05.00.part0.txt messages syslog.1": true,
		"123456789012_elb_us-east-2_app.my-lb.1234_20220527T0500Z_172.160.1.192_20sg8hgm.log.gz " +
			"FlumeData.1653628800123": true,
		// Log rotation.
		"access.log.1 access.log.2.gz access.log-20220527 access.log-20220527.gz access-20220527.log " +
			"access.log.2022-05-27_05 a.tsv.1 a.tsv.1.gz": true,
		"a.tsv.2022-05-27T05:00 a.gz a.zst a.bz2": true,
		// Others, and files being written.
		"notes.pdf README.md data.parquet x.avro x.json x.jsonl x.xml x.tsv.tmp x.tsv.part x.log.swp " +
			"a.tsv~ x.crc x.tar.gz x.zip x.tsv.xz x.tsv.lz4": false,
		"x.tsv.snappy x.png.gz manifest.json.gz notes.pdf.1 notes.pdf-20220527 x.tsv.inprogress " +
			"x.tsv.filepart x.tsv.crdownload x.tsv.bak": false,
	} {
		for _, name := range strings.Fields(names) {
			if got := (Endings{}).read(name); got != read {
				t.Errorf("%s is read: %v", name, got)
			}
		}
	}
	for _, name := range []string{".a.tsv", "_SUCCESS", "_a.tsv", ".part-0-0.inprogress.1f6c", "05_$folder$",
		"_temporary_$folder$", ".DS_Store"} {
		if !isIgnored(name) {
			t.Errorf("%s is counted", name)
		}
	}
	for name, folder := range map[string]bool{"d.tsv": true, "d.log.gz": true, "d.gz": true, "D.TSV": true,
		"region=eu": false, "part-00000": false, "archive": false} {
		if got := (Endings{}).says(name); got != folder {
			t.Errorf("the folder %s is taken for a file: %v", name, got)
		}
	}
}

func TestParseEndings(t *testing.T) {
	endings, err := ParseEndings([]string{"EVT", ".tsv.done", " none "})
	must(t, err)
	for name, read := range map[string]bool{
		"a.evt": true, "a.EVT.gz": true, "a.evt.1": true, "a.tsv.done": true, "a.tsv": false, "a.log": false,
		"part-00000": true, "a.done": false,
	} {
		if got := endings.read(name); got != read {
			t.Errorf("%s is read: %v", name, got)
		}
	}
	endings, err = ParseEndings([]string{".tsv"})
	must(t, err)
	if endings.read("part-00000") || endings.read("a.gz") || !endings.read("a.tsv.gz") {
		t.Error("names without an ending are read, though not named")
	}
	for _, text := range []string{"", ".", "*", "a/b", ".gz", ".tsv.zst"} {
		if _, err := ParseEndings([]string{text}); !errors.Is(err, ErrConfig) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
