//! Runs a history: starts clients, kills and replaces them, troubles the network and the server, and reads every id at the end.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use cloakroom::{Budget, SessionId};
use cloakroom_testbed::{Direction, Folder, Proxy, wait_until};

use super::check::{Broken, JUDGE, check};
use super::client::{Dice, LIFETIME, TASK, Task, engine, runtime, told};
use super::log::{History, How, Line, Log, Told, What, now};
use crate::{Backend, Store};

/// How a history is run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How many processes at a time.
    pub clients: usize,
    /// How far each server's clock is off, in milliseconds; clients are spread over them.
    pub servers: Vec<i64>,
    /// How many visitors.
    pub visitors: usize,
    /// For how long.
    pub time: Duration,
    /// How often a client is killed.
    pub kill_every: Duration,
    /// Whether clients' stores ignore versions.
    pub blind: bool,
    /// Draws everything that is drawn but moments and ids.
    pub seed: u64,
}

impl Plan {
    /// As `make test` runs it, or as `make check-long` does.
    pub fn usual(store: Store) -> Self {
        let long = std::env::var_os("CLOAKROOM_CHECK_LONG").is_some();
        // All processes of one SQLite file are on one host, which has one clock.
        let servers = if store == Store::Sqlite { vec![0, 0] } else { vec![0, 5000, -5000] };
        Self {
            clients: 6,
            servers,
            visitors: 3,
            time: Duration::from_secs(if long { 60 } else { 12 }),
            kill_every: Duration::from_millis(250),
            blind: false,
            seed: now(),
        }
    }
}

/// What was seen.
#[derive(Debug)]
pub struct Outcome {
    /// How many operations there were.
    pub operations: usize,
    /// What was broken.
    pub broken: Vec<Broken>,
    /// How often what was told.
    pub tally: BTreeMap<String, usize>,
    /// How many connections the proxy has ended in the middle of something.
    pub sprung: u64,
    /// The seed, to draw the same again.
    pub seed: u64,
}

struct Running {
    child: Child,
    server: usize,
}

struct Run<'a> {
    plan: &'a Plan,
    url: &'a str,
    folder: &'a Folder,
    dice: Dice,
    clients: Vec<Running>,
    started: usize,
    until: u64,
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        for client in &mut self.clients {
            let _ = client.child.kill();
            let _ = client.child.wait();
        }
    }
}

impl Run<'_> {
    fn start(&mut self, server: usize) {
        self.started += 1;
        let task = Task {
            name: format!("c{}s{server}", self.started),
            url: self.url.into(),
            folder: self.folder.path().into(),
            groups: self.plan.visitors,
            clock: self.plan.servers[server],
            blocking: self.started.is_multiple_of(2),
            blind: self.plan.blind,
            seed: self.dice.next(),
            until: self.until,
        };
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "client", "--ignored", "--nocapture", "--test-threads=1"])
            .env(TASK, serde_json::to_string(&task).unwrap())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.clients.push(Running { child, server });
    }

    /// Kills one, wherever it is.
    fn kill_one(&mut self) {
        let at = self.dice.below(self.clients.len() as u64) as usize;
        self.clients[at].child.kill().unwrap();
    }

    /// Puts others in the place of those that died.
    fn replace(&mut self) {
        for at in (0..self.clients.len()).rev() {
            if let Some(status) = self.clients[at].child.try_wait().unwrap() {
                assert_eq!(status.signal(), Some(9), "a client ended by itself: see what it said");
                let client = self.clients.swap_remove(at);
                self.start(client.server);
            }
        }
    }

    /// Something happens to the network.
    fn trouble(&mut self, proxy: &Proxy) {
        let direction = if self.dice.promille(500) { Direction::ToServer } else { Direction::ToClient };
        match self.dice.below(12) {
            0 => proxy.cut(),
            1 => proxy.reset(),
            2 => proxy.delay(direction, Duration::from_millis(1 + self.dice.below(60))),
            3 => proxy.stall(direction),
            4 => proxy.cut_after(direction, self.dice.below(20_000)),
            5 => proxy.lose_request_where(|_| true),
            6..=9 => proxy.swallow_next_reply(),
            _ => proxy.heal(),
        }
    }
}

