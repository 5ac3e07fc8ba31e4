package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/versionlake/versionlake/telemetry"
)

// s3Source is a prefix of a bucket. The client is set up by what every AWS tool reads: AWS_* variables, profiles, roles.
type s3Source struct {
	client *s3.Client
	bucket string
	prefix string // empty, or ending in "/"
}

func openS3(ctx context.Context, location string) (Source, error) {
	bucket, prefix, _ := strings.Cut(location, "/")
	prefix = strings.Trim(prefix, "/")
	if strings.ContainsAny(bucket, "@:") { // which may be a secret: not repeated
		return nil, fmt.Errorf("open source: %w: credentials do not belong in the location; write s3://bucket/prefix and set AWS_ACCESS_KEY_ID or AWS_PROFILE", ErrConfig)
	}
	if bucket == "" || (prefix != "" && checkKey(prefix) != nil) {
		return nil, fmt.Errorf("open source: %w: %q is not of the form s3://bucket/prefix, with no empty, . or .. parts in the prefix", ErrConfig, "s3://"+location)
	}
	if prefix != "" {
		prefix += "/"
	}
	cfg, err := AWSConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("open source s3://%s: %w: read the AWS settings: %w", location, ErrConfig, err)
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		if o.BaseEndpoint != nil { // not AWS: such servers seldom have a host name per bucket, or regions
			o.UsePathStyle = true
			o.Region = cmp.Or(o.Region, "us-east-1")
		}
		o.DisableLogOutputChecksumValidationSkipped = true // else a line on stderr for every file without a checksum
	})
	if client.Options().Region == "" {
		return nil, fmt.Errorf("open source s3://%s: %w: no AWS region; set AWS_REGION, or AWS_ENDPOINT_URL_S3 for another server", location, ErrConfig)
	}
	return &s3Source{client: client, bucket: bucket, prefix: prefix}, nil
}

func (s *s3Source) String() string {
	return strings.TrimSuffix("s3://"+s.bucket+"/"+s.prefix, "/")
}

func (s *s3Source) List(ctx context.Context, hour telemetry.Hour) (Listing, error) {
	var files []File
	folder := hour.Folder()
	err := s.list(ctx, folder, func(_ []string, found []File) (bool, error) {
		for _, f := range found {
			if err := checkName(folder, path.Base(f.Key)); err != nil {
				return false, err
			}
		}
		files = append(files, found...)
		return true, nil
	})
	if err != nil {
		return Listing{}, fmt.Errorf("list hour %s of %s: %w", hour, s, err)
	}
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Key, b.Key) })
	return Listing{Files: files}, nil
}

func (s *s3Source) Hours(ctx context.Context, from, to telemetry.Hour) ([]telemetry.Hour, error) {
	hours, err := findHours(ctx, s, from, to)
	if err != nil {
		return nil, fmt.Errorf("list hours %s to %s of %s: %w", from, to, s, err)
	}
	return hours, nil
}

func (s *s3Source) folders(ctx context.Context, folder string) ([]string, error) {
	var folders []string
	err := s.list(ctx, folder, func(found []string, _ []File) (bool, error) {
		folders = append(folders, found...)
		return true, nil
	})
	return folders, err
}

func (s *s3Source) holdsTelemetry(ctx context.Context, folder string) (bool, error) {
	holds := false
	err := s.list(ctx, folder, func(_ []string, files []File) (bool, error) {
		holds = holds || len(files) > 0
		return !holds, nil
	})
	return holds, err
}

