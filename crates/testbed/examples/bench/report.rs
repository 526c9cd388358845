//! What came out, for people (`report.md`) and for programs (`results.json`).

use std::fmt::Write;

use crate::Effort;
use crate::cached::Cached;
use crate::figures::{Ratio, median};
use crate::killed::{AT_MOST, Killed};
use crate::load::{CROWDS, SIZES, Sample};
use crate::shared::Shared;
use crate::subjects::{ENCODING, FILES, NONE, PHPREDIS_TCP, PHPREDIS_UNIX, REDIS_TCP, REDIS_UNIX, SQLITE};

/// One handler with one size of session and one number of workers, in all rounds.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Cell {
    pub(crate) name: &'static str,
    pub(crate) size: usize,
    pub(crate) crowd: usize,
    /// Microseconds, the page without a session included.
    pub(crate) rounds: Vec<Sample>,
}

impl Cell {
    pub(crate) fn new(name: &'static str, size: usize, crowd: usize) -> Self {
        Self { name, size, crowd, rounds: Vec::new() }
    }

    fn each(&self, field: impl Fn(&Sample) -> f64) -> Vec<f64> {
        self.rounds.iter().map(field).collect()
    }
}

/// Everything that is told.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) effort: Effort,
    pub(crate) facts: Vec<(&'static str, String)>,
    pub(crate) settings: Vec<(&'static str, String)>,
    pub(crate) cells: Vec<Cell>,
    pub(crate) shared: Vec<(&'static str, Shared)>,
    pub(crate) cached: Vec<Cached>,
    pub(crate) killed: Vec<Killed>,
}

/// What a session costs beyond the page, in one cell; microseconds of CPU, medians over rounds.
#[derive(Debug, serde::Serialize)]
struct Cost {
    name: &'static str,
    size: usize,
    crowd: usize,
    php: f64,
    server: f64,
    sum: f64,
    /// The sum without PHP's own encoding and decoding, which is the same for every handler.
    storing: f64,
    to_phpredis: Ratio,
    to_files: Ratio,
    /// Wall microseconds of the whole request.
    p50: f64,
    p99: f64,
    p99_to_files: Ratio,
}

/// Something that issue 2 wants, and what was found.
#[derive(Debug, serde::Serialize)]
struct Target {
    text: String,
    size: usize,
    crowd: usize,
    at_most: f64,
    found: Ratio,
    met: bool,
}

impl Report {
    fn cell(&self, name: &str, size: usize, crowd: usize) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.name == name && cell.size == size && cell.crowd == crowd)
    }

    /// Microseconds of CPU beyond the page without a session, round by round.
    fn sums(&self, name: &str, size: usize, crowd: usize) -> Vec<f64> {
        let whole = |name| self.cell(name, size, crowd).map(|cell| cell.each(|s| s.php + s.server)).unwrap_or_default();
        whole(name).iter().zip(whole(NONE)).map(|(with, without)| with - without).collect()
    }

    fn costs(&self) -> Vec<Cost> {
        self.cells.iter().map(|cell| self.cost(cell)).collect()
    }

    fn cost(&self, cell: &Cell) -> Cost {
        let (size, crowd) = (cell.size, cell.crowd);
        let base = self.cell(NONE, size, crowd).map(|none| none.each(|s| s.php)).unwrap_or_default();
        let php: Vec<f64> = cell.each(|s| s.php).iter().zip(base).map(|(with, without)| with - without).collect();
        let sums = self.sums(cell.name, size, crowd);
        let encoding = self.sums(ENCODING, size, crowd);
        let storing: Vec<f64> = sums.iter().zip(encoding).map(|(sum, encoding)| sum - encoding).collect();
        let files_p99 = self.cell(FILES, size, crowd).map(|files| files.each(|s| s.p99)).unwrap_or_default();
        Cost {
            name: cell.name,
            size,
            crowd,
            php: median(&php),
            server: median(&cell.each(|s| s.server)),
            sum: median(&sums),
            storing: median(&storing),
            to_phpredis: Ratio::of(&sums, &self.sums(phpredis_beside(cell.name), size, crowd)),
            to_files: Ratio::of(&sums, &self.sums(FILES, size, crowd)),
            p50: median(&cell.each(|s| s.p50)),
            p99: median(&cell.each(|s| s.p99)),
            p99_to_files: Ratio::of(&cell.each(|s| s.p99), &files_p99),
        }
    }

    fn targets(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        let mut add = |text: String, size, crowd, at_most, found: Ratio| {
            targets.push(Target { text, size, crowd, at_most, found, met: found.median <= at_most });
        };
        for size in SIZES {
            for crowd in CROWDS {
                let ratio = |these: &str, those: &str| {
                    Ratio::of(&self.sums(these, size, crowd), &self.sums(those, size, crowd))
                };
                let cpu = |these: &str, those: &str| format!("CPU: {these} / {those}");
                for peer in [PHPREDIS_UNIX, PHPREDIS_TCP, FILES] {
                    add(cpu(SQLITE, peer), size, crowd, 0.5, ratio(SQLITE, peer));
                }
                for (ours, theirs) in [(REDIS_UNIX, PHPREDIS_UNIX), (REDIS_TCP, PHPREDIS_TCP)] {
                    add(cpu(ours, theirs), size, crowd, 0.75, ratio(ours, theirs));
                }
            }
            let crowd = CROWDS[CROWDS.len() - 1];
            if let Some(cell) = self.cell(SQLITE, size, crowd) {
                add(format!("p99: {SQLITE} / {FILES}"), size, crowd, 1.0, self.cost(cell).p99_to_files);
            }
        }
        targets
    }

    /// For programs: every round, and what was made of them.
    pub(crate) fn to_json(&self) -> String {
        let map = |pairs: &[(&'static str, String)]| -> serde_json::Map<String, serde_json::Value> {
            pairs.iter().map(|(name, value)| ((*name).into(), value.clone().into())).collect()
        };
        let shared: Vec<_> =
            self.shared.iter().map(|(name, s)| serde_json::json!({"name": name, "result": s})).collect();
        let all = serde_json::json!({
            "effort": self.effort,
            "machine": map(&self.facts),
            "settings": map(&self.settings),
            "costs": self.costs(),
            "targets": self.targets(),
            "one_session": shared,
            "page_cache": self.cached,
            "killed_holders": self.killed,
            "rounds": self.cells,
        });
        format!("{all:#}\n")
    }

    /// For people.
    pub(crate) fn to_markdown(&self) -> String {
        let mut out = String::from(
            "# What a request with a session costs\n\n\
             Session start, change, write and close through php-fpm. CPU in microseconds a request, beyond that of the same \
             page without a session; `storing alone` leaves out what PHP's own encoding and decoding take. Wall times are in microseconds, of the whole request. Medians over rounds; ratios are \
             those of each round, with a quarter of the rounds below and above the range. How it is measured: \
             docs/bench.md.\n\n",
        );
        self.write_facts(&mut out);
        self.write_targets(&mut out);
        let costs = self.costs();
        for size in SIZES {
            let _ = writeln!(out, "\n## {}\n", payload(size));
            for crowd in CROWDS {
                write_costs(&mut out, crowd, costs.iter().filter(|cost| cost.size == size && cost.crowd == crowd));
            }
        }
        self.write_shared(&mut out);
        out.push_str(&cached_to_markdown(&self.cached));
        out.push_str(&killed_to_markdown(&self.killed));
        out
    }

    fn write_facts(&self, out: &mut String) {
        let Effort { rounds, requests, sessions } = self.effort;
        let _ = writeln!(out, "| | |\n|---|---|");
        let _ = writeln!(out, "| effort | {rounds} rounds of {requests} requests a worker, {sessions} sessions each |");
        for (name, value) in &self.facts {
            let _ = writeln!(out, "| {name} | {value} |");
        }
    }

    fn write_targets(&self, out: &mut String) {
        let _ = writeln!(out, "\n## Targets\n\n| what | payload | workers | at most | found | range | |");
        let _ = writeln!(out, "|---|---|--:|--:|--:|---|---|");
        for target in self.targets() {
            let Target { text, size, crowd, at_most, found, met } = target;
            let _ = writeln!(
                out,
                "| {text} | {} | {crowd} | {at_most} | {:.2} | {:.2}–{:.2} | {} |",
                payload(size),
                found.median,
                found.low,
                found.high,
                if met { "met" } else { "**not met**" }
            );
        }
    }

    fn write_shared(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "\n## Four requests of one session at once\n\n\
             Each stays in its session for 2 ms and counts in a variable of its own. A request has waited when its \
             session_start took more than 1 ms.\n\n\
             | handler | requests | waited | median ms | p99 ms | longest ms | changes kept |\n|---|--:|--:|--:|--:|--:|--:|"
        );
        for (name, shared) in &self.shared {
            let Shared { requests, waited, wait_median, wait_p99, wait_longest, kept, failed } = shared;
            let wait = |ms: &f64| if ms.is_finite() { format!("{ms:.1}") } else { "–".into() };
            let failed = if *failed > 0 { format!(" ({failed} failed)") } else { String::new() };
            let _ = writeln!(
                out,
                "| {name} | {requests}{failed} | {waited} | {} | {} | {} | {kept} |",
                wait(wait_median),
                wait(wait_p99),
                wait(wait_longest)
            );
        }
    }
}

