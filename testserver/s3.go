package testserver

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/versionlake/versionlake/process"
)

// S3Server is a running S3 server that keeps its objects in a temporary folder.
type S3Server struct {
	Endpoint  string // http://127.0.0.1:port
	Region    string
	AccessKey string
	SecretKey string
}

// S3 starts an S3 server (versitygw) that runs until the test ends.
func S3(tb testing.TB) S3Server {
	tb.Helper()
	program := tool(tb, "versitygw", "VERSIONLAKE_TEST_VERSITYGW")
	dir := tb.TempDir()
	s := S3Server{Region: "us-east-1", AccessKey: rand.Text(), SecretKey: rand.Text()}
	retry(tb, "versitygw", func() error {
		port, err := process.FreePort()
		if err != nil {
			return err
		}
		s.Endpoint = "http://" + process.Loopback(port)
		cmd := exec.Command(program, "--port", process.Loopback(port), "--region", s.Region, "--quiet", "posix", dir)
		cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.AccessKey, "ROOT_SECRET_KEY="+s.SecretKey)
		// Only our own server knows the keys, so one that took the port before it is not mistaken for it.
		p, err := start(cmd, "", func(ctx context.Context) error {
			_, err := s.Client().ListBuckets(ctx, &s3.ListBucketsInput{})
			return err
		})
		if err == nil {
			tb.Cleanup(p.kill)
		}
		return err
	})
	return s
}

// Client is a client of the server.
func (s S3Server) Client() *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint:     &s.Endpoint,
		Region:           s.Region,
		UsePathStyle:     true,
		Credentials:      credentials.NewStaticCredentialsProvider(s.AccessKey, s.SecretKey, ""),
		RetryMaxAttempts: 1,
	})
}

// Env is what lets an AWS tool or library use the server, as NAME=value, with no other credentials to fall back on.
func (s S3Server) Env() []string {
	return []string{
		"AWS_ENDPOINT_URL_S3=" + s.Endpoint,
		"AWS_REGION=" + s.Region,
		"AWS_ACCESS_KEY_ID=" + s.AccessKey,
		"AWS_SECRET_ACCESS_KEY=" + s.SecretKey,
		"AWS_SESSION_TOKEN=",
		"AWS_PROFILE=",
		"AWS_CONFIG_FILE=" + os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
		"AWS_EC2_METADATA_DISABLED=true",
	}
}

// Setenv sets Env for the rest of the test.
func (s S3Server) Setenv(tb testing.TB) {
	tb.Helper()
	for _, setting := range s.Env() {
		name, value, _ := strings.Cut(setting, "=")
		tb.Setenv(name, value)
	}
}

// NewBucket makes a bucket of its own for a test.
func (s S3Server) NewBucket(tb testing.TB) string {
	tb.Helper()
	name := fmt.Sprintf("bucket-%s", strings.ToLower(rand.Text()[:10]))
	if _, err := s.Client().CreateBucket(context.Background(),
		&s3.CreateBucketInput{Bucket: aws.String(name)}); err != nil {
		tb.Fatalf("make bucket %s: %v", name, err)
	}
	return name
}
