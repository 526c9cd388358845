//! Reads PHP's serialized values into nodes, without recursion: open containers stand on a heap-allocated stack, so that
//! deep nesting costs memory in proportion to the text and never the thread's stack.

use crate::error::Fault;
use crate::node::{Kind, NOWHERE, Node};

/// Where reading stopped, and why.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stop {
    pub(crate) offset: usize,
    pub(crate) fault: Fault,
}

pub(crate) type Scanned<T> = Result<T, Stop>;

/// An open container.
struct Frame {
    node: u32,
    left: u32,
    reach: u32,
}

/// Reads values one after the other. With `KEEP` off nothing is stored; that is for sizes and counts.
pub(crate) struct Scanner<'a, const KEEP: bool> {
    pub(crate) source: &'a [u8],
    pub(crate) pos: usize,
    pub(crate) nodes: Vec<Node>,
    /// Node of each numbered value, number 1 at index 0. Without `KEEP`, 1 for objects and 0 for others.
    pub(crate) numbered: Vec<u32>,
    /// The number given out last.
    pub(crate) counter: u32,
    /// A `C:` was seen: what is inside may have used numbers that can't be seen.
    pub(crate) custom: bool,
    frames: Vec<Frame>,
    depth: usize,
}

impl<'a, const KEEP: bool> Scanner<'a, KEEP> {
    pub(crate) fn new(source: &'a [u8], depth: usize) -> Self {
        // A node takes 8 bytes of text at the very least when it matters; most take more.
        let guess = if KEEP { source.len() / 16 + 8 } else { 0 };
        Self {
            source,
            pos: 0,
            nodes: Vec::with_capacity(guess),
            numbered: Vec::with_capacity(guess),
            counter: 0,
            custom: false,
            frames: Vec::new(),
            depth,
        }
    }

    /// Reads one value with all that is inside; returns its node.
    pub(crate) fn value(&mut self) -> Scanned<u32> {
        let root = self.nodes.len() as u32;
        self.frames.clear();
        loop {
            self.one()?;
            loop {
                let Some(frame) = self.frames.last_mut() else { return Ok(root) };
                if frame.left > 0 {
                    frame.left -= 1;
                    self.key()?;
                    break;
                }
                self.expect(b'}', "a closing brace")?;
                self.close();
            }
        }
    }

    fn close(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        if KEEP {
            let next = self.nodes.len() as u32;
            let node = &mut self.nodes[frame.node as usize];
            node.end = self.pos as u32;
            node.next = next;
            node.reach = frame.reach;
        }
        self.reached(frame.reach);
    }

    fn reached(&mut self, target: u32) {
        if let Some(frame) = self.frames.last_mut() {
            frame.reach = frame.reach.min(target);
        }
    }

    fn one(&mut self) -> Scanned<()> {
        let start = self.pos;
        let kind = match self.source.get(start) {
            Some(b'N') => {
                self.pos += 1;
                self.expect(b';', "a semicolon")?;
                self.number(Kind::Null);
                self.leaf(Kind::Null, start, start);
                return Ok(());
            }
            Some(b'i') => Kind::Int,
            Some(b's') => Kind::Str,
            Some(b'a') => Kind::Array,
            Some(b'b') => Kind::Bool,
            Some(b'd') => Kind::Float,
            Some(b'O') => Kind::Object,
            Some(b'r') => Kind::Same,
            Some(b'R') => Kind::Reference,
            Some(b'E') => Kind::Enum,
            Some(b'S') => Kind::EscapedStr,
            Some(b'C') => Kind::Custom,
            Some(_) => return self.stop(Fault::Expected("a value")),
            None => return self.stop(Fault::Ends),
        };
        self.pos += 1;
        self.expect(b':', "a colon")?;
        let body = self.pos;
        match kind {
            Kind::Int => self.int_text()?,
            Kind::Str => return self.string().map(|body| self.numbered_leaf(Kind::Str, start, body)),
            Kind::EscapedStr => return self.escaped().map(|body| self.numbered_leaf(Kind::EscapedStr, start, body)),
            Kind::Bool => match self.source.get(self.pos) {
                Some(b'0' | b'1') => self.pos += 1,
                _ => return self.stop(Fault::Expected("0 or 1")),
            },
            Kind::Float => self.float_text()?,
            Kind::Array => return self.open(Kind::Array, start),
            Kind::Object => {
                self.class()?;
                return self.open(Kind::Object, start);
            }
            Kind::Custom => {
                self.class()?;
                self.custom_body()?;
                self.custom = true;
                self.numbered_leaf(Kind::Custom, start, body);
                return Ok(());
            }
            Kind::Enum => {
                self.quoted()?;
            }
            _ => return self.reference(kind, start),
        }
        self.expect(b';', "a semicolon")?;
        self.numbered_leaf(kind, start, body);
        Ok(())
    }