/// The part about page caches, for people.
pub(crate) fn cached_to_markdown(all: &[Cached]) -> String {
    let mut out = String::from(
        "\n## A page that leaves its session empty, behind nginx's page cache\n\n\
         Visitors without cookies, eight at a time; the clients run on the same machine.\n\n\
         | handler | requests a second | to files | hits | cookies sent |\n|---|--:|--:|--:|--:|\n",
    );
    let files =
        all.iter().find(|cached| cached.name == "files").map(|files| files.rates.as_slice()).unwrap_or_default();
    for cached in all {
        let (rate, hits) = (cached.rate(), 100.0 * cached.hit_ratio());
        let to_files = Ratio::of(&cached.rates, files).median;
        let _ = writeln!(out, "| {} | {rate:.0} | {to_files:.1} | {hits:.2} % | {} |", cached.name, cached.cookies);
    }
    out
}

/// Who waits for a dead holder's lock, and how long.
pub(crate) fn killed_to_markdown(all: &[Killed]) -> String {
    let mut out = String::from(
        "\n## The holder of a lock killed with -9\n\n\
         The whole next request of the same session, on the same host.\n\n\
         | handler | killed | median ms | longest ms | at most | | refused or lost |\n|---|--:|--:|--:|--:|---|--:|\n",
    );
    for killed in all {
        let ours = killed.name.starts_with("Cloakroom");
        let met = if killed.longest() < AT_MOST && killed.failed == 0 { "met" } else { "**not met**" };
        let (limit, met) = if ours { (format!("{AT_MOST:.0}"), met) } else { (String::new(), "") };
        let (name, median, longest) = (killed.name, killed.median(), killed.longest());
        let _ = writeln!(
            out,
            "| {name} | {} | {median:.1} | {longest:.1} | {limit} | {met} | {} |",
            killed.waits.len(),
            killed.failed
        );
    }
    out
}

