package faults

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"syscall"

	icebergio "github.com/apache/iceberg-go/io"

	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

// faultyFS is the local disk as the lake has it; below the roots in Below, a part of its calls fails.
type faultyFS struct{ objects.LocalFS }

var Below sync.Map // root → *faults

// Faults are what befalls the calls to a warehouse.
type Faults struct {
	mutex  sync.Mutex
	Random *rand.Rand
	Share  int    // of a thousand calls fail
	Left   int    // calls until the process dies; 0: it does not
	Die    func() // is told of its death
	dead   bool   // no call has an effect any more
}

func init() {
	icebergio.Unregister("file")
	icebergio.Register("file",
		func(context.Context, *url.URL, map[string]string) (icebergio.IO, error) { return faultyFS{}, nil })
}

// fails tells whether a call is to fail, and if so whether after its effect.
func fails(name string) (fails, late bool) {
	Below.Range(func(root, of any) bool {
		if strings.HasPrefix(strings.TrimPrefix(name, "file://"), root.(string)+"/") {
			fails, late = of.(*Faults).call()
		}
		return !fails
	})
	return fails, late
}

func (f *Faults) call() (fails, late bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.Left > 0 {
		if f.Left--; f.Left == 0 {
			f.dead = true
			f.Die()
		}
	}
	if f.dead {
		return true, false
	}
	return f.Random.IntN(1000) < f.Share, f.Random.IntN(2) == 0
}

// Source fails as the warehouse does, and now and then a file changes between the list and the read.
type Source struct {
	source.Source
	Faults *Faults
}

func (s Source) List(ctx context.Context, hour telemetry.Hour) (source.Listing, error) {
	if fails, _ := s.Faults.call(); fails {
		return source.Listing{}, fmt.Errorf("list %s: %w", hour, syscall.EIO)
	}
	return s.Source.List(ctx, hour)
}

func (s Source) Open(ctx context.Context, file source.File, offset, length int64) (io.ReadCloser, error) {
	fails, late := s.Faults.call()
	if fails && !late {
		return nil, fmt.Errorf("open %s: %w", file.Key, source.ErrChanged)
	}
	r, err := s.Source.Open(ctx, file, offset, length)
	if err != nil || !fails {
		return r, err
	}
	return torn{io.LimitReader(r, max(file.Size/2, 1)), r}, nil
}

// torn is a read that breaks off.
type torn struct {
	io.Reader
	io.Closer
}

func (t torn) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (f faultyFS) Open(name string) (icebergio.File, error) {
	if fails, _ := fails(name); fails {
		return nil, fmt.Errorf("open %s: %w", name, syscall.EIO)
	}
	return f.LocalFS.Open(name)
}

func (f faultyFS) ReadFile(name string) ([]byte, error) {
	data, err := f.LocalFS.ReadFile(name)
	if fails, torn := fails(name); fails && torn {
		return data[:len(data)/2], fmt.Errorf("read %s: %w", name, io.ErrUnexpectedEOF)
	} else if fails {
		return nil, fmt.Errorf("read %s: %w", name, syscall.EIO)
	}
	return data, err
}

func (f faultyFS) WriteFile(name string, data []byte) error {
	fails, late := fails(name)
	if fails && !late {
		return fmt.Errorf("write %s: %w", name, syscall.ENOSPC)
	}
	if err := f.LocalFS.WriteFile(name, data); err != nil || !fails {
		return err
	}
	return fmt.Errorf("write %s: %w", name, syscall.EIO)
}

func (f faultyFS) Create(name string) (icebergio.FileWriter, error) {
	if fails, _ := fails(name); fails {
		return nil, fmt.Errorf("create %s: %w", name, syscall.ENOSPC)
	}
	return f.LocalFS.Create(name)
}

func (f faultyFS) Remove(name string) error {
	fails, late := fails(name)
	if fails && !late {
		return fmt.Errorf("remove %s: %w", name, syscall.EIO)
	}
	if err := f.LocalFS.Remove(name); err != nil || !fails {
		return err
	}
	return fmt.Errorf("remove %s: %w", name, syscall.EIO)
}