    fn reference(&mut self, kind: Kind, start: usize) -> Scanned<()> {
        let body = self.pos;
        let target = self.unsigned()?;
        if target == 0 || (target > self.counter && !self.custom) {
            self.pos = body;
            return self.stop(Fault::Reference);
        }
        if kind == Kind::Same && !self.custom {
            let holder = self.numbered[target as usize - 1];
            let object = if KEEP { self.nodes[holder as usize].kind.is_object() } else { holder == 1 };
            if !object {
                self.pos = body;
                return self.stop(Fault::NotAnObject);
            }
        }
        self.expect(b';', "a semicolon")?;
        if kind == Kind::Same {
            self.number(kind);
        }
        self.leaf(kind, start, body);
        if KEEP && let Some(node) = self.nodes.last_mut() {
            node.reach = target;
        }
        self.reached(target);
        Ok(())
    }

    fn open(&mut self, kind: Kind, start: usize) -> Scanned<()> {
        let count = self.unsigned()?;
        self.expect(b':', "a colon")?;
        self.expect(b'{', "an opening brace")?;
        if self.frames.len() >= self.depth {
            return self.stop(Fault::TooDeep);
        }
        let node = self.nodes.len() as u32;
        self.number(kind);
        self.leaf(kind, start, self.pos);
        if KEEP && let Some(node) = self.nodes.last_mut() {
            node.count = count;
        }
        self.frames.push(Frame { node, left: count, reach: NOWHERE });
        Ok(())
    }

    fn key(&mut self) -> Scanned<()> {
        let start = self.pos;
        let head = self.source.get(start..start + 2);
        match head {
            Some(b"s:") => {
                self.pos += 2;
                let body = self.string()?;
                self.leaf(Kind::Str, start, body);
            }
            Some(b"i:") => {
                self.pos += 2;
                self.int_text()?;
                self.expect(b';', "a semicolon")?;
                self.leaf(Kind::Int, start, start + 2);
            }
            Some(b"S:") => {
                self.pos += 2;
                let body = self.escaped()?;
                self.leaf(Kind::EscapedStr, start, body);
            }
            _ if start < self.source.len() => return self.stop(Fault::Expected("a key")),
            _ => return self.stop(Fault::Ends),
        }
        Ok(())
    }

    fn number(&mut self, kind: Kind) {
        self.counter += 1;
        self.numbered.push(if KEEP { self.nodes.len() as u32 } else { u32::from(kind.is_object()) });
    }

    fn numbered_leaf(&mut self, kind: Kind, start: usize, body: usize) {
        self.number(kind);
        self.leaf(kind, start, body);
    }

    fn leaf(&mut self, kind: Kind, start: usize, body: usize) {
        if KEEP {
            let next = self.nodes.len() as u32 + 1;
            self.nodes.push(Node {
                kind,
                start: start as u32,
                end: self.pos as u32,
                body: body as u32,
                next,
                number: self.counter,
                reach: NOWHERE,
                count: 0,
            });
        }
    }

    /// After `s:`; returns where the content begins.
    fn string(&mut self) -> Scanned<usize> {
        let body = self.quoted()?;
        self.expect(b';', "a semicolon")?;
        Ok(body)
    }

    /// Length, colon, and that many bytes in quotation marks; returns where they begin.
    fn quoted(&mut self) -> Scanned<usize> {
        let stated = self.pos;
        let length = self.unsigned()? as usize;
        self.expect(b':', "a colon")?;
        self.expect(b'"', "a quotation mark")?;
        let body = self.pos;
        if self.source.get(body + length) != Some(&b'"') {
            self.pos = stated;
            return self.stop(Fault::Length);
        }
        self.pos = body + length + 1;
        Ok(body)
    }

