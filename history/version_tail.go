package history

import "strings"

// What follows the numbers of a version is read as parts: numbers and words, each with what separates it from the
// one before. A part begins with one of these codes, in ascending order, all of them below letters, digits and
// nextNumber; codeEnd stands where nothing follows.
const (
	codeTilde    = '!'  // what follows is before everything, even before nothing
	codeBefore   = '"'  // a pre-release
	codeEnd      = '#'  //
	codeFinal    = '$'  // Unity's f9: the release, counted
	codeDot      = '%'  // the next identifier of a pre-release
	codeRevision = '&'  // a number that counts what came after
	codeGlued    = '\'' // the rest of an identifier of a pre-release
	codeOther    = '('  // any other word
)

// Within an identifier: a number comes before a word, and dev before all words.
const (
	markNumber = '#'
	markWord   = '$'
	markDev    = '1'
)

// kindOfWord says what a word behind the numbers means.
type kindOfWord int

const (
	kindUnknown kindOfWord = iota
	kindPre                // comes before the release
	kindRelease            // says nothing
	kindPost               // a number behind it, if there is one, counts what came after the release
)

// words are those that are known behind numbers, with the text that they are ordered by among pre-releases: but for
// dev, that is the order of the alphabet, in which semver puts those that are not known.
var words = map[string]struct {
	kind kindOfWord
	text string
}{
	"dev": {kindPre, string(markDev)}, "alpha": {kindPre, "alpha"}, "beta": {kindPre, "beta"}, "canary": {kindPre,
		"canary"},
	"milestone": {kindPre, "milestone"}, "nightly": {kindPre, "nightly"}, "pre": {kindPre, "pre"}, "preview": {kindPre,
		"preview"},
	"rc": {kindPre, "rc"}, "cr": {kindPre, "rc"}, "candidate": {kindPre, "rc"}, "snapshot": {kindPre, "snapshot"},
	"release": {kind: kindRelease}, "final": {kind: kindRelease}, "ga": {kind: kindRelease}, "stable": {
		kind: kindRelease},
	"rtm": {kind: kindRelease}, "lts": {kind: kindRelease},
	"sp": {kind: kindPost}, "p": {kind: kindPost}, "pl": {kind: kindPost}, "post": {kind: kindPost}, "hotfix": {
		kind: kindPost},
	"patch": {kind: kindPost}, "fix": {kind: kindPost}, "u": {kind: kindPost}, "update": {kind: kindPost}, "r": {
		kind: kindPost},
	"rev": {kind: kindPost}, "dirty": {kind: kindPost},
}

// counted are words of one letter that mean something with a number right behind them only; else the letter is a
// patch of its own.
var counted = map[string]string{"a": "alpha", "b": "beta", "c": "rc", "m": "milestone"}

// packaged are words in the revisions of Linux distributions: 1.2.3-4ubuntu5 is after 1.2.3.
var packaged = map[string]bool{
	"ubuntu": true, "debian": true, "deb": true, "bpo": true, "el": true, "fc": true, "rhel": true, "amzn": true,
	"mga": true, "suse": true,
}

// part is a number or a word.
type part struct {
	text      string
	separator string // before it; "" where it follows right away
	hash      bool   // the word, with the letters and digits that follow right away, is a hash
}

func (p *part) isNumber() bool { return p.text != "" && isDigit(p.text[0]) }

// partsOf reads what follows the numbers, up to a +: what comes behind that says how a version was built, and does
// not count.
func partsOf(text string) (parts []part) {
	text, _, _ = strings.Cut(text, "+")
	separator, from := "", 0
	for at := 0; at < len(text); {
		n := digits(text[at:])
		if n == 0 {
			n = letters(text[at:])
		}
		if n == 0 {
			at++
			for at < len(text) && text[at]&0xc0 == 0x80 { // to the next character
				at++
			}
			separator = text[from:at]
			continue
		}
		if strings.Trim(separator, " ") == "-" {
			separator = "-"
		}
		p := part{text: text[at : at+n], separator: separator}
		if separator != "" {
			whole := text[at : at+word(text[at:])]
			if p.hash = isHash(whole) && strings.ContainsAny(whole, "0123456789"); p.hash {
				p.text, n = whole, len(whole)
			}
		}
		parts = append(parts, p)
		at += n
		separator, from = "", at
	}
	return appendTildes(parts, separator)
}

// appendTildes keeps the tildes at the end of a version, which make it older.
func appendTildes(parts []part, separator string) []part {
	if strings.Contains(separator, "~") {
		parts = append(parts, part{separator: separator})
	}
	return parts
}

// tail appends what follows the numbers to a key.
type tail struct {
	key     []byte
	numbers int // before it
	parts   []part

	dashed bool // a pre-release behind a dash, whose identifiers dots separate
	pre    bool // in a pre-release
	tilde  bool // right behind a tilde
	at     int
}

func (t *tail) run() []byte {
	describe := t.describe()
	for ; t.at < len(t.parts); t.at++ {
		p := &t.parts[t.at]
		for range strings.Count(p.separator, "~") {
			t.key = append(t.key, codeTilde)
			t.tilde = true
		}
		switch {
		case p.text == "":
		case t.at == describe:
			t.revision(p.text)
			t.at++ // the hash
		case p.hash:
			t.hash(p)
		case p.isNumber():
			t.number(p)
		default:
			t.word(p)
		}
		t.tilde = false
	}
	return append(t.key, codeEnd)
}

