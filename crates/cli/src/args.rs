//! The command line, and the help that an operator reads.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::units;

/// Looks after the sessions that Cloakroom keeps.
#[derive(Debug, Parser)]
#[command(name = "cloakroom", bin_name = "cloakroom", version, term_width = 80, after_help = AFTER, subcommand_required = true)]
pub struct Cli {
    /// Where the store is, and how to speak of it.
    #[command(flatten)]
    pub place: PlaceArgs,

    /// Print JSON instead of tables
    #[arg(long, global = true, help_heading = "For every command")]
    pub json: bool,

    /// Seconds to wait for each answer of the store
    #[arg(long, value_name = "SECONDS", global = true, default_value = "10", value_parser = seconds, help_heading = "For every command")]
    pub timeout: Duration,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER: &str = "\
The store is found as PHP is configured: its php.ini files and PHP-FPM pools are
read; only doctor runs PHP, to see whether it loads the extension. Say --store,
--store-file or --php-ini to look elsewhere. No command makes a store.

Sessions are named by their key, a hash of the session id; the id itself is
never stored, so no command can print it.

Exit codes: 0 done, or no problem found; 1 not done as asked (no such session,
answered with no), or doctor found problems; 2 could not be tried (no store
found, no answer, wrong command line).";

/// Where the store is.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Where the sessions are")]
pub struct PlaceArgs {
    /// The store's URL: sqlite:PATH, mysql://…, redis://… or wordpress:FOLDER (others on this machine may see it; a password belongs into --store-file)
    #[arg(long, value_name = "URL", global = true, conflicts_with_all = ["store_file", "uid"])]
    pub store: Option<String>,

    /// A file that holds the store's URL, as in cloakroom.store_file
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "uid")]
    pub store_file: Option<PathBuf>,

    /// Read PHP's settings from here: a php.ini, or a folder of one SAPI such as /etc/php/8.2/fpm; several are read in order, as one PHP
    #[arg(long, value_name = "PATH", global = true)]
    pub php_ini: Vec<PathBuf>,

    /// Whose default store, where several users have one: a user's name or number
    #[arg(long, value_name = "USER", global = true)]
    pub uid: Option<String>,
}

impl PlaceArgs {
    /// A sentence about the setting `cloakroom.store`, about the option that was given instead of it.
    pub(crate) fn called(&self, text: &str) -> String {
        if self.store.is_some() {
            text.replace("cloakroom.store ", "--store ")
        } else if self.store_file.is_some() {
            text.replace("cloakroom.store is ", "The URL in --store-file is ")
                .replace("cloakroom.store (", "The URL in --store-file (")
                .replace("cloakroom.store ", "--store-file ")
        } else {
            text.to_owned()
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check PHP's settings and the store, and say what to mend
    #[command(
        long_about = "Check PHP's settings and the store, and say what to mend.\n\nChanges nothing. Exit code 0 when there \
                      is no problem (warnings may be), 1 when there are problems, 2 when nothing could be checked."
    )]
    Doctor,

    /// Say how many sessions there are
    Count {
        /// Only those of one site (cloakroom.namespace; '' for the default one): looks at every record
        #[arg(long, value_name = "NAME")]
        namespace: Option<String>,
    },

    /// List sessions
    #[command(
        long_about = "List sessions.\n\nThe order is the store's own. When there are more than --limit, the last line \
                      says how to see the next page."
    )]
    List(ListArgs),

    /// Show what is known of one session
    #[command(
        long_about = "Show what is known of one session.\n\nIts variables are not: they are sealed, and only the \
                      visitor's cookie opens them."
    )]
    Show {
        /// The session's key, or at least its first 6 digits
        key: String,
    },

    /// End sessions: who is logged in is logged out at the next click
    #[command(
        long_about = "End sessions: who is logged in is logged out at the next click, and a request that is still \
                      running can not bring the session back.\n\nAsks first. Without a terminal, say --yes."
    )]
    End(EndArgs),

    /// Remove what has expired
    #[command(
        long_about = "Remove what has expired, in small batches, so that no request waits.\n\nExpired sessions open for \
                      nobody, swept or not; sweeping only frees their room. PHP does it by itself after some responses; a \
                      timer may call this command on sites with few visitors. Redis does it by itself."
    )]
    Sweep {
        /// Stop after so many records
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        limit: Option<u64>,
    },

    /// Say which variables two requests changed at once
    #[command(
        long_about = "Say which variables two requests of one session changed at once, so that one change was lost, and \
                      what to do about it."
    )]
    Conflicts(ReportArgs),

    /// Say where somebody may have used a stolen session
    #[command(
        long_about = "Say where somebody may have used a stolen session: an id that was replaced at a log-in and used \
                      after its grace. The visitor got an empty session."
    )]
    Alarms(ReportArgs),

    /// Say what requests waited for, and how long
    Waits(ReportArgs),

    /// Say which writes were not saved, and why
    Dropped(ReportArgs),

    /// Say which pages sent the cookie of an empty session, and why
    #[command(
        long_about = "Say which pages sent the cookie of a session that was still empty, because they left before it was \
                      known whether anything would be in it. Such a page stays out of the page cache."
    )]
    Early(ReportArgs),

    /// Say who starts sessions, and who writes what into them
    #[command(
        long_about = "Say which plugin, theme or program starts sessions, in which file and line, on which pages, and \
                      whether they are used; who writes which variable; and which variables are large.\n\nPHP looks at \
                      one request in so many (cloakroom.blame), so counts are estimates."
    )]
    Blame(ReportArgs),

    /// Find what keeps pages out of the page cache, on the site or in its source
    #[command(
        long_about = "Find what keeps pages out of the page cache: on the site, as a visitor without cookies sees it, or in \
                      the source of its plugins, which is read and never run.\n\nExit code 0 when nothing was found, 1 \
                      when something was, 2 when nothing could be looked at."
    )]
    Audit(AuditArgs),
}

