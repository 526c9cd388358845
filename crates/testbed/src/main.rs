//! `cloakroom-testbed`: brings WordPress on two application servers up, and down again. `make up` and `make down` call it.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cloakroom_testbed::up::{self, Action, Handler, Store};
use cloakroom_testbed::{Error, Result};

const USAGE: &str = "Usage: cloakroom-testbed up [--store sqlite|mysql|redis] [--handler cloakroom|files]
       cloakroom-testbed status
       cloakroom-testbed down";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.split_first() {
        Some((&"up", options)) => handler(options).and_then(bring_up),
        Some((&"status", [])) => return show_status(),
        Some((&"down", [])) => bring_down(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn handler(options: &[&str]) -> Result<Handler> {
    let (mut store, mut files) = (Store::Sqlite, false);
    for pair in options.chunks(2) {
        match pair {
            ["--store", name] => store = name.parse()?,
            ["--handler", "files"] => files = true,
            ["--handler", "cloakroom"] => files = false,
            _ => return Err(Error::Other(format!("'{}' is not understood\n{USAGE}", pair.join(" ")))),
        }
    }
    Ok(if files { Handler::Files } else { Handler::Cloakroom(store) })
}

fn bring_up(handler: Handler) -> Result<()> {
    let report = up::up(&up::folder(), handler)?;
    for (server, action) in &report.servers {
        match action {
            Action::Kept => {}
            Action::Started => println!("{server}: started"),
            Action::Restarted => println!("{server}: started again"),
        }
    }
    report.moved.iter().for_each(|sentence| println!("{sentence}"));
    let address = &report.address;
    println!("\nWordPress on two servers, A and B:  {address}");
    match handler {
        Handler::Files => println!("Sessions: PHP's own files, on each server for itself\n"),
        Handler::Cloakroom(_) => println!("Sessions: Cloakroom, {}\n", report.store),
    }
    println!("Try:");
    match handler {
        Handler::Files => println!("  put things into the cart and reload: half of it is on the other server"),
        Handler::Cloakroom(_) => println!("  put things into the cart and reload: A and B take turns, the cart stays"),
    }
    match handler {
        Handler::Files => {
            println!("  reload with an empty cart: the page never comes out of the page cache (X-Cache: MISS)")
        }
        Handler::Cloakroom(_) => {
            println!("  reload with an empty cart: the page comes out of the page cache (X-Cache: HIT)")
        }
    }
    println!("  curl -s -c jar -b jar '{address}?cloakroom_demo=add&item=3'     (again and again)");
    println!("  {address}wp-admin/ as admin, password {}", report.admin_password);
    match handler {
        Handler::Files => println!("  (there: the dashboard says what Cloakroom's plugin lacks)"),
        Handler::Cloakroom(_) => println!("  (there: Tools > Sessions, Tools > Site Health, your profile)"),
    }
    if let (Handler::Cloakroom(_), Some(command)) = (handler, command()) {
        let settings = from_here(&up::folder().join("php-fpm-a"));
        println!(
            "  {} --php-ini {} list     (also: conflicts, doctor)",
            from_here(&command).display(),
            settings.display()
        );
    }
    println!("\nmake down ends it. Logs are under {}", up::folder().display());
    Ok(())
}

/// The operator's command, which `make up` leaves beside this one.
fn command() -> Option<PathBuf> {
    let command = std::env::current_exe().ok()?.with_file_name("cloakroom");
    command.is_file().then_some(command)
}

/// A path as short as it can be typed in the present folder.
fn from_here(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).to_path_buf()
}

fn show_status() -> ExitCode {
    let servers = up::status(&up::folder());
    if servers.iter().all(|(_, pid)| pid.is_none()) {
        println!("Nothing is up. `make up` starts it.");
        return ExitCode::SUCCESS;
    }
    for (server, pid) in &servers {
        match pid {
            Some(pid) => println!("{server:<10} runs, process {pid}"),
            None => println!("{server:<10} does not run"),
        }
    }
    // Redis runs only where it is the store.
    let all = servers.iter().all(|(server, pid)| pid.is_some() || *server == "redis");
    if all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn bring_down() -> Result<()> {
    match up::down(&up::folder())?.as_slice() {
        [] => println!("Nothing was up."),
        ended => println!("Ended: {}", ended.join(", ")),
    }
    Ok(())
}
