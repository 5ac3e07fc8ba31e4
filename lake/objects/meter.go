package objects

import (
	"context"
	"sync/atomic"

	icebergio "github.com/apache/iceberg-go/io"
)

// Meter counts bytes of objects, as they are stored.
type Meter struct {
	Read, Written atomic.Int64
}

type meterKey struct{}

// WithMeter lets a step count what it reads and writes, through the Store that Metered gives it.
func WithMeter(ctx context.Context, m *Meter) context.Context {
	return context.WithValue(ctx, meterKey{}, m)
}

// Metered is the store, as counted by the context's meter; the store itself where it has none.
func (o *Store) Metered(ctx context.Context) *Store {
	meter, ok := ctx.Value(meterKey{}).(*Meter)
	if !ok {
		return o
	}
	metered := *o
	metered.meter = meter
	return &metered
}

func (m *Meter) wrote(n int) {
	if m != nil {
		m.Written.Add(int64(n))
	}
}

func (m *Meter) reading(file icebergio.File) icebergio.File {
	if m == nil {
		return file
	}
	return &meteredFile{file, m}
}

type meteredFile struct {
	icebergio.File
	meter *Meter
}

// Read implements io.Reader.
func (f *meteredFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	f.meter.Read.Add(int64(n))
	return n, err
}

// ReadAt implements io.ReaderAt.
func (f *meteredFile) ReadAt(p []byte, offset int64) (int, error) {
	n, err := f.File.ReadAt(p, offset)
	f.meter.Read.Add(int64(n))
	return n, err
}
