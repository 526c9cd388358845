//! Redis's protocol (RESP 2): packing of commands, and a reader of replies that borrows from the receive buffer, so that
//! a session of some kilobytes is copied once. Whatever the other side sends is an error at worst, never a crash, and
//! lengths it claims reserve no memory that it has not filled.
//!
//! Source: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

/// Longest string the protocol carries (Redis's `proto-max-bulk-len` by default): 512 MiB.
pub(super) const MAX_BULK: usize = 512 * 1024 * 1024;
/// More elements than any reply to our commands has.
const MAX_ELEMENTS: usize = 4_000_000;
/// Deeper than any reply to our commands is.
const MAX_DEPTH: usize = 4;
/// Longer than any line (status, error, number) of a sound server.
const MAX_LINE: usize = 64 * 1024;

/// Commands that go out together and are answered together.
#[derive(Debug, Default)]
pub(super) struct Request {
    bytes: Vec<u8>,
    commands: usize,
    /// The commands before the last one change nothing that counts.
    last_counts: bool,
}

impl Request {
    /// No command yet.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// One command.
    pub(super) fn of(words: &[&[u8]]) -> Self {
        Self::new().and(words)
    }

    /// And another one.
    pub(super) fn and(mut self, words: &[&[u8]]) -> Self {
        self.add(words.len(), words.iter().copied());
        self
    }

    /// And another one of so many words.
    pub(super) fn add<'a>(&mut self, count: usize, words: impl Iterator<Item = &'a [u8]> + Clone) {
        let size: usize = words.clone().map(|w| w.len() + 14).sum();
        self.bytes.reserve(size + 14);
        self.length(b'*', count);
        for word in words {
            self.length(b'$', word.len());
            self.bytes.extend_from_slice(word);
            self.bytes.extend_from_slice(b"\r\n");
        }
        self.commands += 1;
    }

    /// Declares that without its last command the request has changed nothing.
    pub(super) fn where_the_last_counts(mut self) -> Self {
        self.last_counts = true;
        self
    }

    /// Whether a request that did not arrive whole has changed nothing.
    pub(super) fn is_whole_or_nothing(&self) -> bool {
        self.commands == 1 || self.last_counts
    }

    /// What goes over the wire.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many replies come.
    pub(super) fn commands(&self) -> usize {
        self.commands
    }

    fn length(&mut self, kind: u8, mut length: usize) {
        let mut digits = [0u8; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (length % 10) as u8;
            length /= 10;
            if length == 0 {
                break;
            }
        }
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&digits[at..]);
        self.bytes.extend_from_slice(b"\r\n");
    }
}

