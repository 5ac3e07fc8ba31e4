package telemetry

import (
	"bufio"
	"bytes"
	"compress/bzip2"
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

const (
	// How far back the data of a zstd file may refer, which is the memory that reading it takes. Levels up to 20
	// stay within.
	maxWindow = 32 << 20
	// What a compressed file may come to: freeExpansion in any case, and maxExpansion times its own size. Telemetry
	// packs to a tenth, or to a hundredth where all lines are alike. What packs better still is no telemetry: 67 kB
	// can hold two billion blank lines.
	maxExpansion  = 500
	freeExpansion = 64 << 20
	// SniffLength is how many bytes of a file tell what it is.
	SniffLength = 512
)

// Compressed tells whether a file of this name says that it is compressed. That is an estimate: its contents decide.
func Compressed(name string) bool {
	name = strings.ToLower(name)
	for _, ending := range []string{".gz", ".gzip", ".zst", ".zstd", ".bz2", ".bzip2"} {
		if strings.HasSuffix(name, ending) {
			return true
		}
	}
	return false
}

// packing is a way to compress.
type packing int

const (
	plain packing = iota
	isGzip
	isZstd
	isBzip2
)

func (p packing) String() string { return [...]string{"plain text", "gzip", "zstd", "bzip2"}[p] }

// foreign are the beginnings of files that can't be read, and that no text has.
var foreign = map[string]string{
	"\xfd7zXZ\x00": "xz", "PK\x03\x04": "zip", "\x04\x22\x4d\x18": "lz4", "\xff\x06\x00\x00sNaPpY": "snappy",
	"\x1f\x9d":           "compress (.Z)",
	"7z\xbc\xaf\x27\x1c": "7z", "Obj\x01": "Avro", "PAR1\x15": "Parquet",
}

// sniff tells a packing by the first bytes of a member.
func sniff(head []byte) packing {
	has := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case has("\x1f\x8b\x08"):
		return isGzip
	// a skippable frame
	case has("\x28\xb5\x2f\xfd"), len(head) > 3 && head[0]&0xf0 == 0x50 && string(head[1:4]) == "\x2a\x4d\x18":
		return isZstd
	case has("BZh") && len(head) > 9 && head[3] >= '1' && head[3] <= '9' &&
		(string(head[4:10]) == "1AY&SY" || string(head[4:10]) == "\x17\x72\x45\x38\x50\x90"):
		return isBzip2
	}
	return plain
}

// begins tells whether a cut beginning of a member stands there.
func begins(head []byte) bool {
	if len(head) > 9 || len(head) == 0 {
		return false
	}
	if len(head) > 3 && head[0] == 'B' && '1' <= head[3] && head[3] <= '9' {
		head = append([]byte("BZh9"), head[4:]...) // of any level
	}
	for _, magic := range []string{"\x1f\x8b\x08", "\x28\xb5\x2f\xfd", "BZh91AY&SY"} {
		if strings.HasPrefix(magic, string(head)) {
			return true
		}
	}
	return false
}

// Packed tells by the first bytes of a file, up to SniffLength, whether it is compressed: such a file can't be read
// from its middle. ErrCorrupt: it is nothing that can be read, or not what its name says.
func Packed(name string, head []byte) (bool, error) {
	kind, err := sniffFile(name, head)
	return kind != plain, err
}

func sniffFile(name string, head []byte) (packing, error) {
	kind := sniff(head)
	if kind != plain || len(head) == 0 {
		return kind, nil
	}
	for magic, what := range foreign {
		if bytes.HasPrefix(head, []byte(magic)) {
			return plain, fmt.Errorf("%w: it is a file of %s; pack it with gzip, zstd or bzip2", ErrCorrupt, what)
		}
	}
	if Compressed(name) && (begins(head) || !isText(head)) {
		return plain, fmt.Errorf("%w: it is neither gzip nor zstd nor bzip2, though its name says so, nor text; "+
			"pack it again", ErrCorrupt)
	}
	return plain, nil
}

// isText tells whether bytes look like the beginning of lines.
func isText(head []byte) bool {
	return !bytes.ContainsFunc(head,
		func(char rune) bool { return char < ' ' && !strings.ContainsRune("\t\n\v\f\r\x1b", char) })
}

// Decompressor reads the text of a file.
type Decompressor struct {
	in     *input
	buf    *bufio.Reader // at the beginning of the next member, once member is nil
	kind   packing
	member io.Reader
	tail   *tail // behind the present member, where its reader needs one
	close  func()
	note   string
	text   int64 // bytes that were read of compressed members
}

// Decompress reads r, whose first bytes tell what it is: gzip, zstd or bzip2, in one or more members or frames, or
// else text as it is. Zeros behind the last member are padding; other bytes there, which begin no member, are left
// out, see Note. A file of no bytes has none, whatever its name. Close frees the decompressor; it does not close r.
// Errors, also of Read: ErrCorrupt; and what r returns, as it is.
func Decompress(name string, r io.Reader) (*Decompressor, error) {
	in := &input{r: r}
	d := &Decompressor{in: in, buf: bufio.NewReaderSize(in, 64<<10)}
	head, err := d.buf.Peek(SniffLength)
	if err != nil && err != io.EOF {
		return nil, in.judge(err)
	}
	if d.kind, err = sniffFile(name, head); err != nil {
		return nil, err
	}
	if d.kind == plain {
		d.member = d.buf
		return d, nil
	}
	if err := d.open(); err != nil {
		return nil, in.judge(err)
	}
	return d, nil
}

