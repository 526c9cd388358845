//! Reads JSON into the same nodes as PHP's values. Strict as RFC 8259 is: no lone surrogates, no control characters in strings.

use crate::error::Fault;
use crate::node::{Kind, NOWHERE, Node};
use crate::scan::{Scanned, Stop};

struct Frame {
    node: u32,
    closer: u8,
}

struct Json<'a> {
    source: &'a [u8],
    pos: usize,
    nodes: Vec<Node>,
    frames: Vec<Frame>,
    depth: usize,
}

/// The nodes of one JSON text.
pub(crate) fn scan(source: &[u8], depth: usize) -> Scanned<Vec<Node>> {
    if let Err(error) = std::str::from_utf8(source) {
        return Err(Stop { offset: error.valid_up_to(), fault: Fault::NotUtf8 });
    }
    let mut json = Json { source, pos: 0, nodes: Vec::with_capacity(source.len() / 12 + 8), frames: Vec::new(), depth };
    json.document()?;
    Ok(json.nodes)
}

impl Json<'_> {
    fn document(&mut self) -> Scanned<()> {
        loop {
            self.blank();
            let opened = self.value()?;
            if opened && !self.closes() {
                self.member_key()?;
                continue;
            }
            loop {
                self.blank();
                let Some(frame) = self.frames.last() else {
                    return if self.pos == self.source.len() { Ok(()) } else { self.stop(Fault::Trailing) };
                };
                match self.source.get(self.pos) {
                    Some(b',') => {
                        self.pos += 1;
                        self.member_key()?;
                        break;
                    }
                    Some(byte) if *byte == frame.closer => {
                        self.pos += 1;
                        self.close();
                    }
                    Some(_) => return self.stop(Fault::Expected("a comma or the end of the list or object")),
                    None => return self.stop(Fault::Ends),
                }
            }
        }
    }

    /// After an opening bracket: ends it at once if nothing is inside.
    fn closes(&mut self) -> bool {
        self.blank();
        let empty = self.frames.last().is_some_and(|frame| self.source.get(self.pos) == Some(&frame.closer));
        if empty {
            self.pos += 1;
            self.close();
        }
        empty
    }

    fn close(&mut self) {
        if let Some(frame) = self.frames.pop() {
            let next = self.nodes.len() as u32;
            let node = &mut self.nodes[frame.node as usize];
            node.end = self.pos as u32;
            node.next = next;
        }
    }

    /// Counts a child of the innermost container, and reads its name where it has one.
    fn member_key(&mut self) -> Scanned<()> {
        let Some(frame) = self.frames.last() else { return Ok(()) };
        let (node, closer) = (frame.node as usize, frame.closer);
        self.nodes[node].count += 1;
        if closer == b'}' {
            self.blank();
            if self.source.get(self.pos) != Some(&b'"') {
                return self.stop(Fault::Expected("a name in quotation marks"));
            }
            self.string()?;
            self.blank();
            if self.source.get(self.pos) != Some(&b':') {
                return self.stop(Fault::Expected("a colon"));
            }
            self.pos += 1;
        }
        Ok(())
    }

    /// Reads a value; true if it is a container that is open now.
    fn value(&mut self) -> Scanned<bool> {
        let start = self.pos;
        match self.source.get(start) {
            Some(b'{') => return self.open(Kind::Map, b'}'),
            Some(b'[') => return self.open(Kind::List, b']'),
            Some(b'"') => self.string()?,
            Some(b'n') => self.word("null", Kind::Null)?,
            Some(b't') => self.word("true", Kind::Bool)?,
            Some(b'f') => self.word("false", Kind::Bool)?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(_) => return self.stop(Fault::Expected("a value")),
            None => return self.stop(Fault::Ends),
        }
        Ok(false)
    }

    fn open(&mut self, kind: Kind, closer: u8) -> Scanned<bool> {
        if self.frames.len() >= self.depth {
            return self.stop(Fault::TooDeep);
        }
        self.frames.push(Frame { node: self.nodes.len() as u32, closer });
        self.pos += 1;
        self.push(kind, self.pos - 1, self.pos, 0);
        Ok(true)
    }

    fn word(&mut self, word: &str, kind: Kind) -> Scanned<()> {
        if !self.source[self.pos..].starts_with(word.as_bytes()) {
            return self.stop(Fault::Expected("a value"));
        }
        self.pos += word.len();
        self.push(kind, self.pos - word.len(), self.pos - word.len(), 0);
        Ok(())
    }

    fn number(&mut self) -> Scanned<()> {
        let start = self.pos;
        if self.source[self.pos] == b'-' {
            self.pos += 1;
        }
        let whole = self.pos;
        if self.digits() == 0 {
            return self.stop(Fault::Expected("a digit"));
        }
        if self.source[whole] == b'0' && self.pos > whole + 1 {
            self.pos = whole;
            return self.stop(Fault::Expected("a number without leading zeros"));
        }
        let mut kind = Kind::Int;
        if self.source.get(self.pos) == Some(&b'.') {
            self.pos += 1;
            kind = Kind::Float;
            if self.digits() == 0 {
                return self.stop(Fault::Expected("a digit"));
            }
        }
        if matches!(self.source.get(self.pos), Some(b'e' | b'E')) {
            self.pos += 1;
            kind = Kind::Float;
            if matches!(self.source.get(self.pos), Some(b'+' | b'-')) {
                self.pos += 1;
            }
            if self.digits() == 0 {
                return self.stop(Fault::Expected("a digit"));
            }
        }
        let text = std::str::from_utf8(&self.source[start..self.pos]).unwrap_or_default();
        if kind == Kind::Int && text.len() > 18 && text.parse::<i64>().is_err() {
            kind = Kind::Float;
        }
        self.push(kind, start, start, 0);
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let start = self.pos;
        while self.source.get(self.pos).is_some_and(u8::is_ascii_digit) {
            self.pos += 1;
        }
        self.pos - start
    }

    fn string(&mut self) -> Scanned<()> {
        let start = self.pos;
        self.pos += 1;
        let mut escapes = 0;
        loop {
            match self.source.get(self.pos) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escapes = 1;
                    self.escape()?;
                }
                Some(0..=0x1f) => return self.stop(Fault::Expected("an escaped control character")),
                Some(_) => self.pos += 1,
                None => return self.stop(Fault::Ends),
            }
        }
        self.pos += 1;
        self.push(Kind::Str, start, start + 1, escapes);
        Ok(())
    }

    fn escape(&mut self) -> Scanned<()> {
        match self.source.get(self.pos + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.pos += 2,
            Some(b'u') => {
                let unit = self.unit(self.pos)?;
                let low = (0xd800..0xdc00).contains(&unit);
                if (0xdc00..0xe000).contains(&unit) || (low && !(0xdc00..0xe000).contains(&self.unit(self.pos + 6)?)) {
                    return self.stop(Fault::Expected("the other half of a surrogate pair"));
                }
                self.pos += if low { 12 } else { 6 };
            }
            Some(_) => return self.stop(Fault::Expected("an escape that JSON knows")),
            None => return self.stop(Fault::Ends),
        }
        Ok(())
    }

    fn unit(&self, at: usize) -> Scanned<u32> {
        match self.source.get(at..at + 6) {
            Some([b'\\', b'u', hex @ ..]) if hex.iter().all(u8::is_ascii_hexdigit) => Ok(hex_unit(hex)),
            _ => self.stop(Fault::Expected("an escape of four hexadecimal digits")),
        }
    }

    fn blank(&mut self) {
        while matches!(self.source.get(self.pos), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.pos += 1;
        }
    }

    fn push(&mut self, kind: Kind, start: usize, body: usize, count: u32) {
        let next = self.nodes.len() as u32 + 1;
        let (start, end, body) = (start as u32, self.pos as u32, body as u32);
        self.nodes.push(Node { kind, start, end, body, next, number: 0, reach: NOWHERE, count });
    }

    fn stop<T>(&self, fault: Fault) -> Scanned<T> {
        Err(Stop { offset: self.pos.min(self.source.len()), fault })
    }
}

fn hex_unit(hex: &[u8]) -> u32 {
    hex.iter().fold(0, |unit, digit| unit << 4 | char::from(*digit).to_digit(16).unwrap_or_default())
}

/// The characters of a string's content that was checked when it was read.
pub(crate) fn unescape(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len());
    let mut at = 0;
    while at < content.len() {
        if content[at] != b'\\' {
            out.push(content[at]);
            at += 1;
            continue;
        }
        let plain = match content[at + 1] {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let mut code = hex_unit(&content[at + 2..at + 6]);
                at += 6;
                if (0xd800..0xdc00).contains(&code) {
                    code = 0x10000 + ((code - 0xd800) << 10) + (hex_unit(&content[at + 2..at + 6]) - 0xdc00);
                    at += 6;
                }
                let char = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            other => other,
        };
        out.push(plain);
        at += 2;
    }
    out
}
