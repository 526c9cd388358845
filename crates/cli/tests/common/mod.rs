//! A machine of the test's own: a folder that stands for `/`, a clock that stands still, a store with known sessions.

#![allow(dead_code)] // each test file uses its part

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use cloakroom::{Budget, Engine, Lifetime, ManualClock, Opening, Owner, SessionId, Time};
use cloakroom_cli::args::Cli;
use cloakroom_cli::{Surroundings, commands, out};
use cloakroom_stores::{Options, open, sqlite};

/// 2023-11-14 22:13:20 UTC.
pub(crate) const START: Time = Time(1_700_000_000_000);
pub(crate) const LIFETIME: Lifetime = Lifetime { idle: Duration::from_secs(1440), absolute: None };
pub(crate) const PHP: u8 = 1;

/// Lines of php.ini with settings that the extension refuses, and their names.
pub(crate) const REFUSED: [(&str, &str); 20] = [
    ("cloakroom.strict=0", "cloakroom.strict"),
    ("cloakroom.strict=maybe", "cloakroom.strict"),
    ("cloakroom.strict=", "cloakroom.strict"),
    ("cloakroom.httponly=0", "cloakroom.httponly"),
    ("cloakroom.grace=1h", "cloakroom.grace"),
    ("cloakroom.grace=601", "cloakroom.grace"),
    ("cloakroom.timeout=0", "cloakroom.timeout"),
    ("cloakroom.idle=-1", "cloakroom.idle"),
    ("cloakroom.id_bits=many", "cloakroom.id_bits"),
    ("cloakroom.concurrency=locks", "cloakroom.concurrency"),
    ("cloakroom.on_failure=boom", "cloakroom.on_failure"),
    ("cloakroom.max_size=huge", "cloakroom.max_size"),
    ("cloakroom.max_size=4G", "cloakroom.max_size"),
    ("cloakroom.lock_wait=9999", "cloakroom.lock_wait"),
    ("cloakroom.lock_lease=0", "cloakroom.lock_lease"),
    ("cloakroom.debug=2", "cloakroom.debug"),
    ("cloakroom.conflict_log=\"it's \\\\ \\\"so\\\"\"", "cloakroom.conflict_log"),
    ("cloakroom.merge_rules=\"a=summ\"", "cloakroom.merge_rules"),
    ("cloakroom.merge_rules=\"a=sum,it's=summ\"", "cloakroom.merge_rules"),
    (
        "cloakroom.lock_paths=/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a,/a",
        "cloakroom.lock_paths",
    ),
];

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) error: String,
}

impl Ran {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.out))
    }
}

pub(crate) struct Machine {
    pub(crate) around: Surroundings,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) folder: tempfile::TempDir,
}

