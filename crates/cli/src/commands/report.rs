//! `cloakroom conflicts`, `alarms`, `waits`, `dropped` and `early`: what the store's counters say, summed over hours, and what it
//! means for the operator.

use std::collections::HashMap;
use std::time::Duration;

use cloakroom::store::{TALLY_HOURS, Tally, TallyKind};
use cloakroom::{Dropped, Time};
use serde::Serialize;

use crate::args::ReportArgs;
use crate::desk::{self, Desk};
use crate::out::{Out, cut_words, mask, paint, plain, wrap};
use crate::{Failure, Outcome, units};

/// Most counters read, one for each label and hour; enough for a thousand labels every hour of four days.
const MOST: u32 = 100_000;
/// Widest sample in a table.
const SAMPLE_WIDTH: usize = 24;

/// One of the reports.
#[derive(Debug)]
pub(super) struct Report {
    kind: TallyKind,
    /// The command, and its name in JSON.
    name: &'static str,
    /// What is counted, in the singular.
    thing: &'static str,
    /// Heading of the labels.
    head: &'static str,
    /// Follows `No …` where there is none.
    none: &'static str,
    /// Whether the sums are microseconds waited.
    timed: bool,
    /// What it means and what to do, from the labels shown.
    advice: fn(&[Row]) -> String,
}

pub(super) const CONFLICTS: Report = Report {
    kind: TallyKind::Conflict,
    name: "conflicts",
    thing: "conflict",
    head: "VARIABLE",
    none: "no two requests changed one variable at once to different values",
    timed: false,
    advice: |_| {
        "Two requests of one session changed the same variable at once, each in its own way. One change won and the other \
         is lost: the later one, unless a rule, a removal or a log-in decided. All else that they changed is there. \
         `cart.*` stands for anything inside the variable `cart`.\n\
         Where both changes must count, name a rule for the path in php.ini, such as\n  \
         cloakroom.merge_rules = \"cart.*.quantity=sum\"\n\
         `sum` adds up what both changed, `max` takes the larger number, `union` keeps what either added to a list, `first` \
         the earlier change, and `fail` saves nothing of the later request. Two clicks that \
         each make 3 into 4 agree, so they are not counted here; only under `sum` do they make 5. Where either value will do (the time of the \
         last visit, a token), there is nothing to do. Where requests must come one after the other, set \
         cloakroom.concurrency = lock: they then wait for each other."
            .into()
    },
};

pub(super) const ALARMS: Report = Report {
    kind: TallyKind::Alarm,
    name: "alarms",
    thing: "alarm",
    head: "WHAT",
    none: "no old session id was used after its grace",
    timed: false,
    advice: |_| {
        "A log-in or a rotation gives a session a new id. Somebody still sent the old one after its grace \
         (cloakroom.grace, by default 60 s) and was given an empty session: nothing was shown or changed. It may be a thief with a \
         stolen cookie. It may also be a slow client that never got the new one: a phone that lost its network, a page \
         that an old tab sends again.\n\
         A few now and then are usual. Many in one hour, or the same session again and again, are not: see in the web \
         server's log who asked at that hour. In doubt log the person out everywhere and have the password changed; \
         `cloakroom list` names the owners:\n  \
         cloakroom end --owner OWNER"
            .into()
    },
};

pub(super) const WAITS: Report = Report {
    kind: TallyKind::Wait,
    name: "waits",
    thing: "wait",
    head: "FOR WHAT",
    none: "no request waited for another one of its session",
    timed: true,
    advice: |_| {
        "Requests waited because another one of the same session held a lock. Without cloakroom.concurrency = lock, a \
         locked path or cloakroom_lock(), nothing waits but a commit in a crowd, for moments. Where the mean is long, the \
         holder is slow: let it call session_write_close() or cloakroom_unlock() as soon as it has written, or lock only \
         the paths that need it. A wait that runs out goes on by merging, and what then collides is in `cloakroom \
         conflicts`."
            .into()
    },
};

pub(super) const DROPPED: Report = Report {
    kind: TallyKind::Dropped,
    name: "dropped",
    thing: "dropped write",
    head: "WHY",
    none: "every write that came was kept",
    timed: false,
    advice: why_dropped,
};

