//! The protocol: JSON over HTTP to chromedriver (W3C WebDriver 2), one session for each browser.

use std::fmt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::http::{Method, Request};

use crate::error::{Error, Result};

/// How long an element or a condition may take to come; build machines are slow and shared.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// The name under which an element's reference stands in JSON (WebDriver, section 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Refusals that time heals: the page or its script is not there yet.
const PASSING: [&str; 5] = [
    "no such element",
    "element not interactable",
    "element click intercepted",
    "stale element reference",
    "detached shadow root",
];

/// Why the driver refused a command.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The error code of the standard, such as `no such element`; empty when there was no reply at all.
    pub(super) code: String,
    message: String,
}

impl Refusal {
    pub(super) fn may_pass(&self) -> bool {
        PASSING.contains(&self.code.as_str())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The rest is a stack of the browser's own code.
        write!(f, "{}: {}", self.code, self.message.lines().next().unwrap_or_default())
    }
}

/// A session with the driver.
pub(super) struct Session {
    agent: ureq::Agent,
    url: String,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Session {
    /// Attaches the driver to a browser that listens for it on a port.
    pub(super) fn attach(driver: u16, browser: u16) -> Result<Self> {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(90)))
            .build();
        let mut session = Self { agent: config.into(), url: format!("http://127.0.0.1:{driver}/session") };
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            // Dialogs are the test's business.
            "unhandledPromptBehavior": "ignore",
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "debuggerAddress": format!("127.0.0.1:{browser}") },
        } } });
        let made = session.post("", wanted).map_err(|refusal| session.error("attach to the browser", &refusal))?;
        let Some(id) = made["sessionId"].as_str() else {
            return Err(Error::Other(format!("chromedriver gave no session: {made}")));
        };
        session.url = format!("{}/{id}", session.url);
        Ok(session)
    }

    pub(super) fn get(&self, command: &str) -> std::result::Result<Value, Refusal> {
        self.send(Method::GET, command, None)
    }

    pub(super) fn post(&self, command: &str, body: Value) -> std::result::Result<Value, Refusal> {
        self.send(Method::POST, command, Some(&body))
    }

    pub(super) fn delete(&self, command: &str) -> std::result::Result<Value, Refusal> {
        self.send(Method::DELETE, command, None)
    }

    /// The first element that a CSS selector matches, as part of a command's path.
    pub(super) fn find(&self, css: &str) -> std::result::Result<String, Refusal> {
        let found = self.post("/element", json!({ "using": "css selector", "value": css }))?;
        Ok(element_path(&found))
    }

    /// All of them, in the order of the page.
    pub(super) fn find_all(&self, css: &str) -> std::result::Result<Vec<String>, Refusal> {
        let found = self.post("/elements", json!({ "using": "css selector", "value": css }))?;
        Ok(found.as_array().into_iter().flatten().map(element_path).collect())
    }

    /// Does something with an element until the page lets it, and says what was attempted if it never does.
    pub(super) fn insist<T>(
        &self,
        attempt: &str,
        css: &str,
        act: impl Fn(&str) -> std::result::Result<T, Refusal>,
    ) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let refusal = match self.find(css).and_then(|element| act(&element)) {
                Ok(done) => return Ok(done),
                Err(refusal) => refusal,
            };
            if !refusal.may_pass() || Instant::now() > deadline {
                return Err(self.error(&format!("{attempt} {css}"), &refusal));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// An error that says what was attempted, and where.
    pub(super) fn error(&self, attempt: &str, refusal: &Refusal) -> Error {
        let place = self.get("/url").ok().and_then(|url| url.as_str().map(|url| format!(" on {url}")));
        Error::Other(format!("the browser could not {attempt}{}: {refusal}", place.unwrap_or_default()))
    }

    fn send(&self, method: Method, command: &str, body: Option<&Value>) -> std::result::Result<Value, Refusal> {
        let broken = |reason: String| Refusal { code: String::new(), message: reason };
        let request = Request::builder().method(method).uri(format!("{}{command}", self.url));
        let sent = match body {
            Some(body) => {
                let request = request.header("content-type", "application/json; charset=utf-8").body(body.to_string());
                self.agent.run(request.map_err(|error| broken(error.to_string()))?)
            }
            None => self.agent.run(request.body(()).map_err(|error| broken(error.to_string()))?),
        };
        let mut response = sent.map_err(|error| broken(error.to_string()))?;
        // A picture of a long page is larger than the client's usual bound.
        let body = response.body_mut().with_config().limit(256 << 20).read_to_vec();
        let reply = body.map_err(|error| broken(error.to_string()))?;
        let mut reply: Value = serde_json::from_slice(&reply).map_err(|error| broken(error.to_string()))?;
        let value = reply["value"].take();
        if response.status().is_success() {
            return Ok(value);
        }
        let word = |name: &str| value[name].as_str().unwrap_or_default().to_string();
        Err(Refusal { code: word("error"), message: word("message") })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Lets go of the browser; should the driver be gone already, nothing is lost.
        let _ = self.delete("");
    }
}

fn element_path(reference: &Value) -> String {
    format!("/element/{}", reference[ELEMENT].as_str().unwrap_or_default())
}
