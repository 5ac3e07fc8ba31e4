package lake

import (
	"context"
	"errors"

	"github.com/apache/iceberg-go"

	"github.com/versionlake/versionlake/lake/objects"
)

// CheckFile looks whether a data file is there and as long as the table says; with contents, also whether its bytes
// have the digest that is in its name. Errors: those of objects.Store.Check.
func (l *Lake) CheckFile(file iceberg.DataFile, contents bool) error {
	digest := ""
	if contents {
		digest = Digest(file.FilePath())
	}
	return l.Objects.Check(file.FilePath(), file.FileSizeBytes(), digest)
}

// DamageOf says what is wrong with a file that could not be read: its damage, if it has any, and else err.
func (l *Lake) DamageOf(ctx context.Context, file iceberg.DataFile, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, ErrStop) || objects.Unreadable(err) {
		return err
	}
	if damage := l.CheckFile(file, true); objects.IsDamage(damage) {
		return damage
	}
	return err
}
