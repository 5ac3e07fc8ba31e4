// Package ship checks the files of deploy/, which no program of ours reads, by the libraries of those that do:
// Helm, Compose, BuildKit, Prometheus, Terraform's HCL. It is a module of its own, since these bring half of
// Kubernetes along.
package ship

import (
	"os"
	"path/filepath"
	"testing"
)

// deploy is the folder of what is checked.
const deploy = "../../deploy"

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
