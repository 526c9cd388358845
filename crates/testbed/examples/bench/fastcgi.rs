//! A FastCGI client that keeps its connection, so that one connection is one worker of php-fpm, with no web server between.

use std::io::{Read, Write};

use cloakroom_testbed::{Endpoint, Error, Result, Stream};

/// A connection to one worker. Keeping it open keeps the worker.
#[derive(Debug)]
pub(crate) struct Worker {
    stream: Stream,
    script: String,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

/// What the script printed, headers included.
#[derive(Debug, Clone, Default)]
pub(crate) struct Page {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Page {
    /// The value of the session's cookie, if one is set.
    pub(crate) fn cookie(&self) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.strip_prefix("Set-Cookie: PHPSESSID="));
        lines.next_back().map(|value| value.split(';').next().unwrap_or(value))
    }
}

// FastCGI 1.0, section 8.
const BEGIN: u8 = 1;
const END: u8 = 3;
const PARAMETERS: u8 = 4;
const INPUT: u8 = 5;
const OUTPUT: u8 = 6;
const ERRORS: u8 = 7;
const RESPONDER_THAT_STAYS: [u8; 8] = [0, 1, 1, 0, 0, 0, 0, 0];

impl Worker {
    /// Connects; whichever worker takes the connection serves all its requests.
    pub(crate) fn connect(endpoint: &Endpoint, script: &str) -> Result<Self> {
        let stream = endpoint.connect().map_err(|error| broken(&error))?;
        stream.set_read_timeout(Some(std::time::Duration::from_secs(30))).map_err(|error| broken(&error))?;
        let mut worker = Self { stream, script: script.into(), request: Vec::new(), buffer: Vec::new() };
        // A worker hangs up when nothing comes within five seconds of its accept; later it waits for ever.
        worker.get("mode=none&size=0", None)?;
        Ok(worker)
    }

    /// Asks for the page with this query and, if there is one, this session.
    pub(crate) fn get(&mut self, query: &str, session: Option<&str>) -> Result<Page> {
        let cookie = session.map(|id| format!("PHPSESSID={id}"));
        let mut parameters = Vec::with_capacity(512);
        let known = [
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            ("REQUEST_METHOD", "GET"),
            ("SCRIPT_FILENAME", self.script.as_str()),
            ("SCRIPT_NAME", "/page.php"),
            ("REQUEST_URI", "/page.php"),
            ("QUERY_STRING", query),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("SERVER_NAME", "bench"),
            ("REMOTE_ADDR", "127.0.0.1"),
        ];
        for (name, value) in known.into_iter().chain(cookie.as_deref().map(|cookie| ("HTTP_COOKIE", cookie))) {
            for part in [name, value] {
                let length = part.len() as u32;
                match length {
                    0..128 => parameters.push(length as u8),
                    _ => parameters.extend((length | 1 << 31).to_be_bytes()),
                }
            }
            parameters.extend(name.bytes().chain(value.bytes()));
        }
        self.request.clear();
        self.record(BEGIN, &RESPONDER_THAT_STAYS);
        self.record(PARAMETERS, &parameters);
        self.record(PARAMETERS, &[]);
        self.record(INPUT, &[]);
        self.stream.write_all(&self.request).map_err(|error| broken(&error))?;
        self.read_page()
    }

    fn record(&mut self, kind: u8, content: &[u8]) {
        let length = (content.len() as u16).to_be_bytes();
        self.request.extend([1, kind, 0, 1, length[0], length[1], 0, 0]);
        self.request.extend(content);
    }

    fn read_page(&mut self) -> Result<Page> {
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        self.buffer.clear();
        let mut chunk = [0; 8192];
        loop {
            while let Some((kind, content, whole)) = next_record(&self.buffer) {
                match kind {
                    OUTPUT => output.extend_from_slice(content),
                    ERRORS => errors.extend_from_slice(content),
                    END => return page(&output, &errors),
                    _ => {}
                }
                self.buffer.drain(..whole);
            }
            match self.stream.read(&mut chunk).map_err(|error| broken(&error))? {
                0 => return Err(Error::Other("php-fpm closed the connection in the middle of a reply".into())),
                length => self.buffer.extend_from_slice(&chunk[..length]),
            }
        }
    }
}

/// The first record in `bytes`: kind, content, length with header and padding.
fn next_record(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let header = bytes.get(..8)?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let whole = 8 + length + usize::from(header[6]);
    (bytes.len() >= whole).then(|| (header[1], &bytes[8..8 + length], whole))
}

fn page(output: &[u8], errors: &[u8]) -> Result<Page> {
    let text = String::from_utf8_lossy(output);
    if !errors.is_empty() {
        return Err(Error::Other(format!("PHP complained: {}", String::from_utf8_lossy(errors))));
    }
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or(("", &text));
    Ok(Page { head: head.into(), body: body.into() })
}

fn broken(error: &std::io::Error) -> Error {
    Error::Other(format!("the connection to php-fpm broke: {error}"))
}
