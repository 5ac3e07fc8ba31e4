package lake

import (
	"fmt"
	"net/url"
	"os"

	"github.com/versionlake/versionlake/lake/objects"
)

// NewSpill makes a spill in a folder of its own below the scratch folder. Its Close removes that.
func (l *Lake) NewSpill(sections int) (*objects.Spill, error) {
	parent := l.Config.Scratch
	if parent == "" {
		parent = os.TempDir()
	}
	folder, err := os.MkdirTemp(parent, "versionlake-spill-*")
	if err != nil {
		return nil, fmt.Errorf("make a folder for spills: %w", err)
	}
	root := url.URL{Scheme: "file", Path: folder}
	scratch := &objects.Store{Root: root.String(), Scratch: folder, IO: objects.IcebergLocal}
	return &objects.Spill{Scratch: scratch, Folder: folder, Sections: sections,
		Writers: objects.NewLanes[*objects.ShuffleWriter]()}, nil
}