impl Machine {
    /// With PHP 8.2 FPM as Debian installs it, nobody's sessions, and this test's user under the name www-data.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(ManualClock::new(START));
        let uid = fs::metadata(folder.path()).expect("there").uid();
        let around =
            Surroundings { root: folder.path().to_owned(), clock: clock.clone(), uid, ask: None, colour: false };
        let machine = Self { around, clock, folder };
        machine.write("/etc/passwd", &format!("daemon:x:1:1::/:\nwww-data:x:{uid}:{uid}:www:/var/www:/bin/false\n"));
        let sessions = machine.path("/var/lib/php/sessions");
        fs::create_dir_all(&sessions).expect("made");
        fs::set_permissions(&sessions, fs::Permissions::from_mode(0o1733)).expect("mode");
        machine
    }

    /// PHP-FPM with Debian's php.ini and these lines after it.
    pub(crate) fn with_fpm(self, lines: &str) -> Self {
        self.write(
            "/etc/php/8.2/fpm/php.ini",
            "[PHP]\nmemory_limit = 128M\n[Session]\nsession.save_handler = files\n;session.save_path = \"/x\"\n\
             session.use_strict_mode = 0\nsession.use_only_cookies = 1\nsession.cookie_httponly =\n\
             session.cookie_samesite =\nsession.gc_maxlifetime = 1440\nsession.sid_length = 26\n\
             session.sid_bits_per_character = 5\n",
        );
        self.write("/etc/php/8.2/fpm/conf.d/20-cloakroom.ini", lines);
        self.write(
            "/etc/php/8.2/fpm/php-fpm.conf",
            "[global]\npid = /run/php/fpm.pid\ninclude=/etc/php/8.2/fpm/pool.d/*.conf\n",
        );
        self.write("/etc/php/8.2/fpm/pool.d/www.conf", "[www]\nuser = www-data\nlisten = /run/php/fpm.sock\n");
        self.write("/usr/lib/php/20220829/cloakroom.so", "");
        self
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.around.at(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    /// The URL of the default store of www-data, made if it is not there.
    pub(crate) fn default_store(&self) -> String {
        let path = sqlite::prepare_default(&self.path("/var/lib/php/sessions"), self.around.uid, true).expect("made");
        format!("sqlite:{}", path.display())
    }

    pub(crate) fn engine(&self, url: &str) -> Engine {
        let store = open(url, &Options { clock: self.clock.clone(), ..Options::default() }).expect("opens");
        Engine::builder(store).clock(self.clock.clone()).build()
    }

    /// Seven sessions: five live ones of several ages, sizes and owners, a moved and an ended one.
    pub(crate) fn fill(&self, url: &str) {
        let engine = self.engine(url);
        wait(async {
            keep(&engine, "visitor-with-a-big-cart", &cart(20 << 10), None).await;
            self.clock.advance(Duration::from_secs(600));
            keep(&engine, "shop-manager-at-work", b"user|i:42;", Some("site:42")).await;
            keep(&engine, "shop-manager-at-home", b"user|i:42;", Some("site:42")).await;
            keep(&engine, "somebody-who-logs-out", b"user|i:7;", Some("site:7")).await;
            self.clock.advance(Duration::from_secs(300));
            keep(&engine, "before-the-login", b"cart|i:1;", None).await;
            let Opening::Live(mut session) = engine.open(budget(), &id("before-the-login"), LIFETIME).await else {
                panic!("it is live")
            };
            session.set_owner(Some(Owner::new("site:9").expect("short")));
            session.rotate(&engine, budget(), id("after-the-login"), b"cart|i:1;", PHP).await.expect("rotated");
            keep(&engine, "newcomer", b"cart|a:0:{}", None).await;
            let key = engine.key_of(&id("somebody-who-logs-out"));
            engine.end_key(budget(), &key, cloakroom::EndKind::Destroyed).await.expect("ended");
        });
        self.clock.advance(Duration::from_secs(45));
    }

    /// Runs a command line; paths of this machine are shown as if they began at its root.
    pub(crate) fn run(&self, line: &[&str]) -> Ran {
        let cli = Cli::try_parse_from(["cloakroom"].iter().chain(line)).expect("a command line");
        let mut written = Vec::new();
        let result = commands::run(&cli, &self.around, &mut written);
        let out = self.around.told(&String::from_utf8(written).expect("text"));
        match result {
            Ok(outcome) => Ran { code: outcome.code(), out, error: String::new() },
            Err(failure) => {
                let error = self.around.told(&out::failure(&failure, cli.json));
                Ran { code: failure.outcome.code(), out, error }
            }
        }
    }

    /// The command as typed, what it printed and its exit code, as golden files hold them.
    pub(crate) fn transcript(&self, line: &[&str]) -> String {
        let ran = self.run(line);
        let typed: Vec<String> = line.iter().map(|w| self.around.told(w)).collect();
        let mut text = format!("$ cloakroom {}\n{}", typed.join(" "), ran.out);
        for line in ran.error.lines() {
            text.push_str(&format!("! {line}\n"));
        }
        text.push_str(&format!("= {}\n\n", ran.code));
        self.without_measures(&text)
    }

    /// What differs from run to run taken out.
    fn without_measures(&self, text: &str) -> String {
        let text = text.replace(&format!("cloakroom-{}", self.around.uid), "cloakroom-33");
        let mut out = String::new();
        for line in text.lines() {
            let measure =
                ["One load takes ", "Free on its disk: ", "SQLite's log has "].into_iter().find(|m| line.contains(m));
            match measure.and_then(|m| Some((line.find(m)? + m.len(), line.rfind('.')?))) {
                Some((from, to)) => out.push_str(&format!("{}#{}", &line[..from], &line[to..])),
                None => out.push_str(line),
            }
            out.push('\n');
        }
        out
    }
}

pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

pub(crate) fn budget() -> Budget {
    Budget::of(Duration::from_secs(5))
}

pub(crate) fn id(text: &str) -> SessionId {
    SessionId::parse(text.as_bytes()).expect("valid")
}

fn cart(size: usize) -> Vec<u8> {
    format!("cart|s:{size}:\"{}\";", "x".repeat(size)).into_bytes()
}

pub(crate) async fn keep(engine: &Engine, name: &str, payload: &[u8], owner: Option<&str>) {
    let mut session = engine.fresh(id(name), LIFETIME);
    session.set_owner(owner.map(|o| Owner::new(o).expect("short")));
    session.commit(engine, budget(), payload, PHP).await.expect("kept");
}

/// Compares with the golden file; `CLOAKROOM_BLESS=1` writes it anew.
pub(crate) fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("CLOAKROOM_BLESS").is_some() {
        fs::write(&path, text).expect("written");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "{} is not what the command prints now (CLOAKROOM_BLESS=1 accepts it):\n{text}",
        path.display()
    );
}
