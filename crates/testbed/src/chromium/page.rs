//! What a person does with a page, and what a test looks at.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Chromium;
use super::webdriver::{PATIENCE, Refusal};
use crate::error::{Attempt, Error, Result};

/// A cookie in the browser's jar; one that is `HttpOnly` is there, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The path that it is for.
    pub path: String,
    /// Whether scripts are kept from it.
    pub http_only: bool,
    /// Whether it is sent over HTTPS alone.
    pub secure: bool,
    /// `Strict`, `Lax` or `None`; the browser's own choice where the server named nothing.
    pub same_site: String,
    /// When it ends, in seconds since 1970; `None` when with the browser.
    pub expires: Option<u64>,
}

/// A page's going about.
impl Chromium {
    /// Opens an address and returns when the page has loaded.
    ///
    /// # Errors
    /// When nobody answers there, as a browser would show it. A status such as 404 or 500 is a page like any other.
    pub fn open(&self, url: &str) -> Result<()> {
        self.session.post("/url", json!({ "url": url })).map(drop).map_err(|refusal| self.failed("open", url, &refusal))
    }

    /// Loads the page again.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn reload(&self) -> Result<()> {
        self.session.post("/refresh", json!({})).map(drop).map_err(|refusal| self.failed("reload", "it", &refusal))
    }

    /// Presses the back button.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn back(&self) -> Result<()> {
        self.session.post("/back", json!({})).map(drop).map_err(|refusal| self.failed("go", "back", &refusal))
    }

    /// The address of the page.
    ///
    /// # Errors
    /// When a dialog is open, or the browser is gone. The same for all that only look.
    pub fn url(&self) -> Result<String> {
        self.session.get("/url").map(text).map_err(|refusal| self.failed("name", "its address", &refusal))
    }

    /// The page's title.
    ///
    /// # Errors
    /// As [`url`](Self::url).
    pub fn title(&self) -> Result<String> {
        self.session.get("/title").map(text).map_err(|refusal| self.failed("read", "the title", &refusal))
    }

    /// The page as it stands now, as HTML.
    ///
    /// # Errors
    /// As [`url`](Self::url).
    pub fn html(&self) -> Result<String> {
        self.session.get("/source").map(text).map_err(|refusal| self.failed("read", "the page", &refusal))
    }

    /// Clicks, and returns at once.
    ///
    /// # Errors
    /// When the element does not come, stays invisible, or is covered by another one, for 20 s.
    pub fn click(&self, css: &str) -> Result<()> {
        self.session.insist("click", css, |element| self.session.post(&format!("{element}/click"), json!({}))).map(drop)
    }

    /// Clicks on what leads to another page, and returns when that page has loaded.
    ///
    /// # Errors
    /// As [`click`](Self::click); or when no other page comes for 20 s.
    pub fn follow(&self, css: &str) -> Result<()> {
        // The mark goes with the page that bears it.
        self.run("window.cloakroomTestbedMark = true;", &[])?;
        self.click(css)?;
        let script = "return !window.cloakroomTestbedMark && document.readyState === 'complete';";
        self.wait_for(&format!("the page behind {css} has loaded"), || {
            // In between there is no page to ask, and some refusals say so.
            Ok(self.run(script, &[]).is_ok_and(|loaded| loaded == Value::Bool(true)))
        })
    }

    /// Empties a field and types into it.
    ///
    /// # Errors
    /// As [`click`](Self::click).
    pub fn fill(&self, css: &str, text: &str) -> Result<()> {
        self.session.insist("fill", css, |element| {
            self.session.post(&format!("{element}/clear"), json!({}))?;
            self.session.post(&format!("{element}/value"), json!({ "text": text }))
        })?;
        Ok(())
    }

    /// Types into a field after what is there, or puts a file's path into a file field.
    ///
    /// # Errors
    /// As [`click`](Self::click).
    pub fn type_into(&self, css: &str, text: &str) -> Result<()> {
        let keys = json!({ "text": text });
        self.session
            .insist("type into", css, |element| self.session.post(&format!("{element}/value"), keys.clone()))
            .map(drop)
    }

    /// Chooses the option with this value in a `<select>`; the page's scripts see the change.
    ///
    /// # Errors
    /// As [`click`](Self::click); or when there is no such option.
    pub fn choose(&self, css: &str, value: &str) -> Result<()> {
        let script = "const list = document.querySelector(arguments[0]);
            if (!list || ![...list.options].some(option => option.value === arguments[1])) return false;
            list.value = arguments[1];
            for (const name of ['input', 'change']) list.dispatchEvent(new Event(name, { bubbles: true }));
            return true;";
        self.wait_for(&format!("{css} has the option {value}"), || {
            Ok(self.run(script, &[json!(css), json!(value)])? == Value::Bool(true))
        })
    }

    /// Accepts an open dialog; its text.
    ///
    /// # Errors
    /// When none is open for 20 s.
    pub fn accept_dialog(&self) -> Result<String> {
        self.dialog("accept")
    }

    /// Dismisses an open dialog; its text.
    ///
    /// # Errors
    /// When none is open for 20 s.
    pub fn dismiss_dialog(&self) -> Result<String> {
        self.dialog("dismiss")
    }

    fn dialog(&self, answer: &str) -> Result<String> {
        let mut said = None;
        self.wait_for("a dialog is open", || {
            said = self.session.get("/alert/text").ok();
            Ok(said.is_some())
        })?;
        let done = self.session.post(&format!("/alert/{answer}"), json!({}));
        done.map_err(|refusal| self.failed(answer, "the dialog", &refusal))?;
        Ok(said.map(text).unwrap_or_default())
    }
}

