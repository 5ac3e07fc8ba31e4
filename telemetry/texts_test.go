package telemetry

import (
	"fmt"
	"strings"
	"testing"
)

func TestEachText(t *testing.T) {
	p, err := NewParser(Options{Catalogue: Catalogue{Attributes: map[string][]string{"UserId": {"UserId", "Who"}}}})
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{
		`{'Name': 'Login', 'UserId': '1', "Who": 2}`:            `read:Login user:1 user:2`,
		`{'Version': 1.2, 'Message': "a b", Other: c d}`:        `read:1.2 free:a b free:c d`,
		`{'From': {'UserId': '7', 'Version': '1'}, 'OS': x}`:    `user:7 free:1 read:x`,
		`{'Who': ['1', '2'], 'L': ['a', {'UserId': 'b'}, 'c']}`: `user:1 user:2 free:a user:b free:c`,
		`{'\u0055serId': 'x\'y', 'Time': 12:30, 'OS': a:b:c}`:   `user:x\'y free:12 free:30 read:a read:b read:c`,
		`{'A': f(1, '2'), 'UserId' : '9' }`:                     `free:f free:1 free:2 user:9`,
		`not a body, of 'x`:                                     `free:not a body free:of free:x`,
		`{'Name': {'a': 'b'}, 'OS': 'y'}`:                       `free:b read:y`,
		"":                                                      "",
	} {
		var got []string
		p.EachText([]byte(body), func(from, to int, use Use) {
			got = append(got, fmt.Sprintf("%s:%s", [...]string{"read", "user", "free"}[use], body[from:to]))
		})
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%s\ngot  %s\nwant %s", body, text, want)
		}
	}
}
