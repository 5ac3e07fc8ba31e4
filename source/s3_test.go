package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/versionlake/versionlake/testserver"
)

// tearing is a proxy before an S3 server that breaks the connection after some bytes of each body of an object.
func tearing(tb testing.TB, server testserver.S3Server, bytes int64) (endpoint string, gets *atomic.Int32) {
	target, err := url.Parse(server.Endpoint)
	must(tb, err)
	gets = new(atomic.Int32)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // which is signed
		},
		ModifyResponse: func(r *http.Response) error {
			if r.Request.Method == http.MethodGet && strings.HasSuffix(r.Request.URL.Path, ".tsv") &&
				r.StatusCode < 300 {
				gets.Add(1)
				r.Body = struct {
					io.Reader
					io.Closer
				}{io.MultiReader(io.LimitReader(r.Body, bytes), torn{}), r.Body}
			}
			return nil
		},
		FlushInterval: -1, // the header goes out although the body breaks at once
		ErrorLog:      log.New(io.Discard, "", 0),
	}
	proxied := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil { // how ReverseProxy gives up in the middle of a body
				panic(http.ErrAbortHandler)
			}
		}()
		proxy.ServeHTTP(w, r)
	}))
	tb.Cleanup(proxied.Close)
	return proxied.URL, gets
}

type torn struct{}

func (torn) Read([]byte) (int, error) { return 0, http.ErrAbortHandler }

func TestS3ResumesTornBody(t *testing.T) {
	server := testserver.S3(t)
	server.Setenv(t)
	b := s3Backend(t, server, "logs")
	const size, step = 1 << 20, 100_000
	var content strings.Builder
	for i := 0; content.Len() < size; i++ {
		fmt.Fprintf(&content, "line %d\n", i)
	}
	key := hourFolder + "/a.tsv"
	b.put(t, key, content.String())

	endpoint, gets := tearing(t, server, step)
	t.Setenv("AWS_ENDPOINT_URL_S3", endpoint)
	src := openSource(t, b.location)
	f := listFiles(t, src, "2022-05-27T05")[0]
	for _, section := range [][2]int64{{0, -1}, {12345, 400_000}} {
		gets.Store(0)
		want := content.String()[section[0]:]
		if section[1] >= 0 {
			want = want[:section[1]]
		}
		if got := readAll(t, src, f, section[0], section[1]); got != want {
			t.Errorf("read %d bytes of section %v that are not the %d of the object", len(got), section, len(want))
		}
		if least := int32(len(want) / step); gets.Load() < least {
			t.Errorf("%d requests: nothing was torn", gets.Load())
		}
	}

	// The object changes while the connection is broken.
	r, err := src.Open(t.Context(), f, 0, -1)
	must(t, err)
	defer r.Close()
	_, err = io.ReadFull(r, make([]byte, step/2))
	must(t, err)
	b.put(t, key, strings.ToUpper(content.String()))
	if n, err := io.Copy(io.Discard, r); !errors.Is(err, ErrChanged) {
		t.Errorf("read %d bytes further, %v", n, err)
	}
}

func TestS3GivesUpOnTornBody(t *testing.T) {
	server := testserver.S3(t)
	server.Setenv(t)
	b := s3Backend(t, server, "")
	b.put(t, hourFolder+"/a.tsv", strings.Repeat("x", 100_000))
	endpoint, gets := tearing(t, server, 1000)
	t.Setenv("AWS_ENDPOINT_URL_S3", endpoint)
	src := openSource(t, b.location)
	f := listFiles(t, src, "2022-05-27T05")[0]

	r, err := src.Open(t.Context(), f, 0, -1)
	must(t, err)
	defer r.Close()
	n, err := io.Copy(io.Discard, r)
	if err == nil || errors.Is(err, ErrChanged) || n >= f.Size || gets.Load() != resumes+1 {
		t.Errorf("read %d bytes in %d requests, then %v", n, gets.Load(), err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	r, err = src.Open(ctx, f, 0, -1)
	must(t, err)
	defer r.Close()
	time.AfterFunc(2*resumePause, cancel)
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while it waits to resume: %v", err)
	}
}

func TestS3Misconfigured(t *testing.T) {
	server := testserver.S3(t)
	bucket := server.NewBucket(t)
	for _, test := range []struct {
		name, location string
		env            map[string]string
		want           error
		hint           string
	}{
		{"NoSuchBucket", "s3://no-such-bucket/x", nil, ErrConfig, "create it"},
		{"WrongSecret", "s3://" + bucket, map[string]string{"AWS_SECRET_ACCESS_KEY": "wrong-secret"}, ErrDenied,
			"AWS_PROFILE"},
		{"NoCredentials", "s3://" + bucket, map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
			ErrConfig, "no AWS credentials"},
		{"NoRegion", "s3://" + bucket,
			map[string]string{"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_ENDPOINT_URL_S3": ""}, ErrConfig,
			"set AWS_REGION"},
		{"NoProfile", "s3://" + bucket, map[string]string{"AWS_PROFILE": "no-such-profile"},
			ErrConfig, "no-such-profile"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server.Setenv(t)
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			src, err := Open(t.Context(), test.location)
			if err == nil {
				_, err = src.List(t.Context(), hour(t, "2022-05-27T05"))
				if _, herr := src.Hours(t.Context(), hour(t, "2022-05-27T05"),
					hour(t, "2022-05-28T05")); !errors.Is(herr, test.want) {
					t.Errorf("Hours: %v", herr)
				}
			}
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.hint) {
				t.Errorf("got %v, want %v with %q", err, test.want, test.hint)
			}
			if strings.Contains(err.Error(), server.SecretKey) || strings.Contains(err.Error(), "wrong-secret") {
				t.Errorf("the error holds a secret: %v", err)
			}
		})
	}
}

