package deploy_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/versionlake/versionlake/testserver"
)

// rights are what a policy of deploy/terraform/rights.tf allows: S3 actions by bucket, and the prefix that they end at.
type rights struct {
	allowed map[string]bool // "source s3:GetObject"
	buckets map[string]string
	prefix  map[string]string

	mutex           sync.Mutex
	used            map[string]int
	denied, unknown []string
}

var (
	statement = regexp.MustCompile(
		`(?s)sid\s+= "(\w+)"\s+actions\s+= \[([^\]]*)\]\s+resources = \["\$\{local\.(\w+)\}/\$\{var\.(\w+)\}/\*"\]`)
	listing = regexp.MustCompile(
		`(?s)sid\s+= "(\w+)"\s+actions\s+= \["(s3:ListBucket)"\]\s+resources = \[local\.(\w+)\]\s+` +
			`condition \{\s+test\s+= "StringLikeIfExists"\s+variable = "s3:prefix"\s+` +
			`values\s+= \["\$\{var\.(\w+)\}/\*"\]`)
	quoted = regexp.MustCompile(`"(s3:\w+)"`)
)

// readRights reads a policy: terraform fmt keeps its layout.
func readRights(t *testing.T, policy string, buckets, prefix map[string]string) *rights {
	t.Helper()
	_, below, found := strings.Cut(read(t, "terraform/rights.tf"), `data "aws_iam_policy_document" "`+policy+`" {`)
	if !found {
		t.Fatalf("there is no policy %s", policy)
	}
	text, _, _ := strings.Cut(below, "\n}\n")
	r := &rights{allowed: map[string]bool{}, buckets: buckets, prefix: prefix, used: map[string]int{}}
	for _, pattern := range []*regexp.Regexp{statement, listing} {
		for _, s := range pattern.FindAllStringSubmatch(text, -1) {
			if s[4] != s[3]+"_prefix" {
				t.Errorf("%s: the folder %s in the bucket of %s", s[1], s[4], s[3])
			}
			for _, action := range quoted.FindAllStringSubmatch(`"`+strings.Trim(s[2], `"`)+`"`, -1) {
				r.allowed[s[3]+" "+action[1]] = true
			}
		}
	}
	if len(r.allowed) < 2 || strings.Count(text, "s3:") != len(r.allowed)+strings.Count(text, `"s3:prefix"`) {
		t.Fatalf("of the policy %s were read: %v", policy, r.allowed)
	}
	return r
}

// actions are what IAM asks for a request.
//
//nolint:cyclop // a table of requests
func actions(r *http.Request, key string) []string {
	query := r.URL.Query()
	switch {
	case key == "" && r.Method == http.MethodGet && (query.Has("list-type") || query.Has("prefix")):
		return []string{"s3:ListBucket"}
	case key == "" && r.Method == http.MethodPost && query.Has("delete"):
		return []string{"s3:DeleteObject"}
	case key == "":
		return nil
	case len(query) > 0 && !query.Has("x-id") && !query.Has("uploads") && !query.Has("uploadId"):
		return nil
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		return []string{"s3:GetObject"}
	case r.Method == http.MethodDelete && query.Has("uploadId"):
		return []string{"s3:AbortMultipartUpload"}
	case r.Method == http.MethodDelete:
		return []string{"s3:DeleteObject"}
	case r.Method == http.MethodPut && r.Header.Get("X-Amz-Copy-Source") != "":
		return []string{"s3:GetObject", "s3:PutObject"}
	case r.Method == http.MethodPut, r.Method == http.MethodPost:
		return []string{"s3:PutObject"}
	}
	return nil
}

// choose refuses what the policy does not allow, and notes all else.
func (r *rights) choose(request *http.Request) testserver.Fault {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(request.URL.Path, "/"), "/")
	r.mutex.Lock()
	defer r.mutex.Unlock()
	needed, whose := actions(request, key), r.buckets[bucket]
	within := key
	if key == "" {
		within = request.URL.Query().Get("prefix")
	}
	if len(needed) == 0 || whose == "" {
		r.unknown = append(r.unknown, request.Method+" "+request.URL.String())
		return testserver.Forbidden
	}
	for _, action := range needed {
		right := whose + " " + action
		// The keys that DeleteObjects names are in its body: they are of the listing before.
		several := key == "" && action == "s3:DeleteObject"
		if !r.allowed[right] || !several && !strings.HasPrefix(within, r.prefix[whose]+"/") {
			r.denied = append(r.denied, fmt.Sprintf("%s for %s %s", right, request.Method, request.URL))
			return testserver.Forbidden
		}
		r.used[right]++
	}
	return testserver.NoFault
}

