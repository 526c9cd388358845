//! What one has to know of the machine to read the figures.

use std::path::Path;
use std::process::Command;

use cloakroom_testbed::{find_program, php_version, project_root};

/// Name and value, in the order people read them.
pub(crate) fn facts(disk: &Path, memory: &Path) -> Vec<(&'static str, String)> {
    let php = format!("php{}", php_version().unwrap_or_default());
    let php_says = |code: &str| said(&php, &["-r", code]);
    let extension = |name: &str| php_says(&format!("echo phpversion('{name}') ?: 'missing';"));
    vec![
        ("source", said("git", &["-C", &project_root().display().to_string(), "describe", "--always", "--dirty"])),
        ("kernel", read("/proc/sys/kernel/osrelease")),
        ("processor", processor()),
        ("load before", read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ")),
        ("disk", file_system(disk)),
        ("memory", file_system(memory)),
        ("PHP", php_says("echo PHP_VERSION;")),
        ("opcache", php_says("echo ini_get('opcache.enable') ? 'on' : 'off', ', JIT ', ini_get('opcache.jit');")),
        ("phpredis", extension("redis")),
        ("php-memcached", extension("memcached")),
        ("Redis", said("redis-server", &["--version"])),
        ("memcached", said("memcached", &["--version"])),
        ("MariaDB", said("mariadbd", &["--version"])),
    ]
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_string()
}

/// The first line that a program prints.
fn said(program: &str, arguments: &[&str]) -> String {
    let run = || Command::new(find_program(program).ok()?).args(arguments).output().ok();
    let output = run().map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    output.lines().next().unwrap_or("unknown").trim().to_string()
}

fn processor() -> String {
    let text = read("/proc/cpuinfo");
    let model = text.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = text.lines().filter(|line| line.starts_with("processor")).count();
    format!("{} × {cores}", model.trim_start_matches(['\t', ' ', ':']))
}

/// The type of the file system that a folder lies on.
pub(crate) fn file_system(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    let mounts = read("/proc/self/mounts");
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let above = fields.filter(|fields| fields.len() > 2 && folder.starts_with(fields[1]));
    above.max_by_key(|fields| fields[1].len()).map_or("unknown".into(), |fields| fields[2].to_string())
}
