package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	icebergio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/io/gocloud/blobfs"
	"gocloud.dev/blob"
)

// Walk calls each for every object below a folder, with its full name; a folder that is not there holds none. Sums are
// no objects of their own.
func (o *Store) Walk(ctx context.Context, folder string, each func(object string, size int64) error) error {
	var err error
	if local := o.LocalPath(folder); local != "" {
		err = walkLocal(ctx, folder, local, each)
	} else {
		err = o.walkBucket(ctx, folder, each)
	}
	if err != nil {
		return fmt.Errorf("list %s: %w", folder, err)
	}
	return nil
}

func walkLocal(ctx context.Context, folder, local string, each func(string, int64) error) error {
	return filepath.WalkDir(local, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || isSum(path) {
			return errors.Join(IgnoreMissing(err), ctx.Err())
		}
		info, err := entry.Info()
		if err != nil {
			return IgnoreMissing(err) // gone since its folder was read
		}
		return each(folder+filepath.ToSlash(strings.TrimPrefix(path, local)), info.Size())
	})
}

// walkBucket lists by pages of the bucket. Iceberg's own walk lists folder by folder, which for a table of hours
// takes a request an hour.
func (o *Store) walkBucket(ctx context.Context, folder string, each func(string, int64) error) error {
	files, ok := o.IO.(*blobfs.FileIO)
	if !ok {
		return errors.New("the warehouse can't be listed")
	}
	scheme, rest, _ := strings.Cut(folder, "://")
	bucket, prefix, _ := strings.Cut(rest, "/")
	for page := files.List(&blob.ListOptions{Prefix: prefix + "/"}); ; {
		object, err := page.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := each(scheme+"://"+bucket+"/"+object.Key, object.Size); err != nil {
			return err
		}
	}
}

// RemoveAll deletes every object below a folder.
func (o *Store) RemoveAll(ctx context.Context, folder string) error {
	if local := o.LocalPath(folder); local != "" {
		if err := os.RemoveAll(local); err != nil {
			return fmt.Errorf("remove %s: %w", folder, err)
		}
		return nil
	}
	var names []string
	if err := o.Walk(ctx, folder,
		func(object string, _ int64) error { names = append(names, object); return nil }); err != nil {
		return err
	}
	return o.Remove(ctx, names)
}

// Remove deletes objects; one that is gone already is no error.
func (o *Store) Remove(ctx context.Context, names []string) error {
	if many, ok := o.IO.(icebergio.BulkRemovableIO); ok {
		if _, err := many.DeleteFiles(ctx, names); err != nil {
			return fmt.Errorf("remove %d objects: %w", len(names), err)
		}
		return nil
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := IgnoreMissing(o.IO.Remove(name)); err != nil {
			return fmt.Errorf("remove %s: %w", name, err)
		}
	}
	return nil
}

func IgnoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