pub(super) const EARLY: Report = Report {
    kind: TallyKind::Early,
    name: "early",
    thing: "early cookie",
    head: "WHY",
    none: "no page left before it was known whether its session stays empty",
    timed: false,
    advice: |_| {
        "These pages started a session for a visitor without one, stored nothing in it until they left, and so sent its \
         cookie and PHP's `no-store`: no page cache keeps them, and the visitor's next pages go past the cache for ten minutes. \
         The sample is the latest page. `cloakroom blame` names who starts sessions there for nothing.\n\
         Where a page calls flush() or fastcgi_finish_request() while a session is open that it does not need, let it call \
         session_write_close() before. The same helps pages that are longer or slower than what is held back (1 MB and \
         1 s from session_start() on)."
            .into()
    },
};

/// What is to be done for each of the reasons shown.
fn why_dropped(rows: &[Row]) -> String {
    const WHY: [(Dropped, &str); 6] = [
        (Dropped::Ended, "Ended: as it should be. Somebody logged out while other requests of the session ran."),
        (
            Dropped::OwnerEnded,
            "All of an owner ended: as it should be. Somebody was logged out everywhere while requests ran.",
        ),
        (
            Dropped::Moved,
            "Moved: as it should be. A request came with the id from before a log-in; what it adds may not reach the session \
             after it. If visitors miss something, see which page rotates ids in the middle of their visit.",
        ),
        (
            Dropped::Gone,
            "Gone: the store lost records that were still in use. See with `cloakroom doctor` whether it may drop them when \
             its memory runs short, and whether somebody emptied it.",
        ),
        (
            Dropped::Expired,
            "Its time over: sessions ended by cloakroom.absolute in the middle of a visit. Raise it if that is too early.",
        ),
        (
            Dropped::Unreadable,
            "Does not open: the same cloakroom.keys and cloakroom.namespace must be on every server; a key that was \
             replaced stays second in the list until its sessions have ended.",
        ),
    ];
    let notes = WHY.iter().filter(|(why, _)| {
        let label = why.to_string();
        rows.iter().any(|row| row.label == label)
    });
    let mut text = "What these requests wrote was not saved; all else in the store is as it was.".to_owned();
    for (_, note) in notes {
        text.push('\n');
        text.push_str(note);
    }
    text
}

/// What all hours say of one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// Of what.
    pub(super) label: String,
    /// How often.
    pub(super) count: u64,
    /// What goes with it: microseconds waited, bytes.
    pub(super) sum: u64,
    /// In hours since 1970.
    pub(super) last_hour: u32,
    /// Of the last hour.
    pub(super) sample: String,
}

/// What was counted, most frequent first.
#[derive(Debug)]
pub(super) struct Sums {
    /// One for each label.
    pub(super) rows: Vec<Row>,
    /// All of them together.
    pub(super) total: u64,
    /// The hour from whose beginning on it was counted.
    pub(super) since: Time,
    /// Whether all counters could be read.
    pub(super) complete: bool,
}

/// Reads the counters of a kind, from the beginning of the hour in which `age` ago lies.
///
/// # Errors
/// When the store keeps no reports or does not answer.
pub(super) fn sums(desk: &Desk, kind: TallyKind, age: Duration) -> Result<Sums, Failure> {
    let reports = desk.must(desk.store().reports(), "keep reports")?;
    let now = desk.wait(desk.store().now(desk.budget()))?;
    let hour = u32::try_from(super::list::before(now, age).seconds() / 3600).unwrap_or(u32::MAX);
    let tallies = match desk.wait(reports.read(desk.budget(), kind, hour, MOST)) {
        Err(error) if desk::nothing_yet(&error) => Vec::new(),
        tallies => tallies?,
    };
    let complete = tallies.len() < MOST as usize;
    let rows = summed(tallies);
    let total = rows.iter().fold(0u64, |sum, row| sum.saturating_add(row.count));
    Ok(Sums { rows, total, since: start_of(hour), complete })
}

fn summed(tallies: Vec<Tally>) -> Vec<Row> {
    let mut rows: HashMap<String, Row> = HashMap::new();
    for Tally { label, hour, count, sum, sample, .. } in tallies {
        let row = rows.entry(label).or_insert_with_key(|label| Row {
            label: label.clone(),
            count: 0,
            sum: 0,
            last_hour: 0,
            sample: String::new(),
        });
        row.count = row.count.saturating_add(count);
        row.sum = row.sum.saturating_add(sum);
        if hour >= row.last_hour {
            (row.last_hour, row.sample) = (hour, sample);
        }
    }
    let mut rows: Vec<Row> = rows.into_values().collect();
    rows.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.label.cmp(&b.label)));
    rows
}

/// When an hour begins.
pub(super) fn start_of(hour: u32) -> Time {
    Time(u64::from(hour) * 3_600_000)
}

#[derive(Debug, Serialize)]
struct RowJson {
    label: String,
    count: u64,
    last_hour: String,
    sample: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mean_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_ms: Option<f64>,
}

