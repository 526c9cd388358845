//! A headless Chromium of a test: a real browser with a cookie jar, a cache and JavaScript of its own.
//!
//! [`Browser`](crate::Browser) is the choice where replies are all that matters: it costs next to nothing. This one is
//! for what only a browser decides: which cookies it keeps, what its back button shows, what a page's script does, how a screen
//! looks. It needs the programs `chromium` and `chromedriver` (Debian: `chromium`, `chromium-driver`).
//!
//! # A test
//!
//! ```no_run
//! # use cloakroom_testbed::{Chromium, needs};
//! # fn test() {
//! # let address = "http://127.0.0.1:8080";
//! needs!("chromium", "chromedriver");
//! # let seen = || {
//! let visitor = Chromium::start()?;
//! visitor.open(&format!("{address}/wp-login.php"))?;
//! visitor.fill("#user_login", "admin")?;
//! visitor.fill("#user_pass", "secret")?;
//! visitor.follow("#wp-submit")?; // a click that leads to another page, and that page
//! visitor.wait_for_text("#wpadminbar", "admin")?;
//! assert!(visitor.cookie("PHPSESSID")?.is_none());
//! visitor.screenshot("/tmp/dashboard.png".as_ref())?;
//! # Ok::<(), cloakroom_testbed::Error>(()) };
//! # seen().unwrap();
//! # }
//! ```
//!
//! # What it promises
//!
//! - **Elements are named by CSS selectors**, and the first one that matches is meant. [`click`](Chromium::click),
//!   [`fill`](Chromium::fill), [`text`](Chromium::text) and the like wait until it is there, is visible and takes the click:
//!   no test needs to sleep. What never comes is an error after 20 s that says which selector, on which page.
//! - **A click that leads to another page** is [`follow`](Chromium::follow): it returns when the next page has loaded.
//!   [`click`](Chromium::click) returns at once: use it for what a script handles, and then [`wait_for`](Chromium::wait_for),
//!   [`wait_for_text`](Chromium::wait_for_text) or [`wait_until_gone`](Chromium::wait_until_gone).
//! - **Each one has a profile of its own** in a temporary folder: two of them are two people. Nothing is left on drop.
//! - **It speaks to this host alone**: other names do not resolve, and the browser's own calls to the outside are off.
//! - **Anything else** is a line of JavaScript: [`run`](Chromium::run) returns what the script returns, promises awaited.
//! - **Dialogs** (`alert`, `confirm`) stay open until [`accept_dialog`](Chromium::accept_dialog) or
//!   [`dismiss_dialog`](Chromium::dismiss_dialog); until then everything else fails, saying so.
//! - [`console`](Chromium::console) has what the page's scripts complained about; a screen that works leaves it empty.
//!
//! A start takes about a second: share one among the steps of a test, not among tests.
//!
//! # How it works
//!
//! Chromium is started by us, so that it ends with its test even when that is killed, and chromedriver is attached to it. We
//! speak [WebDriver](https://www.w3.org/TR/webdriver2/) to it over the HTTP client that is here anyway: it is a dozen JSON calls,
//! and the crates for it bring a second HTTP client or a licence that we do not take.

mod page;
mod webdriver;

use std::path::Path;
use std::process::Command;

use crate::error::Result;
use crate::folder::find_program;
use crate::ports::{PortLease, retry_on_collision};
use crate::service::Recipe;
use crate::{Endpoint, Folder, Service};

pub use page::Cookie;
use webdriver::Session;

/// A running browser with a profile of its own; see the [module](self).
#[derive(Debug)]
pub struct Chromium {
    session: Session,
    // The driver ends before the browser that it is attached to, and the profile goes last.
    driver: Server,
    browser: Server,
    _folder: Folder,
}

/// One of the two processes and its port.
#[derive(Debug)]
struct Server {
    service: Service,
    port: PortLease,
}

impl Chromium {
    /// Starts one with a fresh profile and a window of 1280 by 900 pixels.
    ///
    /// # Errors
    /// When a program is missing or does not answer within a minute; its log is in the error.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// Starts one with further switches, such as `--window-size=400,800` or `--lang=ar`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(switches: &[&str]) -> Result<Self> {
        let folder = Folder::new("chromium")?;
        let browser = launch(|port| browser(&folder, port, switches))?;
        let driver = launch(|port| driver(&folder, port))?;
        let session = Session::attach(driver.port.number(), browser.port.number())?;
        Ok(Self { session, driver, browser, _folder: folder })
    }

    /// The browser's process.
    pub fn service(&self) -> &Service {
        &self.browser.service
    }

    /// What the driver logged: every command and what came of it. For a look at a test that fails.
    pub fn driver_log(&self) -> String {
        self.driver.service.log()
    }
}

fn launch(recipe: impl Fn(u16) -> Result<Recipe>) -> Result<Server> {
    retry_on_collision(|port| Ok(Server { service: Service::launch(recipe(port.number())?)?, port }))
}

fn browser(folder: &Folder, port: u16, switches: &[&str]) -> Result<Recipe> {
    let program = find_program("chromium")?;
    let mut arguments: Vec<String> = [
        "--headless=new",
        // Root may not use it, and containers often can't. The pages are a test's own.
        "--no-sandbox",
        "--disable-gpu",
        // A container's /dev/shm may have 64 MB.
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--no-default-browser-check",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-extensions",
        "--disable-breakpad",
        "--metrics-recording-only",
        "--password-store=basic",
        "--use-mock-keychain",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
        "--no-proxy-server",
        "--lang=en-US",
        "--window-size=1280,900",
    ]
    .map(String::from)
    .to_vec();
    arguments.push(format!("--remote-debugging-port={port}"));
    arguments.push(format!("--user-data-dir={}", folder.join("profile").display()));
    arguments.extend(switches.iter().map(ToString::to_string));
    arguments.push("about:blank".into());
    // Settings and crash dumps of whoever runs the tests are left alone.
    let home = folder.path().to_path_buf();
    recipe(folder, "chromium", "/json/version", port, move || {
        let mut command = Command::new(&program);
        command.args(&arguments).env("HOME", &home).env("XDG_CONFIG_HOME", &home).env("XDG_CACHE_HOME", &home);
        command.env("TMPDIR", &home);
        command
    })
}

fn driver(folder: &Folder, port: u16) -> Result<Recipe> {
    let program = find_program("chromedriver")?;
    recipe(folder, "chromedriver", "/status", port, move || {
        let mut command = Command::new(&program);
        command.arg(format!("--port={port}")).arg("--log-level=INFO");
        command
    })
}

fn recipe(
    folder: &Folder,
    name: &str,
    ready: &str,
    port: u16,
    command: impl Fn() -> Command + Send + Sync + 'static,
) -> Result<Recipe> {
    let request = format!("GET {ready} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    let endpoint = Endpoint::loopback(port);
    Ok(Recipe {
        name: name.into(),
        command: Box::new(command),
        probe: Box::new(move || {
            let reply = endpoint.ask(request.as_bytes()).map_err(|error| error.to_string())?;
            match reply.starts_with(b"HTTP/1.1 200") {
                true => Ok(()),
                false => Err(String::from_utf8_lossy(&reply).into_owned()),
            }
        }),
        log: folder.join(Path::new(name).with_extension("log")),
        temporary: folder.temporary(),
    })
}