    /// After `S:`, whose length counts decoded bytes; returns where the content begins.
    fn escaped(&mut self) -> Scanned<usize> {
        let length = self.unsigned()?;
        self.expect(b':', "a colon")?;
        self.expect(b'"', "a quotation mark")?;
        let body = self.pos;
        for _ in 0..length {
            match self.source.get(self.pos) {
                Some(b'\\') => {
                    let hex = self.source.get(self.pos + 1..self.pos + 3);
                    if !hex.is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) {
                        return self.stop(Fault::Expected("an escape of two hexadecimal digits"));
                    }
                    self.pos += 3;
                }
                Some(_) => self.pos += 1,
                None => return self.stop(Fault::Ends),
            }
        }
        self.expect(b'"', "a quotation mark")?;
        self.expect(b';', "a semicolon")?;
        Ok(body)
    }

    /// The class name of `O:` and `C:`, up to the number that follows it.
    fn class(&mut self) -> Scanned<()> {
        self.quoted()?;
        self.expect(b':', "a colon")
    }

    fn custom_body(&mut self) -> Scanned<()> {
        let stated = self.pos;
        let length = self.unsigned()? as usize;
        self.expect(b':', "a colon")?;
        self.expect(b'{', "an opening brace")?;
        if self.source.get(self.pos + length) != Some(&b'}') {
            self.pos = stated;
            return self.stop(Fault::Length);
        }
        self.pos += length + 1;
        Ok(())
    }

    fn unsigned(&mut self) -> Scanned<u32> {
        let start = self.pos;
        let mut number: u32 = 0;
        while let Some(digit @ b'0'..=b'9') = self.source.get(self.pos) {
            match number.checked_mul(10).and_then(|n| n.checked_add(u32::from(digit - b'0'))) {
                Some(next) => number = next,
                None => {
                    self.pos = start;
                    return self.stop(Fault::Number);
                }
            }
            self.pos += 1;
        }
        if self.pos == start {
            return self.stop(Fault::Expected("a number"));
        }
        Ok(number)
    }

    fn digits(&mut self) -> usize {
        let start = self.pos;
        while self.source.get(self.pos).is_some_and(u8::is_ascii_digit) {
            self.pos += 1;
        }
        self.pos - start
    }

    fn sign(&mut self) {
        if matches!(self.source.get(self.pos), Some(b'+' | b'-')) {
            self.pos += 1;
        }
    }

    fn int_text(&mut self) -> Scanned<()> {
        let start = self.pos;
        self.sign();
        let digits = self.digits();
        if digits == 0 {
            return self.stop(Fault::Expected("an integer"));
        }
        if digits > 18 {
            let text = std::str::from_utf8(&self.source[start..self.pos]).unwrap_or_default();
            if text.parse::<i64>().is_err() {
                self.pos = start;
                return self.stop(Fault::Number);
            }
        }
        Ok(())
    }

    fn float_text(&mut self) -> Scanned<()> {
        for word in [&b"NAN"[..], b"INF", b"-INF"] {
            if self.source[self.pos..].starts_with(word) {
                self.pos += word.len();
                return Ok(());
            }
        }
        self.sign();
        let mut digits = self.digits();
        if self.source.get(self.pos) == Some(&b'.') {
            self.pos += 1;
            digits += self.digits();
        }
        if digits == 0 {
            return self.stop(Fault::Expected("a number"));
        }
        if matches!(self.source.get(self.pos), Some(b'e' | b'E')) {
            self.pos += 1;
            self.sign();
            if self.digits() == 0 {
                return self.stop(Fault::Expected("an exponent"));
            }
        }
        Ok(())
    }

    pub(crate) fn expect(&mut self, byte: u8, what: &'static str) -> Scanned<()> {
        match self.source.get(self.pos) {
            Some(found) if *found == byte => {
                self.pos += 1;
                Ok(())
            }
            Some(_) => self.stop(Fault::Expected(what)),
            None => self.stop(Fault::Ends),
        }
    }

    pub(crate) fn stop<T>(&self, fault: Fault) -> Scanned<T> {
        Err(Stop { offset: self.pos.min(self.source.len()), fault })
    }
}