#[derive(Debug, Serialize)]
struct ReportJson {
    report: &'static str,
    since: String,
    total: u64,
    labels: usize,
    complete: bool,
    rows: Vec<RowJson>,
}

pub(super) fn run(desk: &Desk, report: &Report, args: &ReportArgs, out: &mut Out<'_>) -> Result<Outcome, Failure> {
    let sums = sums(desk, report.kind, args.since)?;
    let most = if args.limit == 0 { usize::MAX } else { args.limit as usize };
    let shown = &sums.rows[..sums.rows.len().min(most)];
    if out.json {
        out.document(&ReportJson {
            report: report.name,
            since: units::rfc3339(sums.since),
            total: sums.total,
            labels: sums.rows.len(),
            complete: sums.complete,
            rows: shown.iter().map(|row| row.json(report.timed)).collect(),
        })?;
        return Ok(Outcome::Fine);
    }
    let kept = Duration::from_secs(u64::from(TALLY_HOURS) * 3600);
    let span = units::span(args.since.min(kept));
    if shown.is_empty() {
        out.prose(&format!("No {} in the last {span}: {}.", report.thing, report.none))?;
        return Ok(Outcome::Fine);
    }
    table(report, shown, out)?;
    out.line("")?;
    let hidden = sums.rows.len() - shown.len();
    let mut text = format!("{} in the last {span}.", units::counted(sums.total, report.thing));
    if hidden > 0 {
        text.push_str(&format!(" {} not shown; --limit 0 shows all.", units::counted(hidden as u64, "more line")));
    }
    if !sums.complete {
        text.push_str(" There are more counters than can be read at once; a shorter --since counts all of its time.");
    }
    if args.since > kept {
        text.push_str(" Reports are kept no longer.");
    }
    if shown.iter().any(|row| is_short_key(&row.sample)) {
        text.push_str(" The sample is the key of the latest session; `cloakroom show KEY` tells more while it lives.");
    }
    out.prose(&text)?;
    out.line("")?;
    out.prose(&(report.advice)(shown))?;
    Ok(Outcome::Fine)
}

fn table(report: &Report, rows: &[Row], out: &mut Out<'_>) -> Result<(), Failure> {
    let samples: Vec<String> = rows.iter().map(|row| cut_words(&row.shown_sample(), SAMPLE_WIDTH)).collect();
    let width = samples.iter().map(|s| s.chars().count()).max().unwrap_or(0).max("SAMPLE".len());
    let times = if report.timed { "     MEAN     TOTAL" } else { "" };
    let head = format!("HOW OFTEN{times}  LAST HOUR (UTC)   {:<width$}  {}", "SAMPLE", report.head);
    out.line(&paint::paint(&head, paint::Ink::Bold, out.colour))?;
    for (row, sample) in rows.iter().zip(samples) {
        let times = if report.timed {
            format!("  {:>7}  {:>8}", units::measured(row.mean()), long(Duration::from_micros(row.sum)))
        } else {
            String::new()
        };
        let before = format!(
            "{:>9}{times}  {}  {sample:<width$}  ",
            units::number(row.count),
            units::hour(start_of(row.last_hour))
        );
        let indent = " ".repeat(before.chars().count());
        out.text(&before)?;
        out.text(&wrap::wrapped(&row.shown_label(), &indent, 80))?;
    }
    Ok(())
}

/// A sum of short times, which may be long.
fn long(time: Duration) -> String {
    if time < Duration::from_secs(120) { units::measured(time) } else { units::span(time) }
}

fn is_short_key(sample: &str) -> bool {
    sample.len() == cloakroom::Key::from_bytes([0; 32]).short().len() && sample.bytes().all(|b| b.is_ascii_hexdigit())
}

impl Row {
    fn mean(&self) -> Duration {
        Duration::from_micros(self.sum / self.count.max(1))
    }

    /// The reasons of dropped writes all end by saying that they were.
    fn shown_label(&self) -> String {
        let label = plain(&mask::label(&self.label));
        let label = match label.split_once(", so what ") {
            Some((why, rest)) if rest.ends_with("dropped") => why,
            _ => label.strip_prefix("cookie of an empty session: ").unwrap_or(&label),
        };
        or_dash(label.trim())
    }

    fn shown_sample(&self) -> String {
        or_dash(&plain(&mask::text(&self.sample)))
    }

