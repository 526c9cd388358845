//! Where one handler's time goes: `perf` looks at PHP's workers and the server while requests come.
//! BENCH_PROFILE names the handler as the report does, BENCH_SIZE the bytes in a session, BENCH_WORKERS how many are busy.

use std::process::Command;

use cloakroom_testbed::{Error, Folder, Result, find_program};

use crate::load::{self, SIZES, Visitors};
use crate::subjects::{Subject, WORKERS};

/// Requests of all workers together.
const REQUESTS: usize = 40_000;
const SESSIONS: usize = 20;

/// Leaves `perf.data` in `out`.
pub(crate) fn record(subject: &mut Subject, out: &Folder) -> Result<()> {
    let number = |name: &str, otherwise: usize| match std::env::var(name) {
        Ok(text) => text.parse().map_err(|_| Error::Other(format!("{name} is a number, not '{text}'"))),
        Err(_) => Ok(otherwise),
    };
    let (size, crowd) = (number("BENCH_SIZE", 0)?, number("BENCH_WORKERS", 1)?.clamp(1, WORKERS));
    if !SIZES.contains(&size) {
        return Err(Error::Other(format!("BENCH_SIZE is one of {SIZES:?}")));
    }
    let mut visitors = Visitors::begin(subject, SESSIONS)?;
    load::burst(subject, &mut visitors, size, crowd, 500)?;
    let data = out.join("perf.data");
    let processes: Vec<String> = subject.processes().iter().map(ToString::to_string).collect();
    let mut perf = Command::new(find_program("perf")?)
        .args(["record", "--quiet", "--event=cpu-clock", "--freq=5000", "--call-graph=fp", "--pid"])
        .arg(processes.join(","))
        .arg("--output")
        .arg(&data)
        .spawn()
        .map_err(|error| Error::Other(format!("could not start perf: {error}")))?;
    let sample = load::burst(subject, &mut visitors, size, crowd, REQUESTS / crowd);
    if let Some(pid) = rustix::process::Pid::from_raw(perf.id() as i32) {
        // What a Ctrl-C would do: perf writes what it has.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
    }
    let _ = perf.wait();
    let load::Sample { php, server, p50, p99 } = sample?;
    println!("PHP {php:.1} µs, server {server:.1} µs a request under perf; p50 {p50:.0}, p99 {p99:.0}");
    println!("perf report --no-children --sort dso,symbol -i {}", data.display());
    Ok(())
}
