package objects

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
)

// maxAvroBlock bounds a block of a manifest, as it is stored and unpacked: a damaged one must not fill the memory.
const maxAvroBlock = 1 << 30

// avroFile is a container file of Avro: manifests and lists of them.
type avroFile struct {
	reader *bufio.Reader
	codec  string
	limit  int64 // bytes of a block, or of a text of the header
}

// FindInAvro looks into the header and the unpacked blocks of a container file, and says where wanted was true.
func FindInAvro(file *bufio.Reader, wanted func([]byte) bool) (where string, err error) {
	a := &avroFile{reader: file, limit: maxAvroBlock}
	found, err := a.findInHeader(wanted)
	if err != nil {
		return "", fmt.Errorf("read the header of Avro: %w", err)
	}
	if found {
		return "metadata of Avro", nil
	}
	for block := 0; ; block++ {
		data, err := a.block()
		if err == io.EOF {
			return "", nil
		}
		if err != nil {
			return "", fmt.Errorf("read block %d of Avro: %w", block, err)
		}
		if wanted(data) {
			return fmt.Sprintf("block %d of Avro", block), nil
		}
	}
}

// findInHeader reads the header, which names the codec of the blocks.
func (a *avroFile) findInHeader(wanted func([]byte) bool) (found bool, err error) {
	magic := make([]byte, 4)
	if _, err := io.ReadFull(a.reader, magic); err != nil {
		return false, err
	}
	if !bytes.Equal(magic, []byte("Obj\x01")) {
		return false, fmt.Errorf("it begins with %q, not as Avro does", magic)
	}
	for {
		n, err := binary.ReadVarint(a.reader)
		if err != nil {
			return false, err
		}
		if n == 0 {
			break
		}
		if n < 0 { // then the bytes of these entries follow
			n = -n
			if _, err := binary.ReadVarint(a.reader); err != nil {
				return false, err
			}
		}
		for range n {
			key, err := a.bytes()
			if err != nil {
				return false, err
			}
			value, err := a.bytes()
			if err != nil {
				return false, err
			}
			if string(key) == "avro.codec" {
				a.codec = string(value)
			}
			if wanted(key) || wanted(value) {
				return true, nil
			}
		}
	}
	return false, a.marker()
}

// block reads and unpacks the next block; io.EOF when there is none.
func (a *avroFile) block() ([]byte, error) {
	if _, err := binary.ReadVarint(a.reader); err != nil { // its number of records
		return nil, err
	}
	data, err := a.bytes()
	if err == nil {
		data, err = a.unpack(data)
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	return data, a.marker()
}

func (a *avroFile) unpack(data []byte) ([]byte, error) {
	switch a.codec {
	case "", "null":
		return data, nil
	case "deflate":
		unpacked, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(data)), a.limit+1))
		if err == nil && int64(len(unpacked)) > a.limit {
			err = fmt.Errorf("it unpacks to more than %d bytes", a.limit)
		}
		return unpacked, err
	}
	return nil, fmt.Errorf("it is packed with %q, which is not known", a.codec)
}

// marker passes over the 16 bytes that end the header and each block.
func (a *avroFile) marker() error {
	_, err := a.reader.Discard(16)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (a *avroFile) bytes() ([]byte, error) {
	n, err := binary.ReadVarint(a.reader)
	if err != nil {
		return nil, err
	}
	if n < 0 || n > a.limit {
		return nil, fmt.Errorf("a piece of %d bytes", n)
	}
	data := make([]byte, n)
	_, err = io.ReadFull(a.reader, data)
	return data, err
}