// Note says what of the file was left out; "" where nothing was. It is known at the end.
func (d *Decompressor) Note() string { return d.note }

func (d *Decompressor) Read(p []byte) (int, error) {
	for d.member != nil {
		n, err := d.member.Read(p)
		if d.kind == plain {
			return n, d.in.as(err)
		}
		if d.text += int64(n); d.text > freeExpansion && d.text/maxExpansion > d.in.read {
			return 0, fmt.Errorf(
				"%w: it comes to more than %d times its size, as no telemetry does: it was not read on "+
					"after %d MiB of text", ErrCorrupt, maxExpansion, d.text>>20)
		}
		if err == nil {
			return n, nil
		}
		if !d.whole(err) {
			return n, d.in.judge(err)
		}
		if err := d.next(); err != nil {
			return n, d.in.judge(err)
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, io.EOF
}

// open begins to read the member that stands there.
func (d *Decompressor) open() error {
	switch d.kind {
	case isGzip:
		if z, ok := d.member.(*gzip.Reader); ok {
			if err := z.Reset(d.buf); err != nil {
				return cut(err)
			}
			z.Multistream(false)
			return nil
		}
		z, err := gzip.NewReader(d.buf)
		if err != nil {
			return cut(err)
		}
		z.Multistream(false)
		d.member = z
	case isZstd:
		d.tail = &tail{r: d.buf, length: 4}
		// Concurrency 1 reads in the caller's goroutine, and no further than it must: the work is spread over
		// chunks already.
		z, err := zstd.NewReader(d.tail, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return cut(err)
		}
		d.member, d.close = z, z.Close
	case isBzip2:
		d.tail = &tail{r: d.buf, length: 2}
		d.member = bzip2.NewReader(d.tail)
	}
	return nil
}

// cut makes sure that a header which ends too early does not pass for the end of the file.
func cut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// whole tells whether an error says that the member ended and is whole. The readers of zstd and bzip2 go on to the
// next member by themselves, and stop at bytes that begin none. Theirs alone is a sure end: so that there is one,
// tail adds some zeros.
func (d *Decompressor) whole(err error) bool {
	switch d.kind {
	case isZstd:
		return errors.Is(err, zstd.ErrMagicMismatch)
	case isBzip2:
		return err == bzip2.StructuralError("bad magic value in continuation file")
	}
	return err == io.EOF
}

// next goes to the next member, of whichever packing, or to the end of the file.
func (d *Decompressor) next() error {
	if d.tail != nil {
		d.buf = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(d.tail.back()), d.buf), 64<<10)
		d.tail = nil
	}
	before := d.kind
	for {
		head, err := d.buf.Peek(16)
		if err != nil && err != io.EOF {
			return err
		}
		zeros := len(head) - len(bytes.TrimLeft(head, "\x00"))
		if zeros > 0 {
			_, _ = d.buf.Discard(zeros) // it was just peeked at
			continue
		}
		if len(head) == 0 {
			d.release()
			return nil
		}
		if d.kind = sniff(head); d.kind == plain && begins(head) {
			return io.ErrUnexpectedEOF
		}
		break
	}
	if d.kind == plain {
		left, err := io.Copy(io.Discard, d.buf) // to the end, for whoever reads must learn of a change
		d.note = fmt.Sprintf("left out, for it begins no member: what stands behind the last of %s, bytes: %d",
			before, left)
		d.release()
		return err
	}
	if d.kind != isGzip || before != isGzip { // whose reader goes on
		d.release()
	}
	return d.open()
}

func (d *Decompressor) release() {
	if d.close != nil {
		d.close()
		d.close = nil
	}
	d.member = nil
}

// Close frees what reading takes.
func (d *Decompressor) Close() error {
	d.release()
	return nil
}

// tail reads what is given, and then so many zeros as the beginning of a member is long.
type tail struct {
	r      *bufio.Reader
	length int
	zeros  int     // of these, that were read
	last   [4]byte // that were read, the zeros too
}

func (t *tail) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := t.r.Read(p)
	if err == io.EOF && n == 0 && t.zeros < t.length {
		n = min(len(p), t.length-t.zeros)
		clear(p[:n])
		t.zeros, err = t.zeros+n, nil
	}
	for _, b := range p[max(0, n-4):n] {
		t.last = [4]byte{t.last[1], t.last[2], t.last[3], b}
	}
	return n, err
}

// ReadByte lets the reader of bzip2 take no byte more than it needs.
func (t *tail) ReadByte() (byte, error) {
	b, err := t.r.ReadByte()
	if err == io.EOF && t.zeros < t.length {
		b, err = 0, nil
		t.zeros++
	}
	if err == nil {
		t.last = [4]byte{t.last[1], t.last[2], t.last[3], b}
	}
	return b, err
}

// back gives what was read beyond the end of the member.
func (t *tail) back() []byte { return bytes.Clone(t.last[4-t.length : 4-t.zeros]) }

// input remembers why the compressed data ended, so that a failed connection is not taken for a corrupt file.
type input struct {
	r    io.Reader
	err  error
	read int64 // in bytes
}

func (in *input) Read(p []byte) (int, error) {
	n, err := in.r.Read(p)
	in.read += int64(n)
	if err != nil && err != io.EOF {
		in.err = err
	}
	return n, err
}

// as gives an error of the reader underneath as it is.
func (in *input) as(err error) error {
	if err != nil && err != io.EOF && in.err != nil {
		return in.err
	}
	return err
}

func (in *input) judge(err error) error {
	if in.err != nil {
		return in.err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, cut(err))
}