    fn json(&self, timed: bool) -> RowJson {
        let ms = |time: Duration| timed.then(|| time.as_micros() as f64 / 1000.0);
        RowJson {
            label: mask::label(&self.label),
            count: self.count,
            last_hour: units::rfc3339(start_of(self.last_hour)),
            sample: mask::text(&self.sample),
            mean_ms: ms(self.mean()),
            total_ms: ms(Duration::from_micros(self.sum)),
        }
    }
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use cloakroom::store::{Created, Description, Ended, Swapped, Swept, Touched};
    use cloakroom::{Budget, Key, Loaded, ManualClock, MemoryStore, Record, Store, StoreError, Tombstone, Version};

    use super::*;
    use crate::Surroundings;
    use crate::place::Place;

    /// A store that can do no more than it must.
    #[derive(Debug)]
    struct Bare(MemoryStore);

    #[async_trait]
    impl Store for Bare {
        fn describe(&self) -> Description {
            Description { engine: "Bareboard", ..self.0.describe() }
        }
        async fn now(&self, budget: Budget) -> Result<Time, StoreError> {
            self.0.now(budget).await
        }
        async fn load(&self, budget: Budget, key: &Key) -> Result<Loaded, StoreError> {
            self.0.load(budget, key).await
        }
        async fn create(&self, budget: Budget, key: &Key, r: &Record, seen: Time) -> Result<Created, StoreError> {
            self.0.create(budget, key, r, seen).await
        }
        async fn swap(
            &self,
            budget: Budget,
            key: &Key,
            expected: Version,
            record: &Record,
            seen: Time,
        ) -> Result<Swapped, StoreError> {
            self.0.swap(budget, key, expected, record, seen).await
        }
        async fn touch(
            &self,
            budget: Budget,
            key: &Key,
            expected: Version,
            touched: Time,
            idle: Time,
        ) -> Result<Touched, StoreError> {
            self.0.touch(budget, key, expected, touched, idle).await
        }
        async fn end(&self, budget: Budget, key: &Key, tombstone: &Tombstone) -> Result<Ended, StoreError> {
            self.0.end(budget, key, tombstone).await
        }
        async fn sweep(&self, budget: Budget, limit: u32) -> Result<Swept, StoreError> {
            self.0.sweep(budget, limit).await
        }
    }

    #[test]
    fn a_store_that_keeps_no_reports_says_so() {
        let clock = Arc::new(ManualClock::new(Time(1_700_000_000_000)));
        let around = Surroundings { root: "/".into(), clock: clock.clone(), uid: 0, ask: None, colour: false };
        let place = Place { url: "bare:".into(), found: String::new(), uid: None };
        let store = Arc::new(Bare(MemoryStore::new(clock)));
        let desk = Desk::over(place, &around, Duration::from_secs(1), |_| Ok(store)).expect("opens");
        let mut written = Vec::new();
        let args = ReportArgs { since: Duration::from_secs(60), limit: 0 };
        let ran = run(&desk, &CONFLICTS, &args, &mut Out::new(&mut written, false, &around));
        let failure = ran.expect_err("there are none");
        assert_eq!(failure.outcome, Outcome::CouldNot);
        assert!(failure.text.starts_with("Bareboard can't keep reports"), "{failure}");
        assert!(written.is_empty());
    }

    fn tally(label: &str, hour: u32, count: u64, sum: u64, sample: &str) -> Tally {
        Tally { kind: TallyKind::Wait, label: label.into(), hour, count, sum, sample: sample.into() }
    }

    #[test]
    fn hours_of_one_label_are_one_row_with_the_latest_sample() {
        let rows = summed(vec![tally("a", 7, 5, 50, "new"), tally("b", 6, 7, 1, ""), tally("a", 5, 9, 90, "old")]);
        let row = |label: &str, count, sum, last_hour, sample: &str| Row {
            label: label.into(),
            count,
            sum,
            last_hour,
            sample: sample.into(),
        };
        assert_eq!(rows, [row("a", 14, 140, 7, "new"), row("b", 7, 1, 6, "")]);
        assert_eq!(summed(vec![tally("a", 1, u64::MAX, u64::MAX, ""), tally("a", 2, 1, 1, "")])[0].count, u64::MAX);
    }

    #[test]
    fn every_reason_for_a_dropped_write_is_explained() {
        for why in
            [Dropped::Ended, Dropped::OwnerEnded, Dropped::Moved, Dropped::Gone, Dropped::Expired, Dropped::Unreadable]
        {
            let row = Row { label: why.to_string(), count: 1, sum: 0, last_hour: 0, sample: String::new() };
            assert!(!row.shown_label().contains("dropped"), "{why}");
            assert_eq!(why_dropped(&[row]).lines().count(), 2, "{why}");
        }
    }
}