/// A reply, borrowed from the receive buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply<'a> {
    /// Nothing there.
    Nil,
    /// A number.
    Int(i64),
    /// `OK` and the like.
    Status(&'a [u8]),
    /// A refusal in the server's words, which may quote keys: never shown as it is.
    Error(&'a [u8]),
    /// A string.
    Bulk(&'a [u8]),
    /// Several.
    Array(Vec<Reply<'a>>),
}

/// Bytes that are no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotRedis;

/// What a look at the receive buffer gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed<'a> {
    /// A reply and where it ends.
    Whole(Reply<'a>, usize),
    /// Not there yet; it can't be before the buffer holds so many bytes.
    Needs(usize),
}

/// Looks for a reply that begins at `from`.
pub(super) fn parse(bytes: &[u8], from: usize) -> Result<Parsed<'_>, NotRedis> {
    parse_at(bytes, from, 0)
}

fn parse_at(bytes: &[u8], from: usize, depth: usize) -> Result<Parsed<'_>, NotRedis> {
    let Some((&kind, _)) = bytes.get(from..).and_then(<[u8]>::split_first) else {
        return Ok(Parsed::Needs(from + 1));
    };
    if !b"+-:$*".contains(&kind) {
        return Err(NotRedis);
    }
    let Some(line_end) = bytes[from + 1..].iter().take(MAX_LINE).position(|b| *b == b'\r').map(|n| from + 1 + n) else {
        return if bytes.len() - from > MAX_LINE { Err(NotRedis) } else { Ok(Parsed::Needs(bytes.len() + 1)) };
    };
    match bytes.get(line_end + 1) {
        None => return Ok(Parsed::Needs(line_end + 2)),
        Some(b'\n') => {}
        Some(_) => return Err(NotRedis),
    }
    let line = &bytes[from + 1..line_end];
    let end = line_end + 2;
    match kind {
        b'+' => Ok(Parsed::Whole(Reply::Status(line), end)),
        b'-' => Ok(Parsed::Whole(Reply::Error(line), end)),
        b':' => Ok(Parsed::Whole(Reply::Int(number(line)?), end)),
        b'$' => {
            let Some(length) = length(line, MAX_BULK)? else { return Ok(Parsed::Whole(Reply::Nil, end)) };
            let after = end + length + 2;
            if bytes.len() < after {
                return Ok(Parsed::Needs(after));
            }
            if &bytes[end + length..after] != b"\r\n" {
                return Err(NotRedis);
            }
            Ok(Parsed::Whole(Reply::Bulk(&bytes[end..end + length]), after))
        }
        _ => {
            let Some(count) = length(line, MAX_ELEMENTS)? else { return Ok(Parsed::Whole(Reply::Nil, end)) };
            if depth == MAX_DEPTH {
                return Err(NotRedis);
            }
            // An element has at least three bytes, so what is here bounds what is reserved.
            let mut elements = Vec::with_capacity(count.min((bytes.len() - end) / 3));
            let mut at = end;
            for _ in 0..count {
                match parse_at(bytes, at, depth + 1)? {
                    Parsed::Whole(element, next) => {
                        elements.push(element);
                        at = next;
                    }
                    needs => return Ok(needs),
                }
            }
            Ok(Parsed::Whole(Reply::Array(elements), at))
        }
    }
}

fn number(line: &[u8]) -> Result<i64, NotRedis> {
    std::str::from_utf8(line).ok().and_then(|text| text.parse().ok()).ok_or(NotRedis)
}

/// A length; `None` for the `-1` that stands for nothing.
fn length(line: &[u8], limit: usize) -> Result<Option<usize>, NotRedis> {
    match number(line)? {
        -1 => Ok(None),
        n => usize::try_from(n).ok().filter(|n| *n <= limit).map(Some).ok_or(NotRedis),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn write(reply: &Reply<'_>, out: &mut Vec<u8>) {
        match reply {
            Reply::Nil => out.extend_from_slice(b"$-1\r\n"),
            Reply::Int(n) => out.extend_from_slice(format!(":{n}\r\n").as_bytes()),
            Reply::Status(s) => [b"+", *s, b"\r\n"].iter().for_each(|part| out.extend_from_slice(part)),
            Reply::Error(s) => [b"-", *s, b"\r\n"].iter().for_each(|part| out.extend_from_slice(part)),
            Reply::Bulk(s) => {
                out.extend_from_slice(format!("${}\r\n", s.len()).as_bytes());
                out.extend_from_slice(s);
                out.extend_from_slice(b"\r\n");
            }
            Reply::Array(elements) => {
                out.extend_from_slice(format!("*{}\r\n", elements.len()).as_bytes());
                elements.iter().for_each(|e| write(e, out));
            }
        }
    }

    fn any_reply() -> impl Strategy<Value = Reply<'static>> {
        let leaf = prop_oneof![
            Just(Reply::Nil),
            any::<i64>().prop_map(Reply::Int),
            Just(Reply::Status(b"OK")),
            Just(Reply::Error(b"ERR no")),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(|v| Reply::Bulk(Vec::leak(v))),
        ];
        leaf.prop_recursive(3, 20, 5, |inner| prop::collection::vec(inner, 0..5).prop_map(Reply::Array))
    }

    proptest! {
        #[test]
        fn a_reply_is_read_as_it_was_written_however_it_is_cut(reply in any_reply()) {
            let mut bytes = Vec::new();
            write(&reply, &mut bytes);
            for cut in 0..bytes.len() {
                match parse(&bytes[..cut], 0) {
                    Ok(Parsed::Needs(n)) => prop_assert!(n > cut && n <= bytes.len()),
                    other => prop_assert!(false, "{other:?} from {cut} bytes"),
                }
            }
            let end = bytes.len();
            bytes.extend_from_slice(b"+NEXT\r\n");
            prop_assert_eq!(parse(&bytes, 0), Ok(Parsed::Whole(reply, end)));
        }

        #[test]
        fn bytes_from_outside_are_an_error_and_never_a_crash(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes, 0);
        }
    }

    #[test]
    fn claimed_lengths_are_not_believed() {
        for claim in
            ["$99999999999999999999\r\n", "$600000000\r\n", "$-2\r\n", "*2000000000\r\n", "*-7\r\n", "HTTP/1.1 400\r\n"]
        {
            assert_eq!(parse(claim.as_bytes(), 0), Err(NotRedis), "{claim:?}");
        }
        let deep = "*1\r\n".repeat(50);
        assert_eq!(parse(deep.as_bytes(), 0), Err(NotRedis));
        assert_eq!(parse(&[b'+'; MAX_LINE + 2], 0), Err(NotRedis));
    }

    #[test]
    fn a_command_is_packed_as_the_protocol_says() {
        let request = Request::of(&[b"GET", b"a\r\nb"]).and(&[b"TIME"]);
        assert_eq!(request.bytes(), b"*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n*1\r\n$4\r\nTIME\r\n");
        assert_eq!(request.commands(), 2);
    }
}
