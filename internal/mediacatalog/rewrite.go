package mediacatalog

import (
	"fmt"
	"strings"
)

// tokenKind is what a piece of SQL text is.
type tokenKind int

const (
	space  tokenKind = iota // blanks and comments
	word                    // a name or keyword
	quoted                  // "name", [name] or `name`
	text                    // 'text'
	number
	mark // one character of anything else
)

// token is a piece of SQL text.
type token struct {
	kind tokenKind
	text string
}

// is reports whether the token is this keyword or mark.
func (t token) is(s string) bool {
	return (t.kind == word || t.kind == mark) && strings.EqualFold(t.text, s)
}

// name is the name that a word or quoted name stands for; empty for other tokens.
func (t token) name() string {
	switch t.kind {
	case word:
		return t.text
	case quoted:
		return t.text[1 : len(t.text)-1]
	}
	return ""
}

// rewrite turns what an operator types into what SQLite reads. fast is the same statement with the search index put
// before LIKE '%text%'; it is equal to plain where nothing of that kind is in it. It refuses with ErrReadOnlyQuery what
// is not one reading statement; the authorizer is what guards.
func rewrite(query string) (plain, fast string, err error) {
	tokens, err := tokenize(unmark(query))
	if err != nil {
		return "", "", err
	}
	if tokens, err = oneStatement(tokens); err != nil {
		return "", "", err
	}
	tokens = spell(tokens)
	return join(tokens), join(indexLikes(tokens)), nil
}

// unmark takes the marks of the printed documents off that stand around a whole statement.
func unmark(query string) string {
	query = strings.TrimSpace(query)
	for _, m := range []string{"**", "`"} {
		inner, found := strings.CutPrefix(query, m)
		if inner, also := strings.CutSuffix(inner, m); found && also && !strings.Contains(inner, m) {
			query = strings.TrimSpace(inner)
		}
	}
	return query
}

func join(tokens []token) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteString(t.text)
	}
	return b.String()
}

// tokenize cuts SQL text into tokens. The markdown spelling \_ of the printed scripts becomes _.
func tokenize(s string) ([]token, error) {
	if strings.ContainsRune(s, 0) {
		return nil, fmt.Errorf("the statement holds a zero character")
	}
	var tokens []token
	for i := 0; i < len(s); {
		kind, n := scan(s[i:])
		if n < 0 {
			return nil, fmt.Errorf("%s is not closed: %.20s", map[tokenKind]string{space: "a comment", text: "a text",
				quoted: "a name"}[kind], s[i:])
		}
		t := token{kind, s[i : i+n]}
		if kind == word {
			t.text = strings.ReplaceAll(t.text, `\_`, `_`)
		}
		tokens = append(tokens, t)
		i += n
	}
	return tokens, nil
}

