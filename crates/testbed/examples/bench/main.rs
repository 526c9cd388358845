//! `make bench`: what one request with a session costs, for Cloakroom and for its peers, in one run.
//!
//! Every handler has its own pool of php-fpm, started once, as the distribution ships it. Clients speak FastCGI over
//! connections that stay open, one for each worker. Rounds of short bursts go over all handlers in turn, beginning with
//! another one each time, so that a noisy minute hits all of them; ratios are taken within a round. See docs/bench.md.
#![forbid(unsafe_code)]

mod cached;
mod cpu;
mod facts;
mod fastcgi;
mod figures;
mod killed;
mod load;
mod profile;
mod report;
mod shared;
mod subjects;

use std::process::ExitCode;

use cloakroom_testbed::{Error, Folder, PhpSettings, Result, target_dir};

use killed::Killed;
use load::{CROWDS, SIZES, Sample, Visitors};
use report::Cell;
use subjects::{Servers, Subject};

/// How much is measured.
#[derive(Debug, Clone, Copy, serde::Serialize)]
struct Effort {
    rounds: usize,
    /// Requests of each worker in a burst.
    requests: usize,
    /// Sessions of each worker.
    sessions: usize,
}

const FULL: Effort = Effort { rounds: 12, requests: 150, sessions: 50 };
const QUICK: Effort = Effort { rounds: 4, requests: 60, sessions: 20 };
/// Requests of each worker before anything is measured: compiled, connected, caches filled.
const WARM_UP: usize = 60;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let effort = match std::env::var("BENCH").as_deref() {
        Ok("quick") => QUICK,
        Ok("full" | "") | Err(_) => FULL,
        Ok(other) => return Err(Error::Other(format!("BENCH is quick or full, not '{other}'"))),
    };
    let out = Folder::permanent(&target_dir().join("bench"))?;
    let temporary = |parent: &std::path::Path| {
        let made = tempfile::Builder::new().prefix("cloakroom-bench-").tempdir_in(parent);
        made.map_err(|error| Error::Other(format!("could not make a folder in {}: {error}", parent.display())))
    };
    let (disk, memory) = (temporary(out.path())?, temporary("/dev/shm".as_ref())?);
    let facts = facts::facts(disk.path(), memory.path());
    let place = Folder::permanent(disk.path())?;
    let script = page(&place)?;
    let servers = Servers::start()?;
    if let Ok(subject) = std::env::var("BENCH_PROFILE") {
        let mut subject = subjects::start_one(&subject, &servers, &script, &place, memory.path())?;
        return profile::record(&mut subject, &out);
    }
    if std::env::var("BENCH_PART").is_ok_and(|part| part == "killed") {
        let killed = killed_holders(&servers, &script, &place)?;
        println!("{}", report::killed_to_markdown(&killed));
        return Ok(());
    }
    if std::env::var("BENCH_PART").is_ok_and(|part| part == "cached") {
        println!("{}", report::cached_to_markdown(&cached::measure(&place)?));
        return Ok(());
    }
    let mut subjects = subjects::start(&servers, &script, &place, memory.path())?;
    let mut visitors = warm_up(&mut subjects, effort)?;
    let cells = rounds(&mut subjects, &mut visitors, effort)?;
    eprintln!("several requests of one session at once");
    let with_sessions = subjects.iter_mut().filter(|subject| subject.has_sessions());
    let shared = with_sessions
        .map(|subject| Ok((subject.name, shared::measure(subject, effort.requests / 3)?)))
        .collect::<Result<Vec<_>>>()?;
    eprintln!("a page behind a page cache");
    let cached = cached::measure(&place)?;
    let settings: Vec<_> = subjects.iter().map(|subject| (subject.name, subject.settings.clone())).collect();
    eprintln!("holders of locks, killed");
    let killed = killed_holders(&servers, &script, &place)?;
    let report = report::Report { effort, facts, settings, cells, shared, cached, killed };
    out.write("results.json", report.to_json())?;
    let text = report.to_markdown();
    let path = out.write("report.md", &text)?;
    println!("{text}\nWritten to {}", path.display());
    Ok(())
}

fn killed_holders(servers: &Servers, script: &std::path::Path, place: &Folder) -> Result<Vec<Killed>> {
    let all = subjects::locking(servers, place)?.into_iter();
    all.map(|(name, settings, rounds)| killed::measure(name, settings, rounds, script, place.path())).collect()
}

/// Writes the page and, for each size, the content that only PHP's encoding is measured with.
fn page(place: &Folder) -> Result<std::path::PathBuf> {
    let script = place.write("page.php", include_str!("page.php"))?;
    let folder = tempfile::tempdir().map_err(|error| Error::Other(format!("could not make a folder: {error}")))?;
    let mut files = vec![script.clone()];
    for size in SIZES {
        let mut php = cloakroom_testbed::cli(&PhpSettings::new(), folder.path())?;
        let code = "parse_str($argv[1], $_GET); require $argv[2];";
        let made = php.args(["-r", code, &format!("mode=make&size={size}")]).arg(&script).output();
        let content = made.map_err(|error| Error::Other(format!("could not run PHP: {error}")))?.stdout;
        files.push(place.write(format!("content-{size}.php"), content)?);
    }
    // The opcode cache takes no file that is younger than two seconds.
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    for file in files {
        let aged = std::fs::File::options().write(true).open(&file).and_then(|file| file.set_modified(long_ago));
        aged.map_err(|error| Error::Other(format!("could not age {}: {error}", file.display())))?;
    }
    Ok(script)
}

fn warm_up(subjects: &mut [Subject], effort: Effort) -> Result<Vec<Visitors>> {
    let mut all = Vec::with_capacity(subjects.len());
    for subject in subjects {
        eprintln!("warming up: {}", subject.name);
        let begun = Visitors::begin(subject, effort.sessions);
        let told = |error| Error::Other(format!("{}: {error}\n{}", subject.name, subject.log()));
        let mut visitors = begun.map_err(told)?;
        for size in SIZES {
            load::burst(subject, &mut visitors, size, subjects::WORKERS, WARM_UP)?;
        }
        all.push(visitors);
    }
    Ok(all)
}

fn rounds(subjects: &mut [Subject], visitors: &mut [Visitors], effort: Effort) -> Result<Vec<Cell>> {
    let mut cells = Vec::new();
    for size in SIZES {
        for crowd in CROWDS {
            cells.extend(subjects.iter().map(|subject| Cell::new(subject.name, size, crowd)));
        }
    }
    let count = subjects.len();
    for round in 0..effort.rounds {
        eprintln!("round {} of {}", round + 1, effort.rounds);
        for (at, group) in cells.chunks_mut(count).enumerate() {
            for turn in 0..count {
                // Another one begins each time, and goes the other way round every second time.
                let place = (turn + round * 5 + at) % count;
                let subject = if round % 2 == 0 { place } else { count - 1 - place };
                let cell = &mut group[subject];
                let (subject, visitors) = (&mut subjects[subject], &mut visitors[subject]);
                let sample: Sample = load::burst(subject, visitors, cell.size, cell.crowd, effort.requests)?;
                cell.rounds.push(sample);
            }
        }
    }
    Ok(cells)
}