// hold reports what was asked for and not allowed, and what was allowed and never asked for.
func (r *rights) hold(t *testing.T, unused ...string) {
	t.Helper()
	for _, each := range slices.Concat(r.denied, r.unknown) {
		t.Errorf("refused: %s", each)
	}
	for right := range maps.Keys(r.allowed) {
		if r.used[right] == 0 && !slices.Contains(unused, right) {
			t.Errorf("%s is allowed, and nothing needs it", right)
		}
	}
	t.Logf("requests: %v", r.used)
}

// TestLeastRights does all that a worker does with the rights of the policy alone, and then all that readers do
// with theirs.
func TestLeastRights(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real servers")
	}
	server := testserver.S3(t)
	warehouse, source := server.NewBucket(t), server.NewBucket(t)
	upload(t, server, source)
	program, dir := filepath.Join(programs(t), "versionlake"), t.TempDir()
	run := func(t *testing.T, r *rights, arguments ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, arguments...)
		cmd.Env = slices.Concat(os.Environ(), server.Behind(t, r.choose).Env(), []string{
			"PATH=" + testserver.Tools(t) + ":" + os.Getenv("PATH"), "HOME=" + dir,
			"VERSIONLAKE_DIR=" + dir, "VERSIONLAKE_SOURCE=s3://" + source + "/logs",
			"VERSIONLAKE_WAREHOUSE=s3://" + warehouse + "/versions",
			"VERSIONLAKE_CATALOG=sqlite://" + dir + "/catalog.db",
		})
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("versionlake %s: %v\n%s\nrefused: %v", strings.Join(arguments, " "), err, said, r.denied)
		}
	}
	buckets := map[string]string{warehouse: "warehouse", source: "source"}
	prefix := map[string]string{"warehouse": "versions", "source": "logs"}
	t.Run("worker", func(t *testing.T) {
		r := readRights(t, "worker", buckets, prefix)
		run(t, r, "ingest", "2022-05-27T05")
		run(t, r, "reprocess", "--from", "2022-05-27T04", "--to", "2022-05-27T08")
		run(t, r, "reprocess", "--layer", "silver", "--from", "2022-05-27T05", "--to", "2022-05-27T06")
		run(t, r, "forget", "p1", "--yes")
		run(t, r, "maintain", "--drop-before", "2022-05-27T06:00:00Z")
		r.hold(t, "warehouse s3:AbortMultipartUpload") // only an upload that fails in its middle is given up
	})
	t.Run("reader", func(t *testing.T) {
		r := readRights(t, "reader", buckets, prefix)
		run(t, r, "status")
		run(t, r, "cost")
		run(t, r, "history", "p2")
		run(t, r, "verify", "--source", "")
		// What verify found would be kept for versionlake checks: who may not, is told so, and none the worse.
		r.denied = slices.DeleteFunc(r.denied, func(what string) bool {
			return strings.HasPrefix(what, "warehouse s3:PutObject for PUT ") &&
				strings.Contains(what, "/versions/ops/checks/metadata/")
		})
		r.hold(t)
	})
}

// upload puts some hours into the source.
func upload(t *testing.T, server testserver.S3Server, bucket string) {
	t.Helper()
	for hour := 4; hour < 8; hour++ {
		text := ""
		for user := 1; user < 4; user++ {
			text += fmt.Sprintf("Info\t2022-05-27T%02d:10:00.000+0000\tClientApp\ts%d\t1\t{'Name': 'SoftwareVersion', "+
				"'Version': 1.%d, 'Device': 'Gameboy', 'UserId': 'p%d'}\n", hour, user, hour, user)
		}
		if _, err := server.Client().PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: &bucket, Key: aws.String(fmt.Sprintf("logs/2022/05/27/%02d/a.tsv",
				hour)), Body: strings.NewReader(text),
		}); err != nil {
			t.Fatal(err)
		}
	}
}
