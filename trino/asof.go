package trino

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// ErrAsOfView: a query asks for a view's past. Trino 476 takes that and answers by today's, so we refuse it.
var ErrAsOfView = errors.New("AS OF behind a view")

// Pasts are the tables and views of a query behind which FOR VERSION AS OF or FOR TIMESTAMP AS OF stands, as the parts
// of their names.
func Pasts(query string) (names [][]string) {
	words := lex(query)
	for i := range words {
		if !words[i].is("for") || !words.at(i+1).is("version") && !words.at(i+1).is("timestamp") ||
			!words.at(i+2).is("as") || !words.at(i+3).is("of") {
			continue
		}
		if name := words.nameBefore(i); len(name) > 0 {
			names = append(names, name)
		}
	}
	return names
}

// RefuseAsOfOnViews is an error where a query asks for the past of a view, or of a part of itself. Names without a
// catalog or a schema are those of the session. Errors: ErrAsOfView.
func RefuseAsOfOnViews(ctx context.Context, db *sql.DB, query string) error {
	parts := namedParts(query)
	for _, name := range Pasts(query) {
		if len(name) == 1 && parts[strings.ToLower(name[0])] {
			return fmt.Errorf("%w: %s is a part of the query, not a table: FOR VERSION AS OF goes behind the tables "+
				"in it", ErrAsOfView, name[0])
		}
		view, err := isView(ctx, db, name)
		if err != nil {
			return err
		}
		if view {
			return fmt.Errorf("%w: Trino would answer by what is known now, whatever is asked: %s is a view, and only "+
				"tables have a past. Ask `versionlake sql --as-of TAG \"…\"` without FOR … AS OF, make such views to "+
				"stay with `versionlake trino views --as-of TAG --schema NAME`, or ask gold.users itself", ErrAsOfView,
				strings.Join(name, "."))
		}
	}
	return nil
}

func isView(ctx context.Context, db *sql.DB, name []string) (bool, error) {
	catalog, schema, table := "", "current_schema", name[len(name)-1]
	if len(name) > 1 {
		schema = Quote(strings.ToLower(name[len(name)-2]))
	}
	if len(name) > 2 {
		catalog = QuoteName(name[0]) + "."
	}
	found := 0
	err := db.QueryRowContext(ctx,
		"SELECT count(*) FROM "+catalog+"information_schema.tables WHERE table_type = 'VIEW' "+
			"AND table_schema = "+schema+" AND table_name = "+Quote(strings.ToLower(table))).Scan(&found)
	if err != nil {
		return false, fmt.Errorf("find out whether %s is a view: %w", strings.Join(name, "."), Plain(err))
	}
	return found > 0, nil
}

// Reads names what a query reads without saying of which schema, in lower case: views, and parts of the query itself.
func Reads(query string) (names []string) {
	words := lex(query)
	for i := range words {
		if (words[i].is("from") || words[i].is("join")) && words.at(i+1).name && words.at(i+2).text != "." {
			names = append(names, strings.ToLower(words[i+1].text))
		}
	}
	return names
}

// readsNow tells whether a query names a view of the lake with its schema.
func readsNow(query string) bool {
	words := lex(query)
	for i := range words {
		if words[i].name && strings.EqualFold(words[i].text, Schema) && words.at(i+1).text == "." &&
			!words.at(i-2).is(ScratchName) {
			return true
		}
	}
	return false
}

// namedParts are the names that WITH gives, in lower case.
func namedParts(query string) map[string]bool {
	words, parts := lex(query), map[string]bool{}
	for i := range words {
		if !words[i].name || !words.at(i-1).is("with") && !words.at(i-1).is("recursive") && words.at(i-1).text != "," {
			continue
		}
		after := i + 1
		if words.at(after).text == "(" { // names of columns
			for words.at(after).text != ")" && after < len(words) {
				after++
			}
			after++
		}
		if words.at(after).is("as") && words.at(after+1).text == "(" {
			parts[strings.ToLower(words[i].text)] = true
		}
	}
	return parts
}

// word is an identifier, a keyword, a literal or a sign of a query.
type word struct {
	text   string
	name   bool // it may be an identifier
	quoted bool // it was in quotes of either kind
	start  int  // where it begins in the query, in bytes
}

func (w word) is(keyword string) bool {
	return w.name && !w.quoted && strings.EqualFold(w.text, keyword)
}

type words []word

func (w words) at(i int) word {
	if i < 0 || i >= len(w) {
		return word{}
	}
	return w[i]
}

// nameBefore is the qualified name that ends before a word.
func (w words) nameBefore(end int) (name []string) {
	for i := end - 1; w.at(i).name; i -= 2 {
		name = append([]string{w[i].text}, name...)
		if w.at(i-1).text != "." {
			break
		}
	}
	return name
}

// lex cuts a query into words; comments go.
func lex(query string) (list words) {
	for i := 0; i < len(query); {
		rest := query[i:]
		length := 1
		switch c := query[i]; {
		case strings.HasPrefix(rest, "--"):
			if length = strings.IndexByte(rest, '\n'); length < 0 {
				return list
			}
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest, "*/")
			if end < 0 {
				return list
			}
			length = end + 2
		case c == '\'' || c == '"':
			var text string
			text, length = unquote(rest)
			list = append(list, word{text, c == '"', true, i})
		case isLetter(c):
			for length < len(rest) && (isLetter(rest[length]) || rest[length] >= '0' && rest[length] <= '9') {
				length++
			}
			list = append(list, word{rest[:length], true, false, i})
		case c > ' ':
			list = append(list, word{rest[:1], false, false, i})
		}
		i += length
	}
	return list
}

// Statements cuts a text at the semicolons that end statements, and leaves out what holds nothing but comments.
func Statements(text string) (statements []string) {
	begin, some := 0, false
	for _, word := range append(lex(text), word{text: ";", start: len(text)}) {
		if word.text != ";" || word.quoted {
			some = true
			continue
		}
		if some {
			statements = append(statements, strings.TrimSpace(text[begin:word.start]))
		}
		begin, some = min(word.start+1, len(text)), false
	}
	return statements
}

func isLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$' || c == '@' || c >= 0x80
}

// unquote reads a text in quotes, in which doubled ones stand for one, and says how long it is with them.
func unquote(text string) (inside string, length int) {
	quote := text[:1]
	for length = 1; ; {
		end := strings.Index(text[length:], quote)
		if end < 0 {
			return text[1:], len(text)
		}
		length += end + 1
		if !strings.HasPrefix(text[length:], quote) {
			return strings.ReplaceAll(text[1:length-1], quote+quote, quote), length
		}
		length++
	}
}
