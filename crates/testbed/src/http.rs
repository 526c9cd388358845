//! A visitor's browser, as far as tests need one: a cookie jar, forms, redirects when asked for. Clones share the jar, so that
//! one visitor can send requests side by side.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ureq::http::{Method, Request};

use crate::error::{Error, Result};

/// A reply, whatever its status.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Header lines in the order they came, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; bytes that are no UTF-8 are replaced.
    pub body: String,
}

impl Reply {
    /// The first header of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Every `Set-Cookie` header of this reply.
    pub fn set_cookies(&self) -> Vec<&str> {
        let cookies = self.headers.iter().filter(|(name, _)| name == "set-cookie");
        cookies.map(|(_, value)| value.as_str()).collect()
    }
}

/// One visitor of one site.
#[derive(Debug, Clone)]
pub struct Browser {
    site: String,
    agent: ureq::Agent,
    jar: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Browser {
    /// A visitor without cookies; `site` is the address without a slash at its end. Connections are kept between requests.
    pub fn new(site: &str) -> Self {
        Self::build(site, 4)
    }

    /// The same, with a new connection for each request.
    pub fn without_keep_alive(site: &str) -> Self {
        Self::build(site, 0)
    }

    fn build(site: &str, idle: usize) -> Self {
        let config = ureq::Agent::config_builder()
            .max_redirects(0)
            .http_status_as_error(false)
            .max_idle_connections(idle)
            .max_idle_connections_per_host(idle)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        Self { site: site.trim_end_matches('/').into(), agent: config.into(), jar: Arc::default() }
    }

    /// Asks for a page; redirects are not followed.
    pub fn get(&self, path: &str) -> Result<Reply> {
        self.send(Method::GET, path, None, &[])
    }

    /// Asks for a page with further request headers.
    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Result<Reply> {
        self.send(Method::GET, path, None, headers)
    }

    /// Sends a form; the redirect that follows is not followed.
    pub fn post(&self, path: &str, form: &[(&str, &str)]) -> Result<Reply> {
        self.send(Method::POST, path, Some(form), &[])
    }

    /// Asks for a page and follows up to five redirects within the site.
    pub fn visit(&self, path: &str) -> Result<Reply> {
        let reply = self.get(path)?;
        self.follow(reply)
    }

    /// Sends a form and follows up to five redirects within the site.
    pub fn submit(&self, path: &str, form: &[(&str, &str)]) -> Result<Reply> {
        let reply = self.post(path, form)?;
        self.follow(reply)
    }

    /// The value of a cookie in the jar.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.jar().get(name).cloned()
    }

    /// Puts a cookie into the jar, or takes it out.
    pub fn set_cookie(&self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.jar().insert(name.into(), value.into()),
            None => self.jar().remove(name),
        };
    }

    /// Another browser of the same site that has a copy of the cookies, as a thief would.
    pub fn copy(&self) -> Self {
        let jar = self.jar().clone();
        Self { jar: Arc::new(Mutex::new(jar)), ..self.clone() }
    }

    fn jar(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.jar.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(&self, mut reply: Reply) -> Result<Reply> {
        for _ in 0..5 {
            let target = match (reply.status, reply.header("location")) {
                (301 | 302 | 303 | 307 | 308, Some(target)) => target.to_string(),
                _ => return Ok(reply),
            };
            let path = target.strip_prefix(&self.site).unwrap_or(&target).to_string();
            if !path.starts_with('/') && !path.is_empty() {
                return Err(Error::Http { url: target, reason: "the redirect leaves the site".into() });
            }
            reply = self.get(&path)?;
        }
        Ok(reply)
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        form: Option<&[(&str, &str)]>,
        headers: &[(&str, &str)],
    ) -> Result<Reply> {
        let url = format!("{}{path}", self.site);
        let mut request = Request::builder().method(method).uri(&url);
        let cookies: Vec<String> = self.jar().iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let failed = |reason: String| Error::Http { url: url.clone(), reason };
        let sent = match form {
            Some(form) => {
                let body = encode(form);
                let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
                self.agent.run(request.map_err(|error| failed(error.to_string()))?)
            }
            None => self.agent.run(request.body(()).map_err(|error| failed(error.to_string()))?),
        };
        let mut response = sent.map_err(|error| failed(error.to_string()))?;
        // Large enough for every page of a test; the client's own bound is 10 MB.
        let body = response.body_mut().with_config().limit(256 << 20);
        let bytes = body.read_to_vec().map_err(|error| failed(error.to_string()))?;
        let text = |value: &ureq::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let reply = Reply {
            status: response.status().as_u16(),
            headers: response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: String::from_utf8_lossy(&bytes).into_owned(),
        };
        self.keep_cookies(&reply);
        Ok(reply)
    }

    fn keep_cookies(&self, reply: &Reply) {
        let mut jar = self.jar();
        for line in reply.set_cookies() {
            let mut parts = line.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
            let withdrawn = parts.any(|part| {
                let part = part.to_ascii_lowercase();
                // The two ways in which PHP and WordPress take a cookie back.
                part == "max-age=0" || (part.starts_with("expires=") && (part.contains("1970") || is_past(&part)))
            });
            if withdrawn {
                jar.remove(name);
            } else {
                jar.insert(name.into(), value.into());
            }
        }
    }
}

/// WordPress dates withdrawn cookies back by a year: a year below this one is in the past.
fn is_past(expires: &str) -> bool {
    let seconds = std::time::UNIX_EPOCH.elapsed().map(|time| time.as_secs()).unwrap_or(0);
    let this_year = 1970 + seconds / 31_556_952;
    let years = expires.split([' ', '-']).filter_map(|word| word.parse::<u64>().ok());
    years.filter(|number| *number >= 1000).any(|year| year < this_year)
}

/// A form as `application/x-www-form-urlencoded`.
fn encode(form: &[(&str, &str)]) -> String {
    let word = |text: &str| -> String {
        let byte = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        };
        text.bytes().map(byte).collect()
    };
    let pairs: Vec<String> = form.iter().map(|(name, value)| format!("{}={}", word(name), word(value))).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(cookie: &str) -> Reply {
        Reply { status: 200, headers: vec![("set-cookie".into(), cookie.into())], body: String::new() }
    }

    #[test]
    fn a_withdrawn_cookie_leaves_the_jar() {
        let browser = Browser::new("http://127.0.0.1:1");
        for withdrawal in [
            "S=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT; Max-Age=0; path=/",
            "S=+; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "S=+; expires=Sun, 23 Nov 2008 10:00:00 GMT; path=/",
        ] {
            browser.keep_cookies(&reply("S=abc; path=/; HttpOnly"));
            assert_eq!(browser.cookie("S").as_deref(), Some("abc"));
            browser.keep_cookies(&reply(withdrawal));
            assert_eq!(browser.cookie("S"), None, "{withdrawal}");
        }
    }

    #[test]
    fn forms_are_encoded_byte_by_byte() {
        assert_eq!(encode(&[("a b", "ü&="), ("c", "")]), "a%20b=%C3%BC%26%3D&c=");
    }
}