// describe finds the part at which git describe says how many commits came after a tag, 1.2.3-9-gabc1234, and makes
// the hash behind it one part. It is -1 where there is none.
func (t *tail) describe() int {
	for i := 1; i < len(t.parts); i++ {
		g, count := &t.parts[i], &t.parts[i-1]
		if g.separator != "-" || g.text == "" || g.text[0] != 'g' || count.separator != "-" || !count.isNumber() {
			continue
		}
		hash, end := g.text[1:], i+1
		for ; end < len(t.parts) && t.parts[end].separator == ""; end++ {
			hash += t.parts[end].text
		}
		if len(hash) >= 4 && strings.Trim(hash, "0123456789abcdef") == "" {
			t.parts = append(t.parts[:i+1], t.parts[end:]...)
			return i - 1
		}
	}
	return -1
}

// begins tells whether nothing that counts stands between the numbers and the present part.
func (t *tail) begins() bool { return t.at == 0 && !t.tilde }

// revision appends a number that counts what came after.
func (t *tail) revision(number string) {
	t.key = appendNumber(append(t.key, codeRevision), number)
	t.pre = false
}

// hash: which of two hashes is older nobody knows, so they count as equal. Behind a dash, semver takes one for a
// pre-release.
func (t *tail) hash(p *part) {
	if t.begins() && p.separator == "-" {
		t.key = append(append(t.key, codeBefore, markWord), "hash"...)
		t.pre, t.dashed = true, true
	}
}

func (t *tail) number(p *part) {
	switch behindWord := t.at > 0 && !t.parts[t.at-1].isNumber(); {
	case t.begins() && p.separator == "-" && t.numbers == 3 && t.isSemver():
		t.pre, t.dashed = true, true
		t.key = append(t.key, codeBefore)
		t.identifier(p)
	case t.tilde, t.pre && p.separator == "":
		t.key = appendNumber(append(t.key, codeGlued, markNumber), p.text)
	case t.pre && t.dashed && p.separator == ".":
		t.key = append(t.key, codeDot)
		t.identifier(p)
	case t.pre && (behindWord || p.separator == "."):
		t.key = appendNumber(append(t.key, codeGlued, markNumber), p.text)
	default:
		t.revision(p.text)
	}
}

// isIdentifier tells whether a word is one of the identifiers that make semver's pre-release.
func (t *tail) isIdentifier(p *part) bool {
	return t.begins() && p.separator == "-" || t.pre && t.dashed && p.separator == "."
}

// identifier begins one of a pre-release with a number: semver puts those that are numbers before all others.
func (t *tail) identifier(p *part) {
	mark := []byte{markNumber}
	if next := t.at + 1; next < len(t.parts) && t.parts[next].separator == "" {
		mark = []byte{markWord, '0'}
	}
	t.key = appendNumber(append(t.key, mark...), p.text)
}

// isSemver tells whether a number behind three others and a dash begins a pre-release: what follows is made of
// identifiers between dots, and is no distribution's.
func (t *tail) isSemver() bool {
	for i, p := range t.parts[t.at:] {
		if i > 0 && strings.ContainsAny(p.separator, " (") {
			return true
		}
		if packaged[p.text] || i > 0 && !p.hash && p.separator != "" && p.separator != "." {
			return false
		}
	}
	return true
}

// meaning is what a word says, the text by which it is compared, and whether a number follows it at once.
func (t *tail) meaning(p *part) (kind kindOfWord, text string, isCounted bool) {
	known := words[p.text]
	next := t.at + 1
	isCounted = next < len(t.parts) && t.parts[next].separator == "" && t.parts[next].isNumber()
	if text := counted[p.text]; text != "" && isCounted && t.begins() {
		return kindPre, text, isCounted
	}
	if known.text == "" {
		return known.kind, p.text, isCounted
	}
	return known.kind, known.text, isCounted
}

//nolint:cyclop // the rules stand in their order of precedence, each in a line of its own
func (t *tail) word(p *part) {
	kind, text, isCounted := t.meaning(p)
	opens := t.begins() && p.separator == "-"
	switch {
	case kind == kindRelease:
	case p.text == "build" && !t.isIdentifier(p):
		t.pre = false // 1.2.3 (build 456) is 1.2.3 (456)
	case kind == kindPost && (isCounted || len(p.text) > 1):
		t.post()
	case t.tilde:
		t.key = append(append(t.key, codeGlued, markWord), text...)
		t.pre = true
	case t.pre && t.dashed && p.separator == ".":
		t.key = append(append(t.key, codeDot, markWord), text...)
	case kind == kindPre, opens:
		t.dashed = t.dashed || opens
		t.key = append(append(t.key, codeBefore, markWord), text...)
		t.pre = true
	case t.pre:
		t.key = append(append(t.key, codeGlued, markWord), text...)
	case p.text == "f" && isCounted && p.separator == "":
		t.at++
		t.key = appendNumber(append(t.key, codeFinal), t.parts[t.at].text)
	default:
		t.key = append(append(t.key, codeOther), p.text...)
	}
}

// post appends a word such as post, with the number that follows it: 1.0.post1 counts as 1.0-1, and 1.0.post as 1.0-0.
func (t *tail) post() {
	number := ""
	if next := t.at + 1; next < len(t.parts) && t.parts[next].isNumber() {
		number = t.parts[next].text
		t.at = next
	}
	t.revision(number)
}
