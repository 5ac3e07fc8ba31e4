package forget

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/objects"
)

// Proof is what a scan of every object in the warehouse found of a forgotten user.
type Proof struct {
	Objects int64    `json:"objects"`
	Bytes   int64    `json:"bytes"`
	Remains []Remain `json:"remains"`
	// Left are lines of others, in all versions, that hold an id of fewer than forgotten.MentionLength bytes as a word
	// where it is not taken out: in what silver reads.
	Left int64 `json:"left,omitempty"`
}

// Remain is a place that still holds the user, or a session that was the user's alone.
type Remain struct {
	Object string `json:"object"`
	Where  string `json:"where"` // bytes, a column, a block; never what was found
}

// maxRemains bounds what a proof that fails says.
const maxRemains = 100

// ProveForgotten looks for the user and the user's sessions in every object of the warehouse: in its name, its
// bytes as they are, and the unpacked pages, values and bounds of Parquet and blocks of Avro. Bytes of packed pages
// and blocks count unpacked only: packing leaves repeats out, so that what remains of two texts may stand side by
// side and spell a third one. It knows the ids by name, and shares nothing with what erased them but that, and what
// a word is. Only the folders of erasures that are under way are left out, which go with them. progress tells
// objects read so far.
func ProveForgotten(ctx context.Context, l *lake.Lake, erasure string,
	progress func(objects int64)) (proof Proof, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("prove erasure %s: %w", erasure, err)
		}
	}()
	wanted, err := needles(ctx, l, erasure)
	if err != nil {
		return proof, err
	}
	underWay := forgotten.ForgetFolder(l, "")
	var objectList []LooseFile
	if err := l.Objects.Walk(ctx, l.Objects.Root, func(object string, size int64) error {
		if !strings.HasPrefix(object, underWay) {
			objectList = append(objectList, LooseFile{Path: object, Size: size})
		}
		return nil
	}); err != nil {
		return proof, err
	}
	proof.Remains = []Remain{}
	var mutex sync.Mutex
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	var left atomic.Int64
	defer func() { proof.Left = left.Load() }()
	for _, object := range objectList {
		work.Go(func() error {
			where, err := FindIn(ctx, l, object, wanted)
			if objects.IsMissing(err) {
				return nil // removed since it was listed
			}
			if err != nil {
				return fmt.Errorf("read %s: %w", object.Path, err)
			}
			if strings.HasSuffix(object.Path, ".parquet") && where == "" {
				lines, err := wanted.leftIn(ctx, l, object)
				if err != nil && !objects.IsMissing(err) {
					return fmt.Errorf("read %s: %w", object.Path, err)
				}
				left.Add(lines)
			}
			mutex.Lock()
			defer mutex.Unlock()
			proof.Objects, proof.Bytes = proof.Objects+1, proof.Bytes+object.Size
			if where != "" && len(proof.Remains) < maxRemains {
				proof.Remains = append(proof.Remains, Remain{Object: object.Path, Where: where})
			}
			progress(proof.Objects)
			return nil
		})
	}
	return proof, work.Wait()
}

