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

// s3Source is a prefix of a bucket. The client is set up by what every AWS tool reads: AWS_* variables, profiles,
// roles.
type s3Source struct {
	setup
	client *s3.Client
	bucket string
	prefix string // empty, or ending in "/"
}

func openS3(ctx context.Context, location string, set setup) (Source, error) {
	bucket, prefix, _ := strings.Cut(location, "/")
	prefix = strings.Trim(prefix, "/")
	if strings.ContainsAny(bucket, "@:") { // which may be a secret: not repeated
		return nil, fmt.Errorf("open source: %w: credentials do not belong in the location; write "+
			"s3://bucket/prefix and set AWS_ACCESS_KEY_ID or AWS_PROFILE", ErrConfig)
	}
	if bucket == "" || (prefix != "" && checkKey(prefix) != nil) {
		return nil, fmt.Errorf("open source: %w: %q is not of the form s3://bucket/prefix, with no empty, . or "+
			".. parts in the prefix", ErrConfig, "s3://"+location)
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
		return nil, fmt.Errorf("open source s3://%s: %w: no AWS region; set AWS_REGION, or AWS_ENDPOINT_URL_S3 "+
			"for another server", location, ErrConfig)
	}
	return &s3Source{setup: set, client: client, bucket: bucket, prefix: prefix}, nil
}

func (s *s3Source) String() string {
	return strings.TrimSuffix("s3://"+s.bucket+"/"+s.prefix, "/")
}

func (s *s3Source) List(ctx context.Context, hour telemetry.Hour) (Listing, error) {
	listing, err := s.list(ctx, s, hour)
	if err != nil {
		return Listing{}, fmt.Errorf("list hour %s of %s: %w", hour, s, err)
	}
	return listing, nil
}

func (s *s3Source) Hours(ctx context.Context, from, to telemetry.Hour) ([]telemetry.Hour, error) {
	hours, err := s.hours(ctx, s, from, to)
	if err != nil {
		return hours, fmt.Errorf("list hours %s to %s of %s: %w", from, to, s, err)
	}
	return hours, nil
}

func (s *s3Source) CheckHours(ctx context.Context) error { return s.lookout(s).checkHours(ctx) }

func (s *s3Source) Strays(ctx context.Context) []string { return s.lookout(s).strays(ctx) }

func (s *s3Source) names(ctx context.Context, folder, prefix string, most int) (names []name, err error) {
	err = s.pages(ctx, folder, prefix, func(entries []entry) bool {
		for _, e := range entries {
			if e.folder || !isMark(e) {
				names = append(names, name{text: e.name, folder: e.folder})
			}
		}
		return most == 0 || len(names) < most
	})
	slices.SortFunc(names, func(a, b name) int {
		return cmp.Or(strings.Compare(a.text, b.text), cmp.Compare(isFolder(a), isFolder(b)))
	})
	return names, err
}

func isFolder(n name) int {
	if n.folder {
		return 1
	}
	return 0
}

func (s *s3Source) holds(ctx context.Context, folder string) (holds bool, err error) {
	err = s.pages(ctx, folder, "", func(entries []entry) bool {
		holds = slices.ContainsFunc(entries,
			func(e entry) bool { return (e.folder || !isMark(e)) && !isIgnored(e.name) })
		return !holds
	})
	return holds, err
}

// markedFolders bounds how many folders of an hour are looked into, to see whether each is more than a mark.
const markedFolders = 50

