//! A visitor of a rig, and what came back from its page `cart.php`.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use cloakroom_testbed::{Browser, Reply, wait_until};
use serde::Deserialize;

use crate::{Rig, extension};

/// What `cart.php` says.
#[derive(Debug, Clone, Deserialize)]
pub struct Page {
    /// Which server answered.
    pub server: String,
    /// Which worker.
    pub pid: i32,
    /// What `session_write_close()` returned: true is the acknowledgement that tests hold Cloakroom to.
    pub saved: bool,
    /// The state by `cloakroom_status()`; empty without Cloakroom.
    pub state: String,
    /// The record's key, shortened.
    pub key: String,
    /// The cart, in the order of its items.
    pub cart: Vec<String>,
    /// Who is logged in.
    pub user: Option<String>,
    /// The reply's `Set-Cookie` lines.
    #[serde(skip)]
    pub cookies: Vec<String>,
    /// How long it took.
    #[serde(skip)]
    pub took: Duration,
}

/// A visitor.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The browser.
    pub browser: Browser,
}

impl Visitor {
    /// One with this browser.
    pub fn new(browser: Browser) -> Self {
        Self { browser }
    }

    /// Asks for a page, which must come.
    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        let reply = self.browser.get(path).unwrap();
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        reply
    }

    /// Asks for `cart.php` with this query, which must come.
    #[track_caller]
    pub fn cart(&self, query: &str) -> Page {
        self.try_cart(query).unwrap_or_else(|trouble| panic!("cart.php?{query}: {trouble}"))
    }

    /// The cart as it is stored. After an outage a worker may go on without its session until its next probe, for a second.
    #[track_caller]
    pub fn live_cart(&self) -> Page {
        let mut live = None;
        let page = || {
            live = Some(self.cart("")).filter(|page| page.state != "detached");
            live.is_some()
        };
        wait_until("a worker has found its store again", Duration::from_secs(20), page).unwrap();
        live.unwrap()
    }

    /// The same as [`cart`](Self::cart), where a failure is no surprise.
    pub fn try_cart(&self, query: &str) -> Result<Page, String> {
        let began = Instant::now();
        let reply = self.browser.get(&format!("/cart.php?{query}")).map_err(|error| error.to_string())?;
        let took = began.elapsed();
        if reply.status != 200 {
            return Err(format!("status {} after {took:?}", reply.status));
        }
        let page: Page =
            serde_json::from_str(&reply.body).map_err(|error| format!("{error} in the page {}", reply.body))?;
        Ok(Page { cookies: session_cookies(&reply), took, ..page })
    }

    /// Puts items into the cart, each with a click that must be acknowledged.
    #[track_caller]
    pub fn fill(&self, items: &[&str]) {
        for item in items {
            let page = self.cart(&format!("add={item}"));
            assert!(page.saved, "{page:?}");
        }
    }

    /// The ticket: the value of the session's cookie.
    #[track_caller]
    pub fn ticket(&self) -> String {
        self.browser.cookie("PHPSESSID").expect("a session cookie")
    }

    /// The ticket, if there is one.
    pub fn has_ticket(&self) -> bool {
        self.browser.cookie("PHPSESSID").is_some()
    }

    /// Somebody else with the same cookies.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self { browser: self.browser.copy() }
    }

    /// Puts this ticket into the browser.
    pub fn hold(&self, ticket: &str) {
        self.browser.set_cookie("PHPSESSID", Some(ticket));
    }
}

/// The lines of a reply that set or withdraw the session's cookie.
pub fn session_cookies(reply: &Reply) -> Vec<String> {
    let lines = reply.set_cookies().into_iter().filter(|line| line.starts_with("PHPSESSID="));
    lines.map(String::from).collect()
}

impl Rig {
    /// A page that opens the session, says so, waits until it is told to go on and then does this; see [`hold`](Self::hold).
    pub fn held_page(&self, name: &str, code: &str) {
        self.held_page_that(name, "session_start();", code);
    }

    /// The same, with other code before it waits.
    pub fn held_page_that(&self, name: &str, first: &str, code: &str) {
        self.code(
            name,
            &format!(
                "{first}
                touch('{0}open' . $_GET['held']);
                for ($i = 0; $i < 4000 && !file_exists('{0}go' . $_GET['go']); $i++) {{ usleep(5000); clearstatcache(); }}
                {code}",
                self.flag("").display()
            ),
        );
    }

    /// What the operator's command answers with `--json` about this rig's store.
    #[track_caller]
    pub fn operator(&self, arguments: &[&str]) -> serde_json::Value {
        let program = extension().with_file_name("cloakroom");
        let asked = Command::new(&program)
            .args(["--store", &self.backend.url(None), "--json"])
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&asked.stdout).into_owned();
        assert!(asked.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&asked.stderr));
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error} in {said}"))
    }

    /// Sends so many requests of one visitor for a [held page](Self::held_page), and waits until all have opened the session.
    #[track_caller]
    pub fn hold<'scope>(
        &self,
        scope: &'scope Scope<'scope, '_>,
        visitor: &Visitor,
        page: &str,
        count: usize,
    ) -> Held<'scope> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let first = NEXT.fetch_add(count, Ordering::Relaxed);
        let join = if page.contains('?') { '&' } else { '?' };
        let requests = (first..first + count).map(|number| {
            let (visitor, page) =
                (visitor.copy(), format!("{page}{join}n={}&held={number}&go={first}", number - first));
            scope.spawn(move || visitor.get(&page))
        });
        let requests = requests.collect();
        let open = || (first..first + count).all(|number| self.flag(&format!("open{number}")).exists());
        wait_until("all have opened the session", Duration::from_secs(20), open).unwrap();
        Held { requests, go: self.flag(&format!("go{first}")) }
    }
}

/// Requests that have opened their session and wait: everybody's moment in between.
#[derive(Debug)]
pub struct Held<'scope> {
    requests: Vec<ScopedJoinHandle<'scope, Reply>>,
    go: PathBuf,
}

impl Held<'_> {
    /// Whether all of them are still waiting.
    pub fn all_wait(&self) -> bool {
        self.requests.iter().all(|request| !request.is_finished())
    }

    /// Lets them go on; what they answered.
    pub fn go(self) -> Vec<Reply> {
        std::fs::write(&self.go, "").unwrap();
        self.requests.into_iter().map(|request| request.join().unwrap()).collect()
    }
}
