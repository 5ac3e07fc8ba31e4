package telemetry

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// ErrCorrupt is wrapped by the errors of compressed data that is torn, damaged or needs more memory than is granted.
// Nothing that was read from the file before can be trusted. Errors of the reader underneath are not of this kind.
var ErrCorrupt = errors.New("corrupt compressed data")

// How far back the data of a zstd file may refer, which is the memory that reading it takes. Levels up to 20 stay within.
const maxWindow = 32 << 20

// Compressed tells whether Decompress has anything to do for a file of this name. Such a file can't be read from its middle.
func Compressed(name string) bool {
	return strings.HasSuffix(name, ".gz") || strings.HasSuffix(name, ".zst")
}

// Decompress reads r as the ending of the file's name says: .gz is gzip, .zst is zstd, several members or frames in a row
// included, and anything else is passed through as it is. Close frees the decompressor; it does not close r. Errors, also
// of Read: ErrCorrupt, also for a compressed file of no bytes; and what r returns, as it is.
func Decompress(name string, r io.Reader) (io.ReadCloser, error) {
	if !Compressed(name) {
		return io.NopCloser(r), nil
	}
	in := &input{r: r}
	buffered := bufio.NewReaderSize(in, 64<<10)
	if _, err := buffered.Peek(1); err != nil {
		return nil, in.judge(fmt.Errorf("empty file: %w", io.ErrUnexpectedEOF))
	}
	if strings.HasSuffix(name, ".gz") {
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, in.judge(err)
		}
		return &decompressor{in: in, r: z, close: z.Close}, nil
	}
	// Concurrency 1 reads in the caller's goroutine: the work is spread over chunks already.
	z, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, in.judge(err)
	}
	return &decompressor{in: in, r: z, close: func() error { z.Close(); return nil }}, nil
}

type decompressor struct {
	in    *input
	r     io.Reader
	close func() error
}

func (d *decompressor) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	if err != nil && err != io.EOF {
		err = d.in.judge(err)
	}
	return n, err
}

func (d *decompressor) Close() error { return d.close() }

// input remembers why the compressed data ended, so that a failed connection is not taken for a corrupt file.
type input struct {
	r   io.Reader
	err error
}

func (in *input) Read(p []byte) (int, error) {
	n, err := in.r.Read(p)
	if err != nil && err != io.EOF {
		in.err = err
	}
	return n, err
}

func (in *input) judge(err error) error {
	if in.err != nil {
		return in.err
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // a cut header: it must not pass for the end of the stream
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}
