//! Drives one long-lived PHP process. There is no test without it: where PHP is missing, these tests fail.

// A test helper: what goes wrong here is meant to fail the test.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running oracle; it ends when this is dropped.
pub(crate) struct Php {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
}

impl Php {
    /// Starts it, without any php.ini, so that the machine's settings make no difference.
    pub(crate) fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/oracle.php");
        let settings = [
            "session.use_cookies=0",
            "session.cache_limiter=",
            "error_reporting=E_ALL & ~E_DEPRECATED",
            "display_errors=stderr",
        ];
        let mut child = Command::new("php")
            .arg("-n")
            .args(settings.iter().flat_map(|setting| ["-d", setting]))
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("php must be installed (package php8.2-cli): it decides whether payloads are right");
        let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
        Self { child, input, output }
    }

    /// Sends a request, and returns the answer's fields.
    pub(crate) fn ask(&mut self, fields: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut request = (fields.len() as u32).to_be_bytes().to_vec();
        for field in fields {
            request.extend_from_slice(&(field.len() as u32).to_be_bytes());
            request.extend_from_slice(field);
        }
        self.input.as_mut().unwrap().write_all(&request).expect("PHP ended early; its message is above");
        let mut number = || {
            let mut bytes = [0; 4];
            self.output.read_exact(&mut bytes).map(|()| u32::from_be_bytes(bytes))
        };
        let count = number().expect("PHP ended early; its message is above");
        (0..count)
            .map(|_| {
                let mut length = [0; 4];
                self.output.read_exact(&mut length).unwrap();
                let mut field = vec![0; u32::from_be_bytes(length) as usize];
                self.output.read_exact(&mut field).unwrap();
                field
            })
            .collect()
    }

    /// The variables that PHP finds in a payload, as PHP serializes them all together; `None` if it can't read it.
    pub(crate) fn read(&mut self, handler: &str, payload: &[u8]) -> Option<Vec<u8>> {
        let mut answer = self.ask(&[b"read", handler.as_bytes(), payload]);
        (answer[0] == b"ok").then(|| answer.remove(1))
    }
}

impl Drop for Php {
    fn drop(&mut self) {
        // The oracle ends at the end of its input.
        self.input.take();
        let _ = self.child.wait();
    }
}