/// The phpredis that a handler is compared with: on the same transport, and the quicker one where there is none.
fn phpredis_beside(name: &str) -> &'static str {
    if name.contains("TCP") && !name.contains("MariaDB") { PHPREDIS_TCP } else { PHPREDIS_UNIX }
}

fn payload(size: usize) -> String {
    match size {
        0 => "a counter".into(),
        size => format!("{} KiB", size / 1024),
    }
}

fn write_costs<'a>(out: &mut String, crowd: usize, costs: impl Iterator<Item = &'a Cost>) {
    let workers = if crowd == 1 { "1 worker".into() } else { format!("{crowd} workers") };
    let _ = writeln!(
        out,
        "| {workers} | PHP CPU | server CPU | sum | storing alone | to phpredis | to files on disk | p50 | p99 |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|"
    );
    for Cost { name, php, server, sum, storing, to_phpredis, to_files, p50, p99, .. } in costs {
        let ratio = |ratio: &Ratio| if *name == NONE { String::new() } else { format!("{:.2}", ratio.median) };
        let (to_phpredis, to_files) = (ratio(to_phpredis), ratio(to_files));
        let _ = writeln!(
            out,
            "| {name} | {php:.0} | {server:.0} | {sum:.0} | {storing:.0} | {to_phpredis} | {to_files} | {p50:.0} | {p99:.0} |"
        );
    }
    out.push('\n');
}