/// What is there.
impl Chromium {
    /// The visible text of an element, once it is there.
    ///
    /// # Errors
    /// When it does not come for 20 s.
    pub fn text(&self, css: &str) -> Result<String> {
        self.session.insist("read", css, |element| self.session.get(&format!("{element}/text"))).map(text)
    }

    /// The visible texts of all elements that match now, in the order of the page.
    ///
    /// # Errors
    /// As [`url`](Self::url); or when the page changes all the time.
    pub fn texts(&self, css: &str) -> Result<Vec<String>> {
        let script = "return [...document.querySelectorAll(arguments[0])].map(element => element.innerText.trim());";
        let texts = self.run(script, &[json!(css)])?;
        Ok(texts.as_array().into_iter().flatten().cloned().map(text).collect())
    }

    /// A property of an element as its scripts see it, such as `value`, `checked` or `href`, once it is there.
    ///
    /// # Errors
    /// As [`text`](Self::text).
    pub fn property(&self, css: &str, name: &str) -> Result<Value> {
        self.session.insist("look at", css, |element| self.session.get(&format!("{element}/property/{name}")))
    }

    /// Whether an element that matches is there now, seen or not.
    ///
    /// # Errors
    /// As [`url`](Self::url).
    pub fn exists(&self, css: &str) -> Result<bool> {
        let found = self.session.find_all(css).map_err(|refusal| self.failed("look for", css, &refusal))?;
        Ok(!found.is_empty())
    }

    /// The cookies that the browser would send with the page.
    ///
    /// # Errors
    /// As [`url`](Self::url).
    pub fn cookies(&self) -> Result<Vec<Cookie>> {
        let found = self.session.get("/cookie").map_err(|refusal| self.failed("list", "its cookies", &refusal))?;
        let cookie = |cookie: &Value| Cookie {
            name: text(cookie["name"].clone()),
            value: text(cookie["value"].clone()),
            path: text(cookie["path"].clone()),
            http_only: cookie["httpOnly"] == true,
            secure: cookie["secure"] == true,
            same_site: text(cookie["sameSite"].clone()),
            expires: cookie["expiry"].as_u64(),
        };
        Ok(found.as_array().into_iter().flatten().map(cookie).collect())
    }

