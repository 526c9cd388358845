//! What went wrong in the last hours, as operators see it: conflicts, alarms, waits and dropped writes that really happened.

mod common;

use std::time::Duration;

use cloakroom::store::TallyKind;
use cloakroom::{Absent, Clock, Committed, EndKind, Engine, Opening, Session};
use common::{LIFETIME, Machine, PHP, budget, golden, id, keep, wait};

const ON: &str = "extension=cloakroom\nsession.save_handler=cloakroom\n";
const HOUR: Duration = Duration::from_secs(3600);

async fn open(engine: &Engine, name: &str) -> Session {
    match engine.open(budget(), &id(name), LIFETIME).await {
        Opening::Live(session) => session,
        other => panic!("{name} is live: {other:?}"),
    }
}

/// Two requests of one session, side by side.
async fn collide(engine: &Engine, name: &str, base: &[u8], one: &[u8], other: &[u8]) {
    keep(engine, name, base, None).await;
    let (mut first, mut second) = (open(engine, name).await, open(engine, name).await);
    first.commit(engine, budget(), one, PHP).await.expect("committed");
    second.commit(engine, budget(), other, PHP).await.expect("committed");
}

/// A shop in which, over three hours, everything happened that is reported.
fn eventful() -> Machine {
    let m = Machine::new().with_fpm(ON);
    let engine = m.engine(&m.default_store());
    wait(async {
        collide(&engine, "tab-one", b"last_seen|i:1;", b"last_seen|i:2;", b"last_seen|i:3;").await;
        engine.flush_reports(budget()).await.expect("flushed");
        m.clock.advance(HOUR);
        let cart = |n: u8| format!("cart|a:1:{{s:3:\"hat\";i:{n};}}").into_bytes();
        collide(&engine, "tab-two", &cart(1), &cart(2), &cart(3)).await;
        engine.flush_reports(budget()).await.expect("flushed");
        m.clock.advance(HOUR);
        collide(&engine, "tab-three", &cart(1), &cart(4), &cart(5)).await;

        keep(&engine, "planted", b"a|i:1;", None).await;
        let mut victim = open(&engine, "planted").await;
        victim.rotate(&engine, budget(), id("after-log-in"), b"a|i:1;", PHP).await.expect("rotated");
        m.clock.advance(Duration::from_secs(61));
        for _ in 0..3 {
            let late = engine.open(budget(), &id("planted"), LIFETIME).await;
            assert!(matches!(late, Opening::Absent(Absent::MovedLate)), "{late:?}");
        }

        keep(&engine, "slow-request", b"a|i:1;", None).await;
        let mut slow = open(&engine, "slow-request").await;
        engine.end_key(budget(), &engine.key_of(&id("slow-request")), EndKind::Destroyed).await.expect("ended");
        let committed = slow.commit(&engine, budget(), b"a|i:2;", PHP).await.expect("answered");
        assert!(matches!(committed, Committed::Dropped(_)), "{committed:?}");

        let now = engine.store().now(budget()).await.expect("a time");
        for (what, micros, page) in
            [("session", 1_250_000, "/checkout"), ("session", 3_750_000, "/cart"), ("cart", 900, "")]
        {
            engine.reporter().count(now, TallyKind::Wait, what, micros, page);
        }
        for (why, page) in [("the page called flush()", "/feed/"), ("the page is longer than is held back", "/export/")]
        {
            let label = format!("cookie of an empty session: {why}");
            engine.reporter().count(now, TallyKind::Early, &label, 0, page);
        }
        engine.flush_reports(budget()).await.expect("flushed");
    });
    m
}

#[test]
fn conflicts_are_summed_over_hours_and_name_a_rule() {
    let m = eventful();
    let text = [
        &["conflicts"][..],
        &["conflicts", "--since", "50m"],
        &["conflicts", "--limit", "1"],
        &["conflicts", "--json"],
        &["conflicts", "--json", "--limit", "1", "--since", "2w"],
    ]
    .map(|line| m.transcript(line))
    .concat();
    golden("conflicts.txt", &text);
}

#[test]
fn alarms_waits_and_dropped_writes_say_what_to_do() {
    let m = eventful();
    let text = [
        &["alarms"][..],
        &["alarms", "--json"],
        &["waits"],
        &["waits", "--json"],
        &["dropped"],
        &["dropped", "--json"],
        &["early"],
        &["early", "--json", "--limit", "1"],
    ]
    .map(|line| m.transcript(line))
    .concat();
    assert!(text.lines().filter(|l| !l.contains('"')).all(|l| l.chars().count() <= 80), "{text}");
    golden("alarms.txt", &text);
}