// AWS answers as the SDK is told to ask, other servers leave out the encoding, and some requests go to the wrong
// region: what the real server of the other tests cannot show.
func TestS3Answers(t *testing.T) {
	var answering atomic.Pointer[http.HandlerFunc] // a List that failed may leave a request behind, which still asks
	answer := func(as http.HandlerFunc) { answering.Store(&as) }
	fake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(*answering.Load())(w, r)
	}))
	t.Cleanup(fake.Close)
	testserver.S3Server{Endpoint: fake.URL, Region: "us-east-1", AccessKey: "k", SecretKey: "s"}.Setenv(t)
	src := openSource(t, "s3://bucket/a b")
	f := File{Key: hourFolder + "/a.tsv", Size: 10, ETag: `"1"`}

	answer(func(w http.ResponseWriter, r *http.Request) {
		prefix := r.URL.Query().Get("prefix")
		if r.URL.Query().Get("encoding-type") != "url" || !strings.HasPrefix(prefix, "a b/2022/") {
			t.Errorf("asked for %s", r.URL)
		}
		switch prefix {
		case "a b/2022/05/27/":
			fmt.Fprint(w, `<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>`+
				`<CommonPrefixes><Prefix>a+b/2022/05/27/05/</Prefix></CommonPrefixes></ListBucketResult>`)
			return
		case "a b/2022/5/27/":
			fmt.Fprint(w, `<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>`)
			return
		}
		fmt.Fprint(w, `<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>`+
			`<Contents><Key>a+b/2022/05/27/05/x+y%2Bz%01%25.tsv</Key><Size>3</Size>`+
			`<ETag>&quot;1&quot;</ETag></Contents></ListBucketResult>`)
	})
	files := listFiles(t, src, "2022-05-27T05")
	if want := []File{{Key: hourFolder + "/x y+z\x01%.tsv", Size: 3, ETag: `"1"`}}; !slices.Equal(files, want) {
		t.Errorf("an encoded list gives %+v, want %+v", files, want)
	}

	answer(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusMovedPermanently)
		fmt.Fprint(w, `<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>`)
	})
	if _, err := src.List(t.Context(), hour(t, "2022-05-27T05")); !errors.Is(err, ErrConfig) ||
		!strings.Contains(err.Error(), "set AWS_REGION") {
		t.Errorf("in the wrong region: %v", err)
	}

	answer(func(w http.ResponseWriter, r *http.Request) { // a server that knows no If-Match, and no ranges
		w.Header().Set("ETag", `"2"`)
		fmt.Fprint(w, "0123456789")
	})
	if _, err := src.Open(t.Context(), f, 0, -1); !errors.Is(err, ErrChanged) {
		t.Errorf("If-Match is ignored: %v", err)
	}
	f.ETag = `"2"`
	if _, err := src.Open(t.Context(), f, 3, 4); err == nil || !strings.Contains(err.Error(), "sent 0-9") {
		t.Errorf("the range is ignored: %v", err)
	}
	f.Size = 12
	if _, err := src.Open(t.Context(), f, 0, -1); !errors.Is(err, ErrChanged) {
		t.Errorf("another size: %v", err)
	}
}
