package source

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	// resumes is how often a reader connects again without getting resumeProgress bytes further in between.
	resumes        = 5
	resumeProgress = 64 << 10
	resumePause    = 50 * time.Millisecond // doubles each time
)

// s3Reader reads a section of an object, and goes on where a connection broke, with the same If-Match.
type s3Reader struct {
	ctx       context.Context
	source    *s3Source
	f         File
	next, end int64 // the bytes still to come
	body      io.ReadCloser
	torn      int64 // where the connection broke when tears was last set to 0
	tears     int
}

func (r *s3Reader) Read(p []byte) (int, error) {
	n, err := r.read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("read %s in %s at byte %d: %w", r.f.Key, r.source, r.next, err)
	}
	return n, err
}

func (r *s3Reader) read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		// A body that is cancelled may still give what has arrived.
		if r.ctx.Err() != nil {
			return 0, context.Cause(r.ctx)
		}
		if r.body == nil {
			if r.next == r.end {
				return 0, io.EOF
			}
			if err := r.connect(); err != nil {
				return 0, err
			}
		}
		n, err := r.body.Read(p)
		r.next += int64(n)
		switch {
		case r.next > r.end:
			return 0, fmt.Errorf("the server sent more than bytes up to %d", r.end)
		case err == nil:
			return n, nil
		case r.next == r.end: // io.EOF, or a checksum that does not match
			return n, err
		}
		if err := r.tear(err); err != nil || n > 0 {
			return n, err
		}
	}
}

// tear lets go of a broken connection and waits a little before the next one; it returns an error when that is
// pointless.
func (r *s3Reader) tear(err error) error {
	r.body.Close()
	r.body = nil
	if r.next-r.torn >= resumeProgress {
		r.torn, r.tears = r.next, 0
	}
	r.tears++
	if r.tears > resumes {
		return fmt.Errorf("the connection broke %d times in a row: %w", r.tears, err)
	}
	pause := time.NewTimer(resumePause << (r.tears - 1))
	defer pause.Stop()
	select {
	case <-pause.C:
		return nil
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	}
}

// connect asks for the bytes still to come.
func (r *s3Reader) connect() error {
	get := &s3.GetObjectInput{Bucket: &r.source.bucket, Key: aws.String(r.source.prefix + r.f.Key), IfMatch: &r.f.ETag}
	if r.next > 0 || r.end < r.f.Size { // a whole object comes with a checksum, which the SDK compares
		get.Range = aws.String(fmt.Sprintf("bytes=%d-%d", r.next, r.end-1))
	}
	got, err := r.source.client.GetObject(r.ctx, get)
	if err != nil {
		return r.source.explainObject(r.ctx, r.f.Key, err)
	}
	// If-Match is a condition that a server may not know of, and a range one that it may leave out.
	now := File{Key: r.f.Key, Size: aws.ToInt64(got.ContentLength), ETag: aws.ToString(got.ETag)}
	first, last := int64(0), r.f.Size-1
	span := aws.ToString(got.ContentRange)
	if span != "" {
		_, err = fmt.Sscanf(span, "bytes %d-%d/%d", &first, &last, &now.Size)
	}
	switch {
	case err != nil:
		err = fmt.Errorf("the server sent the range %q: %w", span, err)
	case now != r.f:
		err = r.f.changed(now)
	case first != r.next || last != r.end-1:
		err = fmt.Errorf("asked for bytes %d-%d, the server sent %d-%d", r.next, r.end-1, first, last)
	}
	if err != nil {
		got.Body.Close()
		return err
	}
	r.body = got.Body
	return nil
}

func (r *s3Reader) Close() error {
	if r.body == nil {
		return nil
	}
	return r.body.Close()
}
