package objects

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/apache/iceberg-go/io/gocloud/blobfs"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// PutNew writes a small object that is not there yet. Of several who do so at once, one succeeds; the others get an
// error that is fs.ErrExist.
func (o *Store) PutNew(ctx context.Context, object string, contents []byte) error {
	var err error
	if local := o.LocalPath(object); local != "" {
		err = putNewFile(local, contents)
	} else {
		err = o.putNewInBucket(ctx, object, contents)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", object, err)
	}
	return nil
}

// putNewFile gives a file that is whole its name, which fails where there is one of that name.
func putNewFile(path string, contents []byte) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), folderRights); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), TemporaryPrefix+"*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(file.Name())) }()
	_, err = file.Write(contents)
	if err := errors.Join(err, file.Chmod(fileRights), file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Link(file.Name(), path)
}

func (o *Store) putNewInBucket(ctx context.Context, object string, contents []byte) error {
	files, ok := o.IO.(*blobfs.FileIO)
	if !ok {
		return errors.New("the warehouse can't be written to")
	}
	_, rest, _ := strings.Cut(object, "://")
	_, key, _ := strings.Cut(rest, "/")
	err := files.WriteAll(ctx, key, contents, &blob.WriterOptions{IfNotExist: true})
	switch gcerrors.Code(err) {
	case gcerrors.FailedPrecondition, gcerrors.AlreadyExists:
		return errors.Join(err, fs.ErrExist)
	}
	return err
}
