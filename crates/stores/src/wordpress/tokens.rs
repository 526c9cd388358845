//! PHP's words, as far as a configuration file needs them: plain strings with their values, everything else by its shape.
//! Nothing is ever evaluated.

/// How deep strings and the code inside them may be nested before the file counts as unreadable.
const DEPTH: u32 = 16;

/// A word of PHP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A string without anything to be filled in, as its value.
    Plain(Vec<u8>),
    /// A string with something to be filled in, or one that PHP itself would refuse.
    Filled,
    /// A name, a keyword or a number, in lower case and as it is written.
    Word(String, Vec<u8>),
    /// A variable's name.
    Variable(Vec<u8>),
    /// The beginning of `?>`, the text after it, and the next `<?php`: ends a statement.
    Close,
    /// The same with `<?=`: begins a statement that prints.
    Echo,
    /// Any other character.
    Mark(u8),
}

/// The words of a file.
pub(super) struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    /// Line of the last word, from 1; counted up to `counted`.
    line: u32,
    counted: usize,
    depth: u32,
}

fn is_start(c: u8) -> bool {
    c.is_ascii_alphabetic() || c == b'_' || c >= 0x80
}

fn is_name(c: u8) -> bool {
    is_start(c) || c.is_ascii_digit()
}

impl<'a> Tokens<'a> {
    /// Begins in front of the first `<?php`.
    pub(super) fn of(text: &'a [u8]) -> Self {
        let mut tokens = Self { text, at: 0, line: 1, counted: 0, depth: 0 };
        tokens.outside();
        tokens
    }