    /// The cookie of that name.
    ///
    /// # Errors
    /// As [`url`](Self::url).
    pub fn cookie(&self, name: &str) -> Result<Option<Cookie>> {
        Ok(self.cookies()?.into_iter().find(|cookie| cookie.name == name))
    }

    /// Empties the jar of what belongs to the page's site.
    ///
    /// # Errors
    /// As [`url`](Self::url).
    pub fn delete_cookies(&self) -> Result<()> {
        self.session.delete("/cookie").map(drop).map_err(|refusal| self.failed("delete", "its cookies", &refusal))
    }

    /// Runs a script in the page and returns what it returns; a promise is awaited. It finds its arguments in `arguments`.
    ///
    /// # Errors
    /// When it throws; the text says what.
    pub fn run(&self, script: &str, arguments: &[Value]) -> Result<Value> {
        let call = json!({ "script": script, "args": arguments });
        self.session.post("/execute/sync", call).map_err(|refusal| self.failed("run", script, &refusal))
    }

    /// What scripts and the browser wrote to the console since the last look, such as errors and refused loads.
    ///
    /// # Errors
    /// As [`url`](Self::url).
    pub fn console(&self) -> Result<Vec<String>> {
        let lines = self.session.post("/se/log", json!({ "type": "browser" }));
        let lines = lines.map_err(|refusal| self.failed("show", "its console", &refusal))?;
        let line = |line: &Value| format!("{} {}", text(line["level"].clone()), text(line["message"].clone()));
        Ok(lines.as_array().into_iter().flatten().map(line).collect())
    }

    /// Writes a picture of the window into a PNG file.
    ///
    /// # Errors
    /// As [`url`](Self::url); or when the file can't be written.
    pub fn screenshot(&self, file: &Path) -> Result<()> {
        let picture = self.session.get("/screenshot").map_err(|refusal| self.failed("take", "a picture", &refusal))?;
        let bytes = decode_base64(&text(picture));
        std::fs::write(file, bytes).attempt(|| format!("write {}", file.display()))
    }
}

/// Waiting.
impl Chromium {
    /// Waits until a condition holds, looking every 20 ms.
    ///
    /// # Errors
    /// The condition's own error at once; or after 20 s one that says `what` was waited for in vain, and on which page.
    pub fn wait_for(&self, what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !condition()? {
            if Instant::now() > deadline {
                let place = self.url().unwrap_or_default();
                return Err(Error::Other(format!("waited {PATIENCE:?} in vain until {what}, on {place}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Waits until an element's visible text contains this one.
    ///
    /// # Errors
    /// As [`wait_for`](Self::wait_for).
    pub fn wait_for_text(&self, css: &str, wanted: &str) -> Result<()> {
        let mut last = Vec::new();
        let waited = self.wait_for(&format!("{css} says '{wanted}'"), || {
            last = self.texts(css)?;
            Ok(last.iter().any(|text| text.contains(wanted)))
        });
        waited.map_err(|error| Error::Other(format!("{error}; it says {last:?}")))
    }

    /// Waits until nothing that matches is there.
    ///
    /// # Errors
    /// As [`wait_for`](Self::wait_for).
    pub fn wait_until_gone(&self, css: &str) -> Result<()> {
        self.wait_for(&format!("{css} is gone"), || Ok(!self.exists(css)?))
    }

    fn failed(&self, verb: &str, what: &str, refusal: &Refusal) -> Error {
        self.session.error(&format!("{verb} {what}"), refusal)
    }
}

/// A JSON string as it is, anything else as JSON.
fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// Base64 as RFC 4648, section 4 has it; what is no digit is skipped.
fn decode_base64(text: &str) -> Vec<u8> {
    let (mut bytes, mut bits, mut count) = (Vec::with_capacity(text.len() / 4 * 3), 0u32, 0);
    let digits = text.bytes().filter_map(|byte| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    });
    for digit in digits {
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_every_length_is_decoded() {
        // RFC 4648, section 10.
        for (text, bytes) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg==", "foob"), ("Zm9vYmFy", "foobar")]
        {
            assert_eq!(decode_base64(text), bytes.as_bytes());
        }
    }
}
