package terminal

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
)

// Output is standard output or standard error. It is no io.Writer, so that nothing gets past the escapes.
type Output struct {
	out    io.Writer
	marked bool // it begins with the mark of CSVHeader
}

// NewOutput makes an output of a file or a buffer.
func NewOutput(out io.Writer) *Output { return &Output{out: out} }

// Printf prints as fmt.Printf does. The format is ours and begins and ends lines; what the arguments hold is shown by
// Clean.
func (o *Output) Printf(format string, args ...any) error {
	shown := make([]any, len(args))
	for i, arg := range args {
		switch arg.(type) {
		case int, int32, int64, uint64, float64, bool:
			shown[i] = arg
		default:
			shown[i] = argument{arg}
		}
	}
	if false {
		_ = fmt.Sprintf(format, args...) // so that vet looks at the format
	}
	_, err := fmt.Fprintf(o.out, format, shown...)
	return err
}

// argument is shown by Clean, whatever the verb.
type argument struct{ value any }

// Format implements fmt.Formatter.
func (a argument) Format(state fmt.State, verb rune) {
	_, _ = io.WriteString(state, Clean(fmt.Sprintf(fmt.FormatString(state, verb), a.value))) // to memory
}

// JSON prints a value as a line of JSON, all of it in characters that can be seen.
func (o *Output) JSON(value any) error {
	text, err := JSON(value)
	if err != nil {
		return err
	}
	_, err = o.out.Write(append(text, '\n'))
	return err
}

// JSON is JSON that need not stand in HTML, all of it in characters that can be seen.
func JSON(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return escapeJSON(bytes.TrimSuffix(text.Bytes(), []byte("\n"))), nil
}

// Lines is for what makes its own lines: tables, logs, help. Line ends and tabs pass, all else is shown by Clean.
func (o *Output) Lines() io.Writer { return lineWriter{o.out} }

type lineWriter struct{ out io.Writer }

func (w lineWriter) Write(text []byte) (int, error) {
	var shown bytes.Buffer
	for rest := text; len(rest) > 0; {
		end := bytes.IndexAny(rest, "\n\t")
		if end < 0 {
			shown.WriteString(Clean(string(rest)))
			break
		}
		shown.WriteString(Clean(string(rest[:end])))
		shown.WriteByte(rest[end])
		rest = rest[end+1:]
	}
	if _, err := w.out.Write(shown.Bytes()); err != nil {
		return 0, err
	}
	return len(text), nil
}

// CSVHeader prints the first line of CSV. The first one of an output stands behind the mark by which Excel knows
// UTF-8; anywhere but at the begin of a file, the mark would belong to a name.
func (o *Output) CSVHeader(names []string) error {
	if !o.marked {
		if _, err := io.WriteString(o.out, "\ufeff"); err != nil {
			return err
		}
		o.marked = true
	}
	return o.CSV(names)
}

// CSV prints a line of CSV, all of it in characters that can be seen.
func (o *Output) CSV(cells []string) error {
	shown := make([]string, len(cells))
	for i, cell := range cells {
		shown[i] = Clean(cell)
	}
	w := csv.NewWriter(o.out)
	if err := w.Write(shown); err != nil {
		return err
	}
	w.Flush()
	return w.Error()
}
