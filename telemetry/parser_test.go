package telemetry

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func newParser(t testing.TB, o Options) *Parser {
	t.Helper()
	p, err := NewParser(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// describe writes out all that an event says.
func describe(e *Event) string {
	words := []string{string(e.Category), time.UnixMicro(e.Time).UTC().Format(time.RFC3339Nano), string(e.ServiceName),
		string(e.SessionID), fmt.Sprintf("%s=%d", e.TransactionID, e.Transaction), string(e.Body), fmt.Sprintf("%s=%v", e.Name, e.Kind)}
	return strings.Join(append(words, attributes(e)...), "|")
}

func attributes(e *Event) []string {
	var words []string
	for a := range Attribute(NumAttributes) {
		if text, ok := e.Attribute(a); ok {
			words = append(words, fmt.Sprintf("%v=%s", a, text))
		}
	}
	return words
}