// list pages through what lies directly in a folder, "" being the root, until each returns false: the names of folders and the
// telemetry files.
func (s *s3Source) list(ctx context.Context, folder string, each func(folders []string, files []File) (bool, error)) error {
	prefix := s.prefix
	if folder != "" {
		prefix += folder + "/"
	}
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{
		Bucket:       &s.bucket,
		Prefix:       &prefix,
		Delimiter:    aws.String("/"),
		EncodingType: types.EncodingTypeUrl, // XML has no way to write some characters that keys may have
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return s.explain(ctx, err)
		}
		name := func(key *string) (string, error) {
			text := aws.ToString(key)
			if page.EncodingType == types.EncodingTypeUrl { // not every server does as it was asked
				if text, err = url.QueryUnescape(text); err != nil {
					return "", fmt.Errorf("read a key in the list of %s: %w", prefix, err)
				}
			}
			return strings.TrimPrefix(text, prefix), nil
		}
		var folders []string
		for _, common := range page.CommonPrefixes {
			text, err := name(common.Prefix)
			if err != nil {
				return err
			}
			folders = append(folders, strings.TrimSuffix(text, "/"))
		}
		var files []File
		for _, object := range page.Contents {
			text, err := name(object.Key)
			if err != nil {
				return err
			}
			if isTelemetry(text) {
				files = append(files, File{Key: path.Join(folder, text), Size: aws.ToInt64(object.Size), ETag: aws.ToString(object.ETag)})
			}
		}
		if more, err := each(folders, files); err != nil || !more {
			return err
		}
	}
	return nil
}

func (s *s3Source) Stat(ctx context.Context, key string) (File, error) {
	f, err := s.stat(ctx, key)
	if err != nil {
		return File{}, fmt.Errorf("look at %s in %s: %w", key, s, err)
	}
	return f, nil
}

func (s *s3Source) stat(ctx context.Context, key string) (File, error) {
	if err := checkKey(key); err != nil {
		return File{}, err
	}
	head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + key)})
	if err != nil {
		return File{}, s.explain(ctx, err)
	}
	return File{Key: key, Size: aws.ToInt64(head.ContentLength), ETag: aws.ToString(head.ETag)}, nil
}

func (s *s3Source) Open(ctx context.Context, f File, offset, length int64) (io.ReadCloser, error) {
	r, err := s.openFile(ctx, f, offset, length)
	if err != nil {
		return nil, fmt.Errorf("open %s in %s: %w", f.Key, s, err)
	}
	return r, nil
}

func (s *s3Source) openFile(ctx context.Context, f File, offset, length int64) (io.ReadCloser, error) {
	start, end, err := f.section(offset, length)
	if err := cmp.Or(err, checkKey(f.Key)); err != nil {
		return nil, err
	}
	r := &s3Reader{ctx: ctx, source: s, f: f, next: start, end: end, torn: start}
	if start == end { // HTTP has no range without bytes
		now, err := s.stat(ctx, f.Key)
		if err == nil && now != f {
			err = f.changed(now)
		}
		return r, err
	}
	return r, r.connect()
}

// explain maps an error of the SDK to ours, which say what to do next.
func (s *s3Source) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return cmp.Or(context.Cause(ctx), err)
	}
	var api interface{ ErrorCode() string }
	code := ""
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	var response interface{ HTTPStatusCode() int }
	status := 0
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	switch {
	case code == "NoSuchBucket":
		return fmt.Errorf("%w: %w; create bucket %s or correct the location", ErrConfig, err, s.bucket)
	case status == 301 || status == 307 || code == "AuthorizationHeaderMalformed":
		return fmt.Errorf("%w: %w; set AWS_REGION to the region of bucket %s (now %s)", ErrConfig, err, s.bucket, s.client.Options().Region)
	case code == "NoSuchKey" || code == "NotFound":
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case status == 412 || status == 416: // another ETag; too short for the range
		return fmt.Errorf("%w: %w", ErrChanged, err)
	case status == 401 || status == 403:
		return fmt.Errorf("%w: %w; allow s3:ListBucket and s3:GetObject on bucket %s, or use other credentials (AWS_PROFILE, AWS_ACCESS_KEY_ID)", ErrDenied, err, s.bucket)
	case status == 0:
		// The SDK has no error type for a chain that found no credentials: ask the chain itself.
		if _, missing := s.client.Options().Credentials.Retrieve(ctx); missing != nil {
			return fmt.Errorf("%w: no AWS credentials: %w; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", ErrConfig, missing)
		}
	}
	return err
}
