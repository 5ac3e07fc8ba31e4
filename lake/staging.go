package lake

import (
	"fmt"

	"github.com/versionlake/versionlake/lake/objects"
)

// StagingName is the folder, in the warehouse, of all that is not committed yet.
const StagingName = "_staging"

// StagingFolder is where it lies; of a lake that Bundled gave, the folder in it.
func (l *Lake) StagingFolder() string {
	if l.staging != "" {
		return l.staging
	}
	return l.Objects.Root + "/" + StagingName
}

// Bundled is the lake with a bundle, which takes the documents that are staged and has those that were. What else is
// staged lies in a folder.
func (l *Lake) Bundled(b *objects.Bundle, folder string) *Lake {
	with := *l
	with.Objects, with.staging = l.Objects.Bundled(b), folder
	return &with
}

// ReadStaged reads back what a step of a round or of a refresh staged for the steps after it. ErrConflict: it was taken
// away, for it may hold a user who was forgotten, or because the round was given up; plan again.
func (l *Lake) ReadStaged(ref string, staged any) error {
	err := l.Objects.ReadJSON(ref, staged)
	if objects.IsMissing(err) {
		return fmt.Errorf("%w: what the round staged is gone: %w", ErrConflict, err)
	}
	return err
}