// scan finds the kind and length of the token at the start of s, which is not empty; -1: it is not closed.
func scan(s string) (tokenKind, int) {
	switch c := s[0]; {
	case strings.IndexByte(" \t\r\n\f", c) >= 0:
		return space, 1
	case strings.HasPrefix(s, "--"):
		if n := strings.IndexByte(s, '\n'); n >= 0 {
			return space, n + 1
		}
		return space, len(s)
	case strings.HasPrefix(s, "/*"):
		if n := strings.Index(s[2:], "*/"); n >= 0 {
			return space, n + 4
		}
		return space, -1
	case c == '\'':
		return text, closing(s, '\'')
	case c == '"' || c == '`':
		return quoted, closing(s, c)
	case c == '[':
		return quoted, strings.IndexByte(s, ']') + 1 - btoi(strings.IndexByte(s, ']') < 0)
	case c >= '0' && c <= '9':
		return number, wordLength(s)
	}
	if n := wordLength(s); n > 0 {
		return word, n
	}
	return mark, 1
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// closing is the length of the quoted text at the start of s, in which a doubled quote stands for one; -1: no end.
func closing(s string, quote byte) int {
	for i := 1; i < len(s); i++ {
		if s[i] != quote {
			continue
		}
		if i+1 < len(s) && s[i+1] == quote {
			i++
			continue
		}
		return i + 1
	}
	return -1
}

func wordLength(s string) int {
	n := 0
	for n < len(s) {
		c := s[n]
		switch {
		case c == '_' || c == '$' || c >= 0x80 || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z':
			n++
		case c == '\\' && n+1 < len(s) && s[n+1] == '_':
			n += 2
		default:
			return n
		}
	}
	return n
}

// oneStatement refuses what is not one statement that reads, with the reason, and takes the last semicolon off.
func oneStatement(tokens []token) ([]token, error) {
	first, end := -1, len(tokens)
	for i, t := range tokens {
		switch {
		case t.kind == space:
		case end < len(tokens):
			return nil, fmt.Errorf("%w: there is more behind the semicolon", ErrReadOnlyQuery)
		case t.is(";"):
			end = i
		case first < 0:
			first = i
		}
	}
	if first < 0 {
		return nil, fmt.Errorf("%w: the statement is empty", ErrReadOnlyQuery)
	}
	if k, found := writes(tokens[first:end]); found {
		return nil, fmt.Errorf("%w: it has %s", ErrReadOnlyQuery, k)
	}
	for _, k := range []string{"select", "with", "values", "explain", "("} {
		if tokens[first].is(k) {
			return tokens[:end], refuseTop(tokens[first:end])
		}
	}
	return nil, fmt.Errorf("%w: it begins with %.20q, not with SELECT", ErrReadOnlyQuery, tokens[first].text)
}

// writes finds the keyword of a statement that changes rows, as WITH ... DELETE has it. These words are reserved: no
// column has such a name without quotes.
func writes(tokens []token) (string, bool) {
	words := solid(tokens)
	for i, t := range words {
		if t.is("insert") || t.is("update") || t.is("delete") ||
			t.is("replace") && i+1 < len(words) && words[i+1].is("into") {
			return strings.ToUpper(t.text), true
		}
	}
	return "", false
}

// refuseTop explains T-SQL's SELECT TOP n, at which SQLite only says "syntax error".
func refuseTop(tokens []token) error {
	words := solid(tokens)
	for i := 0; i+2 < len(words); i++ {
		top := i + 1
		if words[top].is("distinct") {
			top++
		}
		if words[i].is("select") && top+1 < len(words) && words[top].is("top") &&
			(words[top+1].kind == number || words[top+1].is("(")) {
			return fmt.Errorf("TOP is not understood: end the statement with LIMIT %s instead", words[top+1].text)
		}
	}
	return nil
}

// solid is tokens without blanks and comments.
func solid(tokens []token) []token {
	var out []token
	for _, t := range tokens {
		if t.kind != space {
			out = append(out, t)
		}
	}
	return out
}

// spell turns T-SQL's and the printed scripts' spellings into SQLite's.
func spell(tokens []token) []token {
	var out []token
	last := func(n int) token { // the n-th last token of out that is no blank
		for i := len(out) - 1; i >= 0; i-- {
			if out[i].kind != space {
				if n--; n == 0 {
					return out[i]
				}
			}
		}
		return token{}
	}
	for i, t := range tokens {
		next := token{}
		if rest := solid(tokens[i+1 : min(i+9, len(tokens))]); len(rest) > 0 {
			next = rest[0]
		}
		switch {
		case t.is("n") && i+1 < len(tokens) && tokens[i+1].kind == text: // N'text'
			continue
		case t.kind == word && len(t.text) > 2 && strings.EqualFold(t.text[:2], "by") &&
			(last(1).is("order") || last(1).is("group")): // order byMajorVersionNumber, as printed
			out = append(out, token{word, "by"}, token{space, " "}, token{word, t.text[2:]})
			continue
		case strings.EqualFold(t.name(), "dbo") && next.is("."):
			if last(1).is(".") && last(2).name() != "" { // DPMDB.dbo.
				out = dropLast(out, 2)
			}
			t = token{word, "temp"} // the views with the dates as text
		}
		out = append(out, t)
	}
	return out
}

// dropLast takes the last n tokens that are no blanks off.
func dropLast(tokens []token, n int) []token {
	for n > 0 {
		if tokens[len(tokens)-1].kind != space {
			n--
		}
		tokens = tokens[:len(tokens)-1]
	}
	return tokens
}

// indexLikes puts the search index before FileSpec LIKE '%text%' and Path LIKE '%text%'. LIKE stays and decides.
func indexLikes(tokens []token) []token {
	var at []int // of the tokens that are no blanks
	for i, t := range tokens {
		if t.kind != space {
			at = append(at, i)
		}
	}
	tok := func(i int) token {
		if i < 0 || i >= len(at) {
			return token{}
		}
		return tokens[at[i]]
	}
	var out []token
	from := 0
	for i := range at {
		column := strings.ToLower(tok(i).name())
		if column != "filespec" && column != "path" || !tok(i+1).is("like") || tok(i+2).kind != text || tok(i+3).is("escape") {
			continue
		}
		begin, number := i, "ObjectId"
		if tok(i-1).is(".") && tok(i-2).name() != "" {
			begin, number = i-2, tok(i-2).text+".ObjectId"
		}
		match, err := trigrams(literal(tok(i + 2).text))
		if err != nil || !startsCondition(tok(begin-1)) {
			continue
		}
		out = append(out, tokens[from:at[begin]]...)
		out = append(out, token{mark, "("})
		out = append(out, tokens[at[begin]:at[i+2]+1]...)
		out = append(out, token{mark, " AND " + candidateRows(number, "dbo.", "'"+strings.ReplaceAll(match, "'",
			"''")+"'") + ")"})
		from = at[i+2] + 1
	}
	return append(out, tokens[from:]...)
}

// startsCondition reports whether a condition may begin behind t, so that parentheses around it change nothing.
func startsCondition(t token) bool {
	for _, k := range []string{"where", "and", "or", "on", "not", "when", "having", "("} {
		if t.is(k) {
			return true
		}
	}
	return false
}

// literal is the text that a pattern '%text%' looks for; empty for other patterns.
func literal(pattern string) string {
	inner := strings.ReplaceAll(pattern[1:len(pattern)-1], "''", "'")
	inner, begins := strings.CutPrefix(inner, "%")
	inner, ends := strings.CutSuffix(inner, "%")
	if !begins || !ends || strings.ContainsAny(inner, "%_") {
		return ""
	}
	return inner
}
