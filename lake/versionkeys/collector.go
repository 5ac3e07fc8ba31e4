package versionkeys

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
)

// heldBytes is how many bytes of versions a Collector holds before it stages them.
const heldBytes = 16 << 20

// Collector stages the versions that gold.versions must have, each once or a few times. It is safe for concurrent use.
type Collector struct {
	objects *objects.Store
	folder  string
	mutex   sync.Mutex
	seen    map[lake.VersionName]struct{}
	bytes   int
	paths   []string
}

// NewCollector stages versions in a folder.
func NewCollector(o *objects.Store, folder string) *Collector {
	return &Collector{objects: o, folder: folder, seen: map[lake.VersionName]struct{}{}}
}

// Add takes a version, whose texts need not outlive the call.
func (c *Collector) Add(service, version string) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if _, known := c.seen[lake.VersionName{Service: service, Version: version}]; known {
		return nil
	}
	c.seen[lake.VersionName{Service: strings.Clone(service), Version: strings.Clone(version)}] = struct{}{}
	if c.bytes += len(service) + len(version) + 128; c.bytes < heldBytes {
		return nil
	}
	return c.flush()
}

// Staged are the objects that hold the versions, once nobody adds any more.
func (c *Collector) Staged() (paths []string, err error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.paths, c.flush()
}

func (c *Collector) flush() error {
	if len(c.seen) == 0 {
		return nil
	}
	object := c.objects.Create(c.folder)
	path := fmt.Sprintf("%s/versions-%04d", c.folder, len(c.paths))
	var record []byte
	for name := range c.seen {
		record = objects.AppendText(objects.AppendText(record[:0], name.Service), name.Version)
		if _, err := object.Write(record); err != nil {
			object.Abort()
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	if err := object.Publish(path); err != nil {
		return err
	}
	c.paths = append(c.paths, path)
	clear(c.seen)
	c.bytes = 0
	return nil
}

// Each reads what was staged; a version may come more than once.
func Each(o *objects.Store, paths []string, each func(lake.VersionName) error) error {
	for _, path := range paths {
		file, err := o.Open(path)
		if err != nil {
			return err
		}
		data, err := io.ReadAll(file)
		if closing := file.Close(); err == nil {
			err = closing
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		d := objects.Decoder{Data: data}
		for len(d.Data) > 0 {
			name := lake.VersionName{Service: d.Text(), Version: d.Text()}
			if d.Failed {
				return fmt.Errorf("read %s: %w", path, objects.ErrDamaged)
			}
			if err := each(name); err != nil {
				return err
			}
		}
	}
	return nil
}
