//! Requests as a visitor without cookies makes them: nothing is kept between two of them, and all is bounded.

use std::io::Read;
use std::time::Duration;

use ureq::Agent;
use ureq::tls::TlsConfig;
use url::Url;

use super::headers::Headers;

/// Says what it is and where to read about it.
pub(super) const USER_AGENT: &str =
    concat!("cloakroom-audit/", env!("CARGO_PKG_VERSION"), " (+https://github.com/cloakroom/cloakroom)");

/// Redirects that are followed.
const REDIRECTS: usize = 5;
/// No page is read further.
pub(super) const PAGE_LIMIT: u64 = 16 << 20;

/// An answer without its body.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// The address that was asked.
    pub(super) url: Url,
    /// Its status.
    pub(super) status: u16,
    /// Its headers.
    pub(super) headers: Headers,
}

/// What asking for a page came to.
#[derive(Debug)]
pub(super) enum Fetched {
    /// Redirects and, last, the page.
    Page(Vec<Answer>),
    /// Another site is responsible; its address.
    Elsewhere(Vec<Answer>, Url),
}

/// Makes requests.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
}

impl Client {
    /// A client that waits so long for each answer.
    pub(super) fn new(timeout: Duration, insecure: bool) -> Self {
        let agent = Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(USER_AGENT)
            .accept("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
            .max_response_header_size(64 << 10)
            // A proxy on the way would be one more cache that speaks.
            .proxy(None)
            .tls_config(TlsConfig::builder().disable_verification(insecure).build())
            .build()
            .new_agent();
        Self { agent }
    }

    /// One request; up to `limit` bytes of the body.
    ///
    /// # Errors
    /// A sentence's part: why there is no answer.
    pub(super) fn get(&self, url: &Url, limit: u64, keep: bool) -> Result<(Answer, Vec<u8>), String> {
        let response = self.agent.get(url.as_str()).call().map_err(|e| told(&e))?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(n, v)| (n.as_str().to_owned(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
            .collect();
        // The whole body is read: a cache on the way keeps only what was fetched to its end.
        let mut reader = response.into_body().into_reader().take(limit);
        let mut body = Vec::new();
        let read = if keep {
            reader.read_to_end(&mut body).map(|_| ())
        } else {
            std::io::copy(&mut reader, &mut std::io::sink()).map(|_| ())
        };
        read.map_err(|e| format!("the answer broke off: {e}"))?;
        Ok((Answer { url: url.clone(), status, headers: Headers(headers) }, body))
    }

    /// A page, by way of redirects that stay on the site.
    ///
    /// # Errors
    /// A sentence's part: why there is no page.
    pub(super) fn page(&self, url: &Url) -> Result<Fetched, String> {
        let mut answers: Vec<Answer> = Vec::new();
        let mut at = url.clone();
        loop {
            let (answer, _) = self.get(&at, PAGE_LIMIT, false)?;
            let redirected = (300..400).contains(&answer.status).then(|| answer.headers.joined("location"));
            answers.push(answer);
            let Some(location) = redirected.filter(|l| !l.is_empty()) else { return Ok(Fetched::Page(answers)) };
            let next = at.join(&location).map_err(|_| "it redirects to what is no address".to_owned())?;
            if !matches!(next.scheme(), "http" | "https") {
                return Err("it redirects to what is no page".into());
            }
            if !same_site(url, &next) {
                return Ok(Fetched::Elsewhere(answers, next));
            }
            if answers.len() > REDIRECTS {
                return Err(format!("it redirects more than {REDIRECTS} times"));
            }
            at = next;
        }
    }
}

/// The same host, with or without www.
fn same_site(a: &Url, b: &Url) -> bool {
    let host = |u: &Url| u.host_str().unwrap_or_default().trim_start_matches("www.").to_ascii_lowercase();
    let port = |u: &Url| u.port();
    host(a) == host(b) && port(a) == port(b)
}

fn told(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "it did not answer in time (--timeout waits longer)".into(),
        ureq::Error::HostNotFound => "its host was not found".into(),
        ureq::Error::Rustls(e) => refused(e),
        // The TLS layer's errors come as those of the connection.
        ureq::Error::Io(e) if e.to_string().contains("certificate") => refused(e),
        ureq::Error::Io(e) => format!("it could not be reached: {e}"),
        other => crate::out::plain(&format!("it could not be fetched: {other}")),
    }
}

fn refused(error: &dyn std::fmt::Display) -> String {
    format!("its certificate is not accepted: {error} (--insecure does not check it)")
}
