package ship

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestLicences: a module without the text of a licence is found here, and not by a release.
func TestLicences(t *testing.T) {
	command := exec.Command("../licences.sh", "v1.2.3", "linux/amd64", "darwin/arm64")
	command.Stderr = os.Stderr
	text, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := strings.Count("\n"+string(text), "\n================ ")
	if modules < 100 || !strings.Contains(string(text), "=== github.com/versionlake/versionlake v1.2.3\n") ||
		!strings.Contains(string(text), "\n================ std go1.") ||
		!strings.Contains(string(text), "Permission is hereby granted, free of charge") {
		t.Errorf("%d modules in %d bytes", modules, len(text))
	}
}
