package ship

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

func dockerfile(t *testing.T) []instructions.Stage {
	t.Helper()
	parsed, err := parser.Parse(strings.NewReader(read(t, deploy, "docker/Dockerfile")))
	if err != nil {
		t.Fatal(err)
	}
	for _, warning := range parsed.Warnings {
		t.Errorf("Dockerfile: %s", warning.Short)
	}
	stages, _, err := instructions.Parse(parsed.AST, linter.New(&linter.Config{
		Warn: func(rule, description, url, said string, at []parser.Range) { t.Errorf("Dockerfile %v: %s", at, said) },
	}))
	if err != nil {
		t.Fatal(err)
	}
	return stages
}

// TestDockerfile holds what the image promises: nothing but the program, and nobody's root.
func TestDockerfile(t *testing.T) {
	stages := dockerfile(t)
	last := stages[len(stages)-1]
	if last.BaseName != "scratch" {
		t.Errorf("the image is made from %s", last.BaseName)
	}
	toolchain := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../../go.mod"))[1]
	if !strings.HasPrefix(stages[0].BaseName, "golang:"+toolchain+".") {
		t.Errorf("go.mod needs Go %s, and %s builds", toolchain, stages[0].BaseName)
	}
	user := ""
	for _, command := range last.Commands {
		switch c := command.(type) {
		case *instructions.UserCommand:
			user = c.User
		case *instructions.RunCommand:
			t.Error("nothing can run in an image from scratch")
		}
	}
	if user != "65532:65532" {
		t.Errorf("the user is %q", user)
	}
}

// TestDockerfileBuilds looks whether what the context keeps is all that the program is built from.
func TestDockerfileBuilds(t *testing.T) {
	patterns, err := ignorefile.ReadAll(strings.NewReader(read(t, deploy, "docker/Dockerfile.dockerignore")))
	if err != nil {
		t.Fatal(err)
	}
	ignored, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	context := t.TempDir()
	files := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard")
	files.Dir = "../.."
	list, err := files.Output()
	if err != nil {
		t.Skipf("no checkout of git: %v", err)
	}
	copied := 0
	for _, name := range strings.Fields(string(list)) {
		if skip, err := ignored.MatchesOrParentMatches(name); err != nil || skip {
			continue
		}
		text, err := os.ReadFile(filepath.Join("../..", name))
		if os.IsNotExist(err) {
			continue
		}
		if err := os.MkdirAll(filepath.Join(context, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(context, name), text, fs.FileMode(0o755)); err != nil {
			t.Fatal(err)
		}
		copied++
	}
	listed := exec.Command("go", "list", "-deps", "-f", "{{with .Error}}{{.}}{{end}}", "./cmd/versionlake")
	listed.Dir = context
	said, err := listed.CombinedOutput()
	if err != nil || len(bytes.TrimSpace(said)) > 0 {
		t.Errorf("of %d files the program is not built: %v\n%s", copied, err, said)
	}
	if _, err := os.Stat(filepath.Join(context, "tools/build.sh")); err != nil {
		t.Error(err)
	}
}

// TestCompose reads the file as Compose does, and looks for what would fail on another machine, or open it to others.
func TestCompose(t *testing.T) {
	dir := filepath.Join(deploy, "compose")
	options, err := cli.NewProjectOptions([]string{filepath.Join(dir, "compose.yaml")}, cli.WithWorkingDirectory(dir),
		cli.WithEnvFiles(filepath.Join(dir, ".env")), cli.WithDotEnv)
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"postgres", "s3", "temporal", "temporal-ui", "worker", "trino", "superset"} {
		if _, err := project.GetService(name); err != nil {
			t.Error(err)
		}
	}
	for name, service := range project.Services {
		checkService(t, project, name, service)
	}
	scripts := []string{"temporal-schema.sh", "temporal-namespace.sh", "superset.sh", "../superset/start.sh"}
	for _, script := range scripts {
		if said, err := exec.Command("bash", "-n", filepath.Join(dir, script)).CombinedOutput(); err != nil {
			t.Errorf("%s: %s", script, said)
		}
	}
}

func checkService(t *testing.T, project *types.Project, name string, service types.ServiceConfig) {
	_, tag, tagged := strings.Cut(service.Image, ":")
	if !tagged || tag == "latest" {
		t.Errorf("%s: the image %s has no version", name, service.Image)
	}
	for _, port := range service.Ports {
		if port.HostIP != "127.0.0.1" {
			t.Errorf("%s: port %s is open to others", name, port.Published)
		}
	}
	for _, volume := range service.Volumes {
		if _, err := os.Stat(volume.Source); volume.Type == types.VolumeTypeBind && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for other, depends := range service.DependsOn {
		needed := project.Services[other]
		if depends.Condition == types.ServiceConditionHealthy && needed.HealthCheck == nil && other != "trino" {
			t.Errorf("%s waits until %s is healthy, which nothing looks at", name, other) // Trino's image does
		}
	}
	for variable, value := range service.Environment {
		if value == nil {
			t.Errorf("%s: %s has no value", name, variable)
		}
	}
}