/// Runs a history on a store, and judges it.
pub fn run(store: Store, plan: &Plan) -> Outcome {
    let backend = Backend::start(store, true);
    let proxy = (store != Store::Sqlite).then(|| Proxy::start(backend.endpoint()).unwrap());
    let folder = Folder::new("history").unwrap();
    let url = backend.url(proxy.as_ref().map(Proxy::address));
    let until = now() + u64::try_from(plan.time.as_nanos()).unwrap();
    let clients = Vec::new();
    let mut run = Run { plan, url: &url, folder: &folder, dice: Dice(plan.seed), clients, started: 0, until };
    for client in 0..plan.clients {
        run.start(client % plan.servers.len());
    }
    let began = Instant::now();
    let (mut restarted, mut kill_at, mut trouble_at) = (proxy.is_none(), plan.kill_every, Duration::from_secs(1));
    // Clients end by themselves at the end; the last second belongs to them.
    while began.elapsed() + Duration::from_secs(1) < plan.time {
        // Not a wait for anything: the trouble comes when it comes.
        std::thread::sleep(Duration::from_millis(5));
        run.replace();
        if began.elapsed() > kill_at {
            run.kill_one();
            kill_at = began.elapsed() + plan.kill_every.mul_f64(0.5 + run.dice.below(100) as f64 / 100.0);
        }
        let Some(proxy) = &proxy else { continue };
        if began.elapsed() > trouble_at {
            run.trouble(proxy);
            trouble_at = began.elapsed() + Duration::from_millis(run.dice.below(180));
            if trouble_at > plan.time - Duration::from_secs(3) {
                proxy.heal();
                trouble_at = plan.time;
            }
        }
        if !restarted && began.elapsed() > plan.time / 2 {
            backend.service().kill9();
            backend.service().start().unwrap();
            restarted = true;
        }
    }
    if let Some(proxy) = &proxy {
        proxy.heal();
    }
    for mut client in std::mem::take(&mut run.clients) {
        let mut ended = None;
        let over = || {
            ended = client.child.try_wait().unwrap();
            ended.is_some()
        };
        let in_time = wait_until("a client ends", Duration::from_secs(20), over);
        let _ = client.child.kill();
        let _ = client.child.wait();
        in_time.unwrap();
        let fine = |status: ExitStatus| status.success() || status.signal() == Some(9);
        assert!(ended.is_some_and(fine), "a client failed: see what it said");
    }
    drop(run);
    let sprung = proxy.as_ref().map_or(0, Proxy::sprung);
    drop(proxy);
    judge(&folder, &backend.url(None));
    let history = History::read(folder.path()).unwrap();
    let broken = check(&history);
    if !broken.is_empty() && !plan.blind {
        keep(&folder);
    }
    Outcome { broken, tally: tally(&history), operations: history.ops.len(), sprung, seed: plan.seed }
}

/// Reads every id.
fn judge(folder: &Folder, url: &str) {
    let mut history = History::read(folder.path()).unwrap();
    let engine = engine(url, 0, false, false).unwrap();
    let mut log = Log::create(&folder.join(format!("{JUDGE}.log"))).unwrap();
    history.ids.dedup();
    runtime().block_on(async {
        for (request, (group, key, id)) in (0..).zip(history.ids) {
            let cookie = SessionId::parse(id.as_bytes()).unwrap();
            log.write(&Line::Request { request, group, key: key.clone(), id }).unwrap();
            log.write(&Line::Begin { request, at: now(), key: key.clone(), what: What::Open }).unwrap();
            let opening = engine.open(Budget::of(Duration::from_secs(20)), &cookie, LIFETIME).await;
            let (_, after, told) = told(opening, &key);
            assert!(!matches!(told, Told::Opened { how: How::Detached, .. }), "the store is away at the end");
            log.write(&Line::End { at: now(), key: after, told }).unwrap();
        }
    });
}

/// Keeps the logs of a history that broke something.
fn keep(folder: &Folder) {
    let place = cloakroom_testbed::target_dir().join("histories").join(now().to_string());
    std::fs::create_dir_all(&place).unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "log") {
            std::fs::copy(&path, place.join(path.file_name().unwrap())).unwrap();
        }
    }
    println!("the logs are in {}", place.display());
}

fn tally(history: &History) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for op in history.ops.iter().filter(|op| op.client != JUDGE) {
        let what = match &op.told {
            None => "killed".into(),
            Some((_, Told::Opened { how, .. }, _)) => format!("opened {how:?}"),
            Some((_, Told::Failed { unknown, .. }, _)) => {
                if *unknown {
                    "outcome unknown".into()
                } else {
                    "failed".into()
                }
            }
            Some((_, Told::Merged(conflicts), _)) => {
                if conflicts.is_empty() {
                    "Merged".into()
                } else {
                    "Merged with conflicts".into()
                }
            }
            Some((_, told, _)) => format!("{told:?}"),
        };
        *tally.entry(what).or_default() += 1;
    }
    tally
}