    /// The next word and the line in which it begins; `None` at the end.
    pub(super) fn next(&mut self) -> Option<(Token, u32)> {
        if let Some(token) = self.blank() {
            return Some((token, self.line_of(self.at)));
        }
        let begun = self.at;
        let line = self.line_of(begun);
        let c = *self.text.get(self.at)?;
        self.at += 1;
        let token = match c {
            b'\'' => self.single(),
            b'"' | b'`' => self.double(c),
            b'<' if self.rest().starts_with(b"<<") => self.heredoc().unwrap_or(Token::Mark(b'<')),
            b'$' if self.text.get(self.at).is_some_and(|c| is_start(*c)) => Token::Variable(self.word(self.at)),
            b'\\' if self.text.get(self.at).is_some_and(|c| is_start(*c)) => self.name(begun),
            c if is_name(c) => self.name(begun),
            c => Token::Mark(c),
        };
        Some((token, line))
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn line_of(&mut self, at: usize) -> u32 {
        let at = at.min(self.text.len());
        if at > self.counted {
            let lines = self.text[self.counted..at].iter().filter(|c| **c == b'\n').count();
            self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
            self.counted = at;
        }
        self.line
    }

    /// Goes behind the next `<?php` or `<?=`, or to the end; whether it was the latter.
    fn outside(&mut self) -> bool {
        while let Some(found) = find(self.rest(), b"<?") {
            self.at += found + 2;
            let rest = self.rest();
            if rest.first() == Some(&b'=') {
                self.at += 1;
                return true;
            }
            let php = rest.get(..3).is_some_and(|word| word.eq_ignore_ascii_case(b"php"));
            if php && rest.get(3).is_none_or(|c| c.is_ascii_whitespace()) {
                self.at += 3;
                return false;
            }
        }
        self.at = self.text.len();
        false
    }

    /// Passes over spaces and comments; gives back what `?>` means.
    fn blank(&mut self) -> Option<Token> {
        loop {
            let rest = self.rest();
            match rest {
                [c, ..] if c.is_ascii_whitespace() || *c == 0x0b => self.at += 1,
                [b'/', b'*', ..] => self.at += find(&rest[2..], b"*/").map_or(rest.len(), |end| end + 4),
                [b'#', b'[', ..] => return None,
                [b'#', ..] | [b'/', b'/', ..] => {
                    let line = rest.iter().position(|c| *c == b'\n' || *c == b'\r').unwrap_or(rest.len());
                    self.at += find(&rest[..line], b"?>").unwrap_or(line);
                }
                [b'?', b'>', ..] => {
                    self.at += 2;
                    return Some(if self.outside() { Token::Echo } else { Token::Close });
                }
                _ => return None,
            }
        }
    }

    fn word(&mut self, from: usize) -> Vec<u8> {
        while self.text.get(self.at).is_some_and(|c| is_name(*c)) {
            self.at += 1;
        }
        self.text[from..self.at].to_vec()
    }

    fn name(&mut self, from: usize) -> Token {
        while self.text.get(self.at).is_some_and(|c| is_name(*c) || *c == b'\\') {
            self.at += 1;
        }
        let word = &self.text[from..self.at];
        Token::Word(String::from_utf8_lossy(word).to_ascii_lowercase(), word.to_vec())
    }

    /// `'…'`: only the quote and the backslash are written with a backslash.
    fn single(&mut self) -> Token {
        let mut value = Vec::new();
        loop {
            match self.rest() {
                [] => return Token::Filled,
                [b'\'', ..] => {
                    self.at += 1;
                    return Token::Plain(value);
                }
                [b'\\', c @ (b'\'' | b'\\'), ..] => {
                    value.push(*c);
                    self.at += 2;
                }
                [c, ..] => {
                    value.push(*c);
                    self.at += 1;
                }
            }
        }
    }

    /// `"…"`, or a command in backticks, which is never plain.
    fn double(&mut self, quote: u8) -> Token {
        let from = self.at;
        let mut filled = quote == b'`';
        loop {
            match self.rest() {
                [] => return Token::Filled,
                [c, ..] if *c == quote => {
                    let raw = &self.text[from..self.at];
                    self.at += 1;
                    return if filled { Token::Filled } else { escaped(raw, Some(quote)) };
                }
                rest => filled |= self.inside(rest),
            }
        }
    }

    /// One character of a string, or all of what is to be filled in there; whether it was that.
    fn inside(&mut self, rest: &[u8]) -> bool {
        match rest {
            [b'\\', ..] => {
                self.at += 2;
                false
            }
            [b'{', b'$', ..] => {
                self.at += 1;
                self.code();
                true
            }
            [b'$', b'{', ..] => {
                self.at += 2;
                self.code();
                true
            }
            [b'$', c, ..] if is_start(*c) => {
                self.at += 2;
                true
            }
            _ => {
                self.at += 1;
                false
            }
        }
    }

    /// Code inside a string, up to its closing brace.
    fn code(&mut self) {
        self.depth += 1;
        if self.depth > DEPTH {
            self.at = self.text.len();
        }
        let mut open = 1u32;
        while open > 0 {
            match self.next() {
                None => break,
                Some((Token::Mark(b'{'), _)) => open += 1,
                Some((Token::Mark(b'}'), _)) => open -= 1,
                Some(_) => {}
            }
        }
        self.depth -= 1;
    }

    /// `<<<NAME` and what follows; `None` where it is something else.
    fn heredoc(&mut self) -> Option<Token> {
        let mut at = self.at + 2;
        while matches!(self.text.get(at), Some(b' ' | b'\t')) {
            at += 1;
        }
        let quote = self.text.get(at).copied().filter(|c| matches!(c, b'\'' | b'"'));
        at += usize::from(quote.is_some());
        let from = at;
        while self.text.get(at).is_some_and(|c| is_name(*c)) {
            at += 1;
        }
        let name = &self.text[from..at];
        if !name.first().is_some_and(|c| is_start(*c)) {
            return None;
        }
        if let Some(quote) = quote {
            if self.text.get(at) != Some(&quote) {
                return None;
            }
            at += 1;
        }
        at += match self.text.get(at..)? {
            [b'\r', b'\n', ..] => 2,
            [b'\n' | b'\r', ..] => 1,
            _ => return None,
        };
        self.at = at;
        Some(self.document(name, quote == Some(b'\'')))
    }

    /// The lines up to the one that begins with the name.
    fn document(&mut self, name: &[u8], raw: bool) -> Token {
        let from = self.at;
        let mut filled = false;
        let mut line = true;
        loop {
            let rest = self.rest();
            if line && let Some(indent) = closes(rest, name) {
                let body = &self.text[from..self.at];
                let indent = &rest[..indent];
                self.at += indent.len() + name.len();
                let value = if filled { None } else { unindented(body, indent) };
                return match value {
                    Some(value) if raw => Token::Plain(value),
                    Some(value) => escaped(&value, None),
                    None => Token::Filled,
                };
            }
            match rest {
                [] => return Token::Filled,
                [c, ..] => {
                    line = *c == b'\n' || *c == b'\r';
                    // A backslash at a line's end does not hide the name in the next one.
                    if raw || matches!(rest, [b'\\', b'\n' | b'\r', ..]) {
                        self.at += 1;
                    } else {
                        filled |= self.inside(rest);
                    }
                }
            }
        }
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// Whether a line closes a document; how far its name is indented.
fn closes(line: &[u8], name: &[u8]) -> Option<usize> {
    let indent = line.iter().take_while(|c| matches!(c, b' ' | b'\t')).count();
    let rest = line[indent..].strip_prefix(name)?;
    (!rest.first().is_some_and(|c| is_name(*c))).then_some(indent)
}

/// The lines of a document without its last line's end and without the indentation of the closing name; `None` where
/// PHP would refuse them.
fn unindented(body: &[u8], indent: &[u8]) -> Option<Vec<u8>> {
    let body = match body {
        [rest @ .., b'\r', b'\n'] | [rest @ .., b'\n' | b'\r'] => rest,
        body => body,
    };
    if indent.is_empty() {
        return Some(body.to_vec());
    }
    // Tabs and spaces side by side are an error of their own.
    if indent.contains(&b' ') && indent.contains(&b'\t') {
        return None;
    }
    let mut value = Vec::with_capacity(body.len());
    for line in body.split_inclusive(|c| *c == b'\n') {
        if let Some(rest) = line.strip_prefix(indent) {
            value.extend_from_slice(rest);
        } else if line.iter().all(|c| matches!(c, b'\r' | b'\n')) {
            value.extend_from_slice(line);
        } else {
            return None;
        }
    }
    // Lone carriage returns end lines, too; nobody writes them.
    (!body.contains(&b'\r')
        || body.windows(2).filter(|w| w == b"\r\n").count() == body.iter().filter(|c| **c == b'\r').count())
    .then_some(value)
}

/// The value of a string with PHP's escapes, none of which is to be filled in.
fn escaped(raw: &[u8], quote: Option<u8>) -> Token {
    let mut value = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let [c, tail @ ..] = rest {
        rest = tail;
        if *c != b'\\' {
            value.push(*c);
            continue;
        }
        let Some((c, tail)) = rest.split_first() else {
            value.push(b'\\');
            break;
        };
        rest = tail;
        match c {
            b'n' => value.push(b'\n'),
            b't' => value.push(b'\t'),
            b'r' => value.push(b'\r'),
            b'v' => value.push(0x0b),
            b'e' => value.push(0x1b),
            b'f' => value.push(0x0c),
            b'\\' | b'$' => value.push(*c),
            c if quote == Some(*c) => value.push(*c),
            b'x' | b'X' if *c == b'x' && rest.first().is_some_and(u8::is_ascii_hexdigit) => {
                let digits = rest.iter().take(2).take_while(|c| c.is_ascii_hexdigit()).count();
                value.push(radix(&rest[..digits], 16));
                rest = &rest[digits..];
            }
            b'0'..=b'7' => {
                let more = rest.iter().take(2).take_while(|c| (b'0'..=b'7').contains(*c)).count();
                // Beyond 377 PHP drops the ninth bit.
                value.push(radix(&[&[*c][..], &rest[..more]].concat(), 8));
                rest = &rest[more..];
            }
            b'u' if rest.first() == Some(&b'{') => {
                let Some(end) = rest.iter().position(|c| *c == b'}') else { return Token::Filled };
                let digits =
                    std::str::from_utf8(&rest[1..end]).ok().filter(|d| d.bytes().all(|c| c.is_ascii_hexdigit()));
                let code =
                    digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).filter(|code| *code <= 0x10_ffff);
                // A lone surrogate has a place in PHP and none in a text.
                let Some(c) = code.and_then(char::from_u32) else { return Token::Filled };
                value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &rest[end + 1..];
            }
            c => value.extend_from_slice(&[b'\\', *c]),
        }
    }
    Token::Plain(value)
}

/// Digits as a byte, what does not fit dropped.
fn radix(digits: &[u8], base: u32) -> u8 {
    let number = digits.iter().fold(0u32, |sum, c| sum * base + char::from(*c).to_digit(base).unwrap_or(0));
    number.to_le_bytes()[0]
}
