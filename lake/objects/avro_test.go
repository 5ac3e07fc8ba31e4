package objects

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"strings"
	"testing"
)

// TestAvroBlocks: a block is looked at unpacked, and one that unpacks to more than it may is an error instead of
// memory.
func TestAvroBlocks(t *testing.T) {
	packed := func(text string) []byte {
		var data bytes.Buffer
		w, err := flate.NewWriter(&data, flate.BestCompression)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return data.Bytes()
	}
	text := func(buffer []byte, value string) []byte {
		return append(binary.AppendVarint(buffer, int64(len(value))), value...)
	}
	marker := strings.Repeat("m", 16)
	file := text(text(binary.AppendVarint([]byte("Obj\x01"), 1), "avro.codec"), "deflate")
	file = append(binary.AppendVarint(file, 0), marker...)
	for _, block := range []string{strings.Repeat("nobody ", 1000), strings.Repeat("here is player-7f3a91c0 ", 100)} {
		file = append(text(binary.AppendVarint(file, 1), string(packed(block))), marker...)
	}
	wanted := func(data []byte) bool { return bytes.Contains(data, []byte("player-7f3a91c0")) }
	find := func(data []byte) (string, error) {
		return FindInAvro(bufio.NewReader(bytes.NewReader(data)), wanted)
	}
	if where, err := find(file); err != nil || where != "block 1 of Avro" {
		t.Errorf("found in %q: %v", where, err)
	}
	for length := range len(file) {
		if where, err := find(file[:length]); err == nil && !strings.HasSuffix(string(file[:length]), marker) ||
			where != "" {
			t.Errorf("cut at %d of %d, it is found in %q: %v", length, len(file), where, err)
		}
	}
	for limit, fails := range map[int64]bool{7000: false, 6999: true} {
		a := &avroFile{reader: bufio.NewReader(bytes.NewReader(file)), limit: limit}
		if _, err := a.findInHeader(wanted); err != nil {
			t.Fatal(err)
		}
		if data, err := a.block(); (err != nil) != fails || !fails && len(data) != 7000 {
			t.Errorf("with a limit of %d: %d bytes, %v", limit, len(data), err)
		}
	}
}
