package forgotten_test

import (
	"errors"
	"testing"

	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/objects"
)

func TestNameOf(t *testing.T) {
	if name, err := forgotten.NameOf("user:session:x"); err != nil || name != "session:x" {
		t.Errorf("%q, %v", name, err)
	}
	for _, user := range []string{"", "session:x"} {
		if _, err := forgotten.NameOf(user); !errors.Is(err, objects.ErrConfig) {
			t.Errorf("%q: %v", user, err)
		}
	}
}