/// An option of [`PlaceArgs`] that is no use to a command, which then does not show it.
fn useless(name: &'static str, long: &'static str) -> clap::Arg {
    clap::Arg::new(name).long(long).hide(true)
}

/// What to audit.
#[derive(Debug, Clone, Args)]
#[command(
    arg = useless("store", "store"),
    arg = useless("store_file", "store-file").value_parser(clap::value_parser!(PathBuf)),
    arg = useless("php_ini", "php-ini").value_parser(clap::value_parser!(PathBuf)).action(clap::ArgAction::Append),
    arg = useless("uid", "uid"),
)]
pub struct AuditArgs {
    /// Addresses of pages (https://…), or folders and files of PHP
    #[arg(value_name = "ADDRESS|FOLDER", required_unless_present_any = ["sitemap", "from"])]
    pub what: Vec<String>,

    /// The pages that a sitemap or an index of sitemaps names
    #[arg(long, value_name = "URL")]
    pub sitemap: Vec<String>,

    /// The pages that a file names, one address a line; - for standard input
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,

    /// Look at so many pages at most; of a longer sitemap, spread over all of it
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,

    /// Do not check the site's certificate
    #[arg(long)]
    pub insecure: bool,

    /// Leave out files and folders that a pattern fits, such as vendor or 'tests/**'
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,

    /// What in the source makes the exit code 1
    #[arg(long, value_name = "WHAT", default_value = "every-request")]
    pub fail_on: FailOn,

    /// Print SARIF, which code hosts and editors show beside the code
    #[arg(long, conflicts_with = "json")]
    pub sarif: bool,
}

/// What in the source is a finding for the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// A session that is started on every request
    EveryRequest,
    /// Any start of a session
    Start,
    /// Any use of sessions
    Any,
}

/// Which part of a report.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// How far back, such as 30m, 12h or 7d (by whole hours; 30d are kept)
    #[arg(long, value_name = "AGE", default_value = "24h", value_parser = units::parse_age)]
    pub since: Duration,

    /// Show at most so many lines, the most frequent first; 0 for all
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u32,
}

/// Which sessions to list.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Only sessions of this owner (in WordPress the user with the site's scope, such as wp-1f3a9c02:42)
    #[arg(long, value_name = "OWNER")]
    pub owner: Option<String>,

    /// Only sessions not used for so long, such as 30m, 12h or 7d (to within a minute)
    #[arg(long, value_name = "AGE", value_parser = units::parse_age)]
    pub older_than: Option<Duration>,

    /// Only sessions with so many bytes or more, such as 20K
    #[arg(long, value_name = "SIZE", value_parser = units::parse_size)]
    pub min_size: Option<u32>,

    /// Only sessions of one site (cloakroom.namespace; '' for the default one)
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,

    /// Only named records, such as a shop's carts
    #[arg(long)]
    pub named: bool,

    /// Which state: live sessions, or the traces that moved and ended ones leave for a while
    #[arg(long, value_name = "STATE", default_value = "live")]
    pub state: StateArg,

    /// List at most so many; 0 for all
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u32,

    /// Go on after an earlier page, with the word that it printed
    #[arg(long, value_name = "WORD")]
    pub after: Option<String>,
}

/// Which states to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StateArg {
    /// In use
    Live,
    /// Carried on under a new id
    Moved,
    /// Ended
    Ended,
    /// All of them
    All,
}

/// Which sessions to end.
#[derive(Debug, Clone, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["key", "all", "older_than", "owner"]))]
pub struct EndArgs {
    /// The session's key, or at least its first 6 digits
    pub key: Option<String>,

    /// All sessions in the store, of every site that shares it (or of --namespace)
    #[arg(long)]
    pub all: bool,

    /// Sessions not used for so long, such as 30m, 12h or 7d (to within a minute)
    #[arg(long, value_name = "AGE", value_parser = units::parse_age)]
    pub older_than: Option<Duration>,

    /// All sessions of one owner, on every site (namespace) that shares the store (in WordPress the user with the site's scope, such as wp-1f3a9c02:42, so that it is one site's alone)
    #[arg(long, value_name = "OWNER")]
    pub owner: Option<String>,

    /// Of these only the ones of one site (cloakroom.namespace; '' for the default one)
    #[arg(long, value_name = "NAME", conflicts_with = "key")]
    pub namespace: Option<String>,

    /// Named records too, such as a shop's carts, which are spared otherwise
    #[arg(long, conflicts_with = "key")]
    pub named: bool,

    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|s| (0.01..=3600.0).contains(s));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "it must be a number of seconds from 0.01 to 3600".into())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn ending_needs_exactly_one_way_to_say_which() {
        for bad in [
            &["end"][..],
            &["end", "abcdef", "--all"],
            &["end", "--all", "--owner", "a"],
            &["end", "abcdef", "--named"],
            &["end", "--namespace", "a"],
        ] {
            assert!(Cli::try_parse_from(["cloakroom"].iter().chain(bad)).is_err(), "{bad:?}");
        }
        for good in [&["end", "abcdef"][..], &["end", "--all", "--yes"], &["end", "--older-than", "7d"]] {
            assert!(Cli::try_parse_from(["cloakroom"].iter().chain(good)).is_ok(), "{good:?}");
        }
    }
}