// FindIn says where in an object an id is, "" if nowhere.
func FindIn(ctx context.Context, l *lake.Lake, object LooseFile, wanted *Needles) (where string, err error) {
	if wanted.in([]byte(object.Path)) {
		return "name", nil
	}
	file, err := l.Objects.Open(object.Path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	switch {
	case strings.HasSuffix(object.Path, ".parquet"):
		return findInParquet(ctx, l, object, file, wanted)
	case strings.HasSuffix(object.Path, ".avro"):
		return objects.FindInAvro(bufio.NewReaderSize(file, 64<<10), wanted.in)
	}
	if found, err := wanted.inStream(ctx, file, object.Size); found || err != nil {
		return "bytes", err
	}
	folder, staged := strings.CutPrefix(object.Path, l.StagingFolder()+"/")
	switch {
	case !staged || !strings.HasSuffix(object.Path, ".json"):
	case strings.HasPrefix(folder, "hour-"):
		return findInShuffle(l, l.Objects, object.Path, wanted)
	case strings.HasPrefix(folder, "hours-"):
		return findInBundle(l, object.Path, wanted)
	}
	return "", nil
}

// findInBundle looks into what the chunks of hours that are read together handed on.
func findInBundle(l *lake.Lake, path string, wanted *Needles) (where string, err error) {
	bundle, err := l.Objects.ReadBundle(path)
	if err != nil {
		return "", err
	}
	with := l.Objects.Bundled(bundle)
	for _, name := range bundle.Names() {
		if where, err = findInShuffle(l, with, name, wanted); where != "" || err != nil {
			return where, err
		}
	}
	return "", nil
}

// streamPiece is how much of an object is looked at at once.
const streamPiece = 1 << 20

// inStream looks at size bytes or more as they are, in pieces that overlap by the longest id and its neighbours.
func (n *Needles) inStream(ctx context.Context, file io.Reader, size int64) (bool, error) {
	overlap := forgotten.LongestEscape*n.longest()/4 + forgotten.LongestEscape
	buffer := make([]byte, max(int(min(size, streamPiece))+1, 4*overlap))
	for kept := 0; ; {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		read, err := io.ReadFull(file, buffer[kept:])
		data := buffer[:kept+read]
		if n.in(data) {
			return true, nil
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		kept = copy(buffer, data[len(data)-overlap:])
	}
}

// findInParquet reads all bytes, all values of all columns of text, and the bounds of their pages.
func findInParquet(ctx context.Context, l *lake.Lake, object LooseFile, file io.Reader,
	wanted *Needles) (where string, err error) {
	parsed, closeFile, err := l.OpenParquet(object)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, closeFile()) }()
	if where, err := findInPages(ctx, parsed.Metadata(), file, object.Size, wanted); where != "" || err != nil {
		return where, err
	}
	for _, group := range parsed.RowGroups() {
		for i, chunk := range group.ColumnChunks() {
			if chunk.Type().Kind() != parquet.ByteArray {
				continue
			}
			path := parsed.Schema().Columns()[i]
			column := path[len(path)-1]
			found, err := findInChunk(ctx, chunk,
				func(value parquet.Value) bool { return !value.IsNull() && wanted.inValue(column, value.ByteArray()) })
			if err != nil {
				return "", fmt.Errorf("column %s: %w", strings.Join(path, "."), err)
			}
			if found {
				return "column " + strings.Join(path, "."), nil
			}
		}
	}
	return "", nil
}

func findInChunk(ctx context.Context, chunk parquet.ColumnChunk, is func(parquet.Value) bool) (found bool, err error) {
	if index, err := chunk.ColumnIndex(); err == nil {
		for page := range index.NumPages() {
			if is(index.MinValue(page)) || is(index.MaxValue(page)) {
				return true, nil
			}
		}
	}
	pages := chunk.Pages()
	defer func() { err = errors.Join(err, pages.Close()) }()
	values := make([]parquet.Value, 1024)
	dictionary := false
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		page, err := pages.ReadPage()
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if words := page.Dictionary(); words != nil {
			for i := 0; !dictionary && i < words.Len(); i++ {
				if is(words.Index(int32(i))) {
					return true, nil
				}
			}
			dictionary = true
			continue // its values are those of the dictionary
		}
		for reader := page.Values(); ; {
			n, err := reader.ReadValues(values)
			if slices.ContainsFunc(values[:n], is) {
				return true, nil
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				return false, err
			}
		}
	}
}

// leftIn counts the lines of a file of bronze.events that hold a short id as a word.
func (n *Needles) leftIn(ctx context.Context, l *lake.Lake, object LooseFile) (lines int64, err error) {
	if len(n.Short) == 0 || !strings.HasPrefix(object.Path, l.TableFolder(lake.BronzeEvents)+"/") {
		return 0, nil
	}
	err = lake.ScanRows(ctx, l, object, func(rows []lake.EventRow) error {
		for i := range rows {
			if n.mentionedIn(rows[i].BodyMessage, forgotten.ShortMention) {
				lines++
			}
		}
		return nil
	})
	return lines, err
}

// findInShuffle unpacks what a chunk handed on to silver.
func findInShuffle(l *lake.Lake, documents *objects.Store, name string, wanted *Needles) (where string, err error) {
	var staged struct {
		Shuffle objects.Shuffled `json:"shuffle"` // as in hours.ChunkFiles
	}
	if err := documents.ReadJSON(name, &staged); err != nil || staged.Shuffle.Path == "" {
		return "", err
	}
	file, err := l.Objects.OpenShuffle(staged.Shuffle)
	if err != nil {
		return "", err
	}
	defer file.Close()
	var data []byte
	for section := range staged.Shuffle.Sections {
		if data, err = staged.Shuffle.Read(file, section, data[:0]); err != nil {
			return "", err
		}
		if wanted.in(data) {
			return "shuffle " + staged.Shuffle.Path, nil
		}
	}
	return "", nil
}