/// A WordPress with a tracker that starts a session for everybody, and a shop that needs them.
fn blamed() -> Machine {
    let m = Machine::new().with_fpm(ON);
    let engine = m.engine(&m.default_store());
    let tracker = "plugin tracker | wp-content/plugins/tracker/tracker.php:4";
    let shop =
        "plugin woollen-shop | wp-content/plugins/woollen-shop/includes/class-woollen-shop-session-handler.php:118";
    let form = "theme blue | wp-content/themes/blue/functions.php:31";
    wait(async {
        let add = |kind, label: &str, count, sum, sample: &str| {
            let now = m.clock.now();
            engine.reporter().add(now, kind, label, count, sum, sample);
        };
        add(TallyKind::Blame, &format!("empty | {tracker}"), 2_140, 0, "/ /about/");
        m.clock.advance(HOUR);
        add(
            TallyKind::Blame,
            &format!("empty | {tracker}"),
            2_058,
            0,
            "/ /blog/how-we-dye-our-wool-in-2023/ /imprint/",
        );
        add(TallyKind::Blame, &format!("changed | {tracker}"), 12, 0, "/contact/");
        add(TallyKind::Blame, &format!("changed | {shop}"), 310, 2_450_000, "/cart/ /checkout/");
        add(TallyKind::Blame, &format!("kept | {shop}"), 95, 0, "/cart/ /my-account/");
        add(TallyKind::Blame, &format!("empty | {shop}"), 5, 0, "/cart/");
        add(TallyKind::Blame, "kept | application wordpress | wp-config.php:90", 60, 0, "/feed/");
        add(TallyKind::Blame, "empty | php.ini | session.auto_start", 3, 0, "/wp-json/wp/v2/posts");
        add(TallyKind::Blame, &format!("write cart | {shop}"), 310, 310 * 1_236, "/cart/ /checkout/");
        add(TallyKind::Blame, &format!("write contact_form | {form}"), 12, 12 * 84, "/contact/");
        add(TallyKind::Blame, "write * | unknown | inside an object or through a reference", 20, 900, "");
        add(
            TallyKind::Large,
            "large catalogue | plugin export | wp-content/plugins/export/run.php:9",
            2,
            640_000,
            "/export/",
        );
        engine.flush_reports(budget()).await.expect("flushed");
    });
    m
}

#[test]
fn blame_names_who_starts_sessions_for_nothing_and_who_writes_what() {
    let m = blamed();
    let text = [&["blame"][..], &["blame", "--limit", "1", "--since", "30m"], &["blame", "--json", "--limit", "1"]]
        .map(|line| m.transcript(line))
        .concat();
    let wide =
        text.lines().filter(|l| !l.contains('"') && !l.contains("class-woollen")).find(|l| l.chars().count() > 80);
    assert_eq!(wide, None);
    golden("blame.txt", &text);
}

#[test]
fn nothing_to_report_is_one_friendly_sentence_and_no_failure() {
    let m = Machine::new().with_fpm(ON);
    m.fill(&m.default_store());
    let text = [
        &["conflicts"][..],
        &["alarms"],
        &["waits", "--since", "7d"],
        &["dropped", "--since", "60d"],
        &["early"],
        &["alarms", "--json"],
        &["blame"],
    ]
    .map(|line| m.transcript(line))
    .concat();
    golden("reports-none.txt", &text);
}

#[test]
fn what_lies_further_back_than_asked_is_left_out() {
    let m = eventful();
    m.clock.advance(30 * HOUR);
    assert_eq!(m.run(&["alarms", "--json"]).json()["total"], 0);
    assert_eq!(m.run(&["alarms", "--json", "--since", "2d"]).json()["total"], 3);
}

#[test]
fn no_session_id_is_printed_even_where_a_program_left_one_in_a_report() {
    let m = Machine::new().with_fpm(ON);
    let engine = m.engine(&m.default_store());
    let secret = "q7Rk2mVbX09-LtYw4Zp,HsA1";
    wait(async {
        let now = engine.store().now(budget()).await.expect("a time");
        for kind in [TallyKind::Conflict, TallyKind::Alarm, TallyKind::Wait, TallyKind::Dropped, TallyKind::Early] {
            engine.reporter().count(now, kind, &format!("by_{secret}.*\u{1b}[31m"), 5, &format!("/x?sid={secret}"));
        }
        engine.flush_reports(budget()).await.expect("flushed");
    });
    for command in ["conflicts", "alarms", "waits", "dropped", "early"] {
        for line in [&[command][..], &[command, "--json"]] {
            let ran = m.run(line);
            assert!(ran.out.contains("by_(hidden)") && ran.out.contains("/x?sid=(hidden)"), "{}", ran.out);
            assert!(!ran.out.contains('\u{1b}'), "{}", ran.out);
        }
    }
    let doctor = m.run(&["doctor"]).out;
    assert!(doctor.contains("cloakroom alarms") && !doctor.contains(secret), "{doctor}");
}

#[test]
fn a_report_of_a_store_that_is_not_there_could_not_be_tried() {
    let m = Machine::new().with_fpm(&format!("{ON}cloakroom.store=sqlite:/nowhere/sessions.sqlite\n"));
    let ran = m.run(&["conflicts"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.error);
}
