//! Drives real PHP: one `php-cgi` (or `php`) a request, with the distribution's unmodified php.ini, our extension on top,
//! and a store in a temporary folder.
#![allow(dead_code, unreachable_pub)] // each test file uses its part

pub mod rig;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use cloakroom_testbed::{Folder, PhpSettings, find_program, php_version};

/// A site: a folder with its store, and settings.
pub struct Site {
    pub folder: Folder,
    settings: Vec<(String, String)>,
    ini: Option<PathBuf>,
}

/// A visitor: the ticket, as a browser keeps it.
#[derive(Debug, Clone, Default)]
pub struct Visitor {
    pub ticket: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// What went to the server's log.
    pub log: String,
    pub code: Option<i32>,
}

/// The extension that cargo has just built, unless `CLOAKROOM_SO` names another.
pub fn extension() -> PathBuf {
    if std::env::var_os("CLOAKROOM_SO").is_some() {
        return cloakroom_testbed::extension().expect("CLOAKROOM_SO");
    }
    let me = std::env::current_exe().expect("this program");
    let built = me.parent().expect("the target's deps").join("libcloakroom_php.so");
    assert!(built.is_file(), "{} is missing; cargo build -p cloakroom-php", built.display());
    built
}

impl Site {
    /// A site on its own SQLite file.
    pub fn new() -> Self {
        let folder = Folder::new("php").expect("folder");
        let store = format!("sqlite:{}", folder.join("sessions.sqlite").display());
        Self { folder, settings: Vec::new(), ini: None }.set("cloakroom.store", &store)
    }

    /// A site without any setting but the handler.
    pub fn bare() -> Self {
        let folder = Folder::new("php").expect("folder");
        Self { folder, settings: Vec::new(), ini: None }
    }

    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Uses this php.ini instead of the program's own.
    pub fn ini(mut self, path: impl Into<PathBuf>) -> Self {
        self.ini = Some(path.into());
        self
    }

    fn prepare(&self, program: &str) -> Command {
        let mut settings = PhpSettings::new()
            .extension(extension())
            .set("session.save_handler", "cloakroom")
            .set("error_log", &self.folder.join("log").display().to_string())
            .set("log_errors", "1");
        for (name, value) in &self.settings {
            settings = settings.set(name, value);
        }
        let scan = settings.write_to(&self.folder.join("conf.d")).expect("settings");
        let version = php_version().expect("php");
        let path = find_program(&format!("{program}{version}")).or_else(|_| find_program(program)).expect(program);
        let mut command = Command::new(path);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("PHP_INI_SCAN_DIR", scan).stdin(Stdio::null());
        if let Some(ini) = &self.ini {
            command.arg("-c").arg(ini);
        }
        command
    }

    fn take_log(&self) -> String {
        let path = self.folder.join("log");
        let text = std::fs::read(&path).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default();
        let _ = std::fs::remove_file(&path);
        text
    }

    /// One request of a visitor, answered by php-cgi.
    pub fn get(&self, visitor: &mut Visitor, script: &str) -> Reply {
        self.get_named(visitor, script, "PHPSESSID")
    }

    pub fn get_named(&self, visitor: &mut Visitor, script: &str, name: &str) -> Reply {
        let reply = self.ask(visitor.ticket.as_deref().map(|t| format!("{name}={t}")).as_deref(), script);
        for cookie in reply.all("set-cookie") {
            if let Some(value) = cookie.strip_prefix(&format!("{name}=")) {
                let value = value.split(';').next().unwrap_or_default();
                visitor.ticket = (!value.is_empty() && value != "deleted").then(|| value.replace("%2C", ","));
            }
        }
        reply
    }

    /// One request of a visitor for this address.
    pub fn get_at(&self, visitor: &Visitor, address: &str, script: &str) -> Reply {
        self.ask_at(address, visitor.ticket.as_deref().map(|t| format!("PHPSESSID={t}")).as_deref(), script)
    }

    /// One request with this Cookie header.
    pub fn ask(&self, cookie: Option<&str>, script: &str) -> Reply {
        self.ask_at("/page.php", cookie, script)
    }

    /// One request with these variables of the server.
    pub fn ask_with(&self, server: &[(&str, &str)], script: &str) -> Reply {
        let mut command = self.page("/page.php", script);
        command.envs(server.iter().copied());
        self.run(command)
    }

    fn ask_at(&self, address: &str, cookie: Option<&str>, script: &str) -> Reply {
        let mut command = self.page(address, script);
        if let Some(cookie) = cookie {
            command.env("HTTP_COOKIE", cookie);
        }
        self.run(command)
    }

    fn page(&self, address: &str, script: &str) -> Command {
        let file = self.folder.write("page.php", format!("<?php\n{script}\n")).expect("script");
        let mut command = self.prepare("php-cgi");
        command
            .env("REDIRECT_STATUS", "1")
            .env("GATEWAY_INTERFACE", "CGI/1.1")
            .env("REQUEST_METHOD", "GET")
            .env("SCRIPT_FILENAME", &file)
            .env("SCRIPT_NAME", "/page.php")
            .env("REQUEST_URI", address)
            .env("SERVER_PROTOCOL", "HTTP/1.1");
        command
    }

    /// One program on PHP's command line.
    pub fn cli(&self, script: &str) -> Reply {
        let file = self.folder.write("program.php", format!("<?php\n{script}\n")).expect("script");
        let mut command = self.prepare("php");
        command.arg(file);
        let output = command.stderr(Stdio::piped()).output().expect("php");
        let log = self.take_log() + &String::from_utf8_lossy(&output.stderr);
        Reply {
            status: 200,
            headers: Vec::new(),
            body: String::from_utf8_lossy(&output.stdout).into_owned(),
            log,
            code: output.status.code(),
        }
    }

    /// `php ARGUMENTS`, no script.
    pub fn php(&self, arguments: &[&str]) -> Reply {
        let mut command = self.prepare("php");
        let output = command.args(arguments).stderr(Stdio::piped()).output().expect("php");
        let log = self.take_log() + &String::from_utf8_lossy(&output.stderr);
        let body = String::from_utf8_lossy(&output.stdout).into_owned();
        Reply { status: 200, headers: Vec::new(), body, log, code: output.status.code() }
    }

    fn run(&self, mut command: Command) -> Reply {
        let output = command.stderr(Stdio::piped()).output().expect("php-cgi");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or(("", &text));
        let headers: Vec<(String, String)> = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let status = headers.iter().find(|(name, _)| name == "status").map_or("200", |(_, value)| value);
        let status = status.split(' ').next().and_then(|s| s.parse().ok()).unwrap_or(200);
        let log = self.take_log() + &String::from_utf8_lossy(&output.stderr);
        Reply { status, headers, body: body.to_owned(), log, code: output.status.code() }
    }
}

impl Reply {
    pub fn all(&self, name: &str) -> Vec<String> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect()
    }

    pub fn sets_cookie(&self) -> bool {
        !self.all("set-cookie").is_empty()
    }

    /// Nothing of PHP's or ours was complained about.
    #[track_caller]
    pub fn clean(self) -> Self {
        assert_eq!(self.log, "", "the log should be empty; the page was {}", self.body);
        assert!(!self.body.contains("Warning") && !self.body.contains("Fatal"), "{}", self.body);
        self
    }

    #[track_caller]
    pub fn shows(self, body: &str) -> Self {
        assert_eq!(self.body, body, "log: {}; headers: {:?}", self.log, self.headers);
        self
    }
}
