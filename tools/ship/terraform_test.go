package ship

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// TestTerraform reads the example, and holds its layout. What needs AWS' provider, a plan, was not tried.
func TestTerraform(t *testing.T) {
	files, err := filepath.Glob(deploy + "/terraform/*.tf")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, path := range files {
		text := []byte(read(t, path))
		if _, problems := hclparse.NewParser().ParseHCL(text, path); problems.HasErrors() {
			t.Error(problems)
		}
		if !bytes.Equal(hclwrite.Format(text), text) {
			t.Errorf("terraform fmt %s", path)
		}
	}
}