func (s *s3Source) entries(ctx context.Context, folder string) (entries []entry, err error) {
	looked := 0
	var marks []string
	err = s.pages(ctx, folder, "", func(found []entry) bool {
		for _, e := range found {
			if e.folder && !isIgnored(e.name) && !s.endings.says(e.name) && looked < markedFolders {
				looked++
				marks = append(marks, e.name)
			}
			if e.folder || !isMark(e) {
				entries = append(entries, e)
			}
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	bare, err := gather(ctx, marks, func(ctx context.Context, mark string) ([]string, error) {
		holds := false
		err := s.pages(ctx, folder+"/"+mark, "", func(found []entry) bool {
			holds = slices.ContainsFunc(found, func(e entry) bool { return e.folder || !isMark(e) })
			return !holds
		})
		if err != nil || holds {
			return nil, err
		}
		return []string{mark}, nil
	})
	return slices.DeleteFunc(entries, func(e entry) bool { return e.folder && slices.Contains(bare, e.name) }), err
}

// isMark tells an object that only stands for a folder: 05/ or 05_$folder$, of no bytes.
func isMark(e entry) bool {
	return (e.name == "" || strings.HasSuffix(e.name, "_$folder$")) && e.file.Size == 0
}

// pages lists what lies directly in a folder, "" being the root, and begins with the prefix, until each returns false.
func (s *s3Source) pages(ctx context.Context, folder, prefix string, each func([]entry) bool) error {
	base := s.prefix
	if folder != "" {
		base += folder + "/"
	}
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{
		Bucket:       &s.bucket,
		Prefix:       aws.String(base + prefix),
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
					return "", fmt.Errorf("read a key in the list of %s: %w", base, err)
				}
			}
			return strings.TrimPrefix(text, base), nil
		}
		var entries []entry
		for _, common := range page.CommonPrefixes {
			text, err := name(common.Prefix)
			if err != nil {
				return err
			}
			entries = append(entries, entry{name: strings.TrimSuffix(text, "/"), folder: true})
		}
		for _, object := range page.Contents {
			text, err := name(object.Key)
			if err != nil {
				return err
			}
			entries = append(entries,
				entry{name: text, file: File{Size: aws.ToInt64(object.Size), ETag: aws.ToString(object.ETag)}})
		}
		if !each(entries) {
			return nil
		}
	}
	return nil
}

// stat is the present version of an object.
func (s *s3Source) stat(ctx context.Context, key string) (File, error) {
	head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + key)})
	if err != nil {
		return File{}, s.explainObject(ctx, key, err)
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

// answerOf is the code and the HTTP status of a server's answer.
func answerOf(err error) (code string, status int) {
	var api interface{ ErrorCode() string }
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	var response interface{ HTTPStatusCode() int }
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	return code, status
}

// explainObject tells what concerns one object, which is ErrUnreadable, from what concerns all.
func (s *s3Source) explainObject(ctx context.Context, key string, err error) error {
	if ctx.Err() != nil {
		return cmp.Or(context.Cause(ctx), err)
	}
	code, status := answerOf(err)
	todo := ""
	switch {
	case code == "InvalidObjectState":
		todo = "it lies in an archive class: restore it (aws s3api restore-object), or move it to a class that " +
			"can be read at once"
	case strings.HasPrefix(code, "KMS."):
		todo = "see to the KMS key that it is encrypted with"
	case (code == "InvalidRequest" || status == 405) && s.lists(ctx, path.Dir(key)):
		todo = "copy it to an object that can be read, without a key of its own (SSE-C)"
	case status == 403 && s.lists(ctx, path.Dir(key)): // else all of it is refused
		todo = "allow s3:GetObject on this object, and kms:Decrypt with its key, or take its copy from who owns it"
	default:
		return s.explain(ctx, err)
	}
	return fmt.Errorf("%w: %w; %s", ErrUnreadable, err, todo)
}

// lists tells whether a folder can be listed.
func (s *s3Source) lists(ctx context.Context, folder string) bool {
	return s.pages(ctx, folder, "", func([]entry) bool { return false }) == nil
}

// explain maps an error of the SDK to ours, which say what to do next.
func (s *s3Source) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return cmp.Or(context.Cause(ctx), err)
	}
	code, status := answerOf(err)
	switch {
	case code == "NoSuchBucket":
		return faultf(ErrConfig, err, "there is no bucket %s: create it or correct the location (%s)", s.bucket, err)
	case status == 301 || status == 307 || code == "AuthorizationHeaderMalformed":
		return faultf(ErrConfig, err, "bucket %s is of another region than %s: set AWS_REGION to its own (%s)", s.bucket,
			s.client.Options().Region, err)
	case code == "NoSuchKey" || code == "NotFound":
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case status == 412 || status == 416: // another ETag; too short for the range
		return fmt.Errorf("%w: %w", ErrChanged, err)
	case status == 401 || status == 403:
		return faultf(ErrDenied, err, "access denied: allow s3:ListBucket and s3:GetObject on bucket %s, or use other "+
			"credentials, AWS_PROFILE or AWS_ACCESS_KEY_ID (%s)", s.bucket, err)
	case status == 0:
		// The SDK has no error type for a chain that found no credentials: ask the chain itself.
		if _, missing := s.client.Options().Credentials.Retrieve(ctx); missing != nil {
			return faultf(ErrConfig, missing, "there are no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "+
				"AWS_SECRET_ACCESS_KEY (%s)", missing)
		}
	}
	return err
}
