//! What operators see, letter by letter, on a real SQLite store with known sessions.

mod common;

use clap::CommandFactory;
use cloakroom::{KeyRing, Namespace, Owner, SiteKey};
use common::{LIFETIME, Machine, budget, golden, id};

const ON: &str = "extension=cloakroom\nsession.save_handler=cloakroom\n";

fn shop() -> Machine {
    let machine = Machine::new().with_fpm(ON);
    machine.fill(&machine.default_store());
    machine
}

#[test]
fn help_reads_well_in_eighty_columns() {
    let mut text = String::new();
    let mut command = cloakroom_cli::args::Cli::command();
    text.push_str(&format!("$ cloakroom --help\n{}\n", command.render_long_help()));
    command.build();
    for sub in command.get_subcommands_mut() {
        if sub.get_name() != "help" {
            let help = sub.render_help();
            text.push_str(&format!("$ cloakroom {} -h\n{help}\n", sub.get_name()));
        }
    }
    assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
    let audit = text.split("$ cloakroom ").find(|help| help.starts_with("audit")).expect("audit's help");
    assert!(!audit.contains("--store") && !audit.contains("--php-ini") && !audit.contains("--uid"), "{audit}");
    golden("help.txt", &text);
}

#[test]
fn count_says_how_many_sessions_there_are() {
    let m = shop();
    golden("count.txt", &(m.transcript(&["count"]) + &m.transcript(&["count", "--json"])));
}

#[test]
fn list_is_a_table_or_json() {
    let m = shop();
    let text = [
        &["list"][..],
        &["list", "--owner", "site:42"],
        &["list", "--older-than", "10m"],
        &["list", "--min-size", "1K"],
        &["list", "--min-size", "1M"],
        &["list", "--state", "moved"],
        &["list", "--state", "ended"],
        &["list", "--state", "all", "--json"],
    ]
    .map(|line| m.transcript(line))
    .concat();
    assert!(text.lines().filter(|l| !l.contains('"')).all(|l| l.chars().count() <= 80), "{text}");
    golden("list.txt", &text);
}

#[test]
fn show_tells_all_that_is_known_but_no_variable() {
    let m = shop();
    let key = |name: &str| cloakroom::Key::of(&cloakroom::Namespace::default(), &id(name)).to_hex();
    let live = key("after-the-login");
    let text = [
        &["show", &live[..6]][..],
        &["show", &live, "--json"],
        &["show", &key("visitor-with-a-big-cart")],
        &["show", &key("before-the-login")[..7]],
        &["show", &key("somebody-who-logs-out")],
        &["show", &key("nobody")],
        &["show", "012345"],
        &["show", "0123"],
        &["show", "visitor-with-a-big-cart"],
        &["show", "012345", "--json"],
    ]
    .map(|line| m.transcript(line))
    .concat();
    assert!(!text.contains("! visitor-with-a-big-cart"), "a pasted cookie is not repeated");
    golden("show.txt", &text);
}

#[test]
fn end_says_what_it_did() {
    let m = shop();
    let key = |name: &str| cloakroom::Key::of(&cloakroom::Namespace::default(), &id(name)).to_hex();
    let newcomer = key("newcomer");
    let text = [
        &["end", &newcomer][..],
        &["end", &newcomer, "--yes"],
        &["end", &newcomer, "--yes"],
        &["end", &newcomer[..8], "--yes", "--json"],
        &["end", &key("nobody"), "--yes"],
        &["end", "--owner", "site:42", "--yes"],
        &["end", "--owner", "site:42", "--yes", "--json"],
        &["end", "--older-than", "12m", "--yes"],
        &["end", "--all", "--yes"],
        &["end", "--all", "--yes"],
        &["count"],
    ]
    .map(|line| m.transcript(line))
    .concat();
    golden("end.txt", &text);
}

/// Sessions of two sites in one store, with a cart for each, as PHP keeps them.
fn two_sites() -> Machine {
    let m = Machine::new().with_fpm(ON);
    let one = m.engine(&m.default_store());
    let of = |site: &str| Namespace::new(site).expect("short");
    // The application's own namespace is behind the site's.
    let carts = |site: &str| of(&format!("{}{site}named", char::from(u8::try_from(site.len()).expect("short"))));
    let ring = || KeyRing::new(vec![SiteKey::new([7; 32])]);
    common::wait(async {
        for (site, owner) in [("", "site:42"), ("blog", "blog:1")] {
            let sessions = one.sibling().namespace(of(site)).build();
            common::keep(&sessions, &format!("guest-{site}"), b"a|i:1;", None).await;
            common::keep(&sessions, &format!("user-{site}"), b"a|i:1;", Some(owner)).await;
            let shop = one.sibling().namespace(carts(site)).ring(ring()).build();
            for (name, owner) in [("cart:guest", None), ("cart:42", Some(owner))] {
                let mut cart = shop.open_named(budget(), name.as_bytes(), LIFETIME).await.expect("opened");
                cart.set_owner(owner.map(|owner| Owner::new(owner).expect("short")));
                cart.commit(&shop, budget(), b"a:1:{s:3:\"tea\";i:2;}", 3).await.expect("kept");
            }
        }
    });
    m.clock.advance(std::time::Duration::from_secs(120));
    m
}

#[test]
fn sites_and_carts_are_told_apart_and_carts_are_spared() {
    let m = two_sites();
    let cart = m.run(&["list", "--namespace", "blog", "--named", "--json"]).json()["sessions"][0]["key"].clone();
    let cart = cart.as_str().expect("a key").to_owned();
    let text = [
        &["count", "--namespace", "blog"][..],
        &["count", "--namespace", "", "--json"],
        &["list"],
        &["list", "--namespace", "blog"],
        &["list", "--namespace", "", "--named"],
        &["list", "--namespace", "nobody"],
        &["list", "--owner", "site:42", "--json"],
        &["show", &cart[..12]],
        &["end", "--owner", "site:42", "--yes"],
        &["list", "--owner", "site:42"],
        &["end", "--owner", "site:42", "--named", "--yes"],
        &["end", "--all", "--namespace", "blog", "--yes", "--json"],
        &["list"],
        &["end", "--older-than", "1m", "--yes"],
        &["end", "--all", "--yes"],
        &["list"],
        &["end", &cart[..12], "--yes"],
        &["end", "--all", "--named", "--yes"],
        &["list"],
    ]
    .map(|line| m.transcript(line))
    .concat();
    assert!(text.lines().filter(|l| !l.contains('"')).all(|l| l.chars().count() <= 80), "{text}");
    golden("named.txt", &text);
}

#[test]
fn sweep_says_how_many_records_went() {
    let m = shop();
    m.clock.advance(std::time::Duration::from_secs(7200));
    let text =
        [&["sweep", "--limit", "2"][..], &["sweep", "--json"], &["sweep"]].map(|line| m.transcript(line)).concat();
    golden("sweep.txt", &text);
}

#[test]
fn doctor_finds_nothing_wrong_where_nothing_is() {
    let m = Machine::new().with_fpm(&format!("{ON}session.cookie_secure=1\n"));
    m.fill(&m.default_store());
    golden("doctor-well.txt", &(m.transcript(&["doctor"]) + &m.transcript(&["doctor", "--json"])));
}

#[test]
fn doctor_says_what_to_mend() {
    let m = Machine::new().with_fpm(&format!(
        "{ON}cloakroom.strict=php\ncloakroom.httponly=php\nsession.cookie_samesite=Lax\nsession.auto_start=1\n\
         session.use_trans_sid=1\ncloakroom.cookies_only=php\ncloakroom.cookie_secure=php\ncloakroom.id_bits=64\ncloakroom.keys=short\nsession.serialize_handler=igbinary\n"
    ));
    m.write(
        "/etc/php/8.2/fpm/conf.d/30-more.ini",
        "; a URL wants quotes\ncloakroom.store = redis://127.0.0.1:1/0?prefix=a\n",
    );
    m.write(
        "/etc/php/8.2/fpm/pool.d/shop.conf",
        "[shop]\nuser = www-data\nphp_admin_value[session.save_handler] = files\n[blog]\nuser = www-data\n\
         php_admin_value[cloakroom.store] = sqlite:/nowhere/x.sqlite\n",
    );
    std::fs::remove_file(m.path("/usr/lib/php/20220829/cloakroom.so")).expect("removed");
    golden("doctor-ill.txt", &m.transcript(&["doctor"]));
}

#[test]
fn doctor_tells_a_machine_without_cloakroom_what_to_do() {
    let m = Machine::new().with_fpm("");
    let without_php = Machine::new();
    golden("doctor-without.txt", &(m.transcript(&["doctor"]) + &without_php.transcript(&["doctor"])));
}

#[test]
fn ending_an_owners_sessions_says_that_it_is_on_every_site() {
    let mut m = shop();
    m.around.ask = Some(|question| {
        assert!(question.contains("on every site (namespace) that shares it"), "{question}");
        false
    });
    assert_eq!(m.run(&["end", "--owner", "site:42"]).error, "cloakroom: Nothing was ended.");
}

#[test]
fn ending_asks_and_a_no_ends_nothing() {
    let mut m = shop();
    m.around.ask = Some(|question| {
        assert!(
            question.contains("(5 live sessions less the named records)") && question.contains("/var/lib/php/sessions"),
            "{question}"
        );
        false
    });
    let ran = m.run(&["end", "--all"]);
    assert_eq!((ran.code, ran.error.as_str()), (1, "cloakroom: Nothing was ended."));
    m.around.ask = Some(|question| {
        assert!(question.contains("efa1d473018e") && question.contains("site:9"), "{question}");
        true
    });
    assert_eq!(m.run(&["end", "efa1d4"]).out, "Ended session efa1d473018e.\n");
    assert_eq!(m.run(&["count", "--json"]).json()["live"], 4);
}

#[test]
fn an_ended_session_stays_out_and_its_moved_ones_with_it() {
    let m = shop();
    assert_eq!(m.run(&["end", "efa1d4", "--yes"]).code, 0);
    assert!(m.run(&["show", "9e32ff"]).out.contains("ended by an operator"), "the moved record that led there");
}

#[test]
fn colours_are_only_added() {
    let mut m = shop();
    for line in [&["doctor"][..], &["list"]] {
        m.around.colour = false;
        let without = m.transcript(line);
        m.around.colour = true;
        let with = m.transcript(line);
        assert!(with.contains('\u{1b}') && !without.contains('\u{1b}'));
        let stripped = ["0", "1", "32", "33", "1;31"].iter().fold(with, |t, c| t.replace(&format!("\u{1b}[{c}m"), ""));
        assert_eq!(stripped, without);
        assert!(!m.transcript(&[line, &["--json"]].concat()).contains('\u{1b}'), "JSON has none");
    }
}

#[test]
fn an_owner_can_not_write_to_the_terminal() {
    let m = Machine::new().with_fpm(ON);
    let engine = m.engine(&m.default_store());
    common::wait(common::keep(&engine, "evil", b"a|i:1;", Some("\u{1b}]0;title\u{7}\n")));
    for line in [&["list"][..], &["show", &engine.key_of(&id("evil")).to_hex()]] {
        assert!(!m.run(line).out.contains(['\u{1b}', '\u{7}']), "{line:?}");
    }
}

#[test]
fn pages_follow_each_other() {
    let m = shop();
    let first = m.run(&["list", "--limit", "2"]).out;
    let word = first.trim_end().rsplit(' ').next().expect("a word").to_owned();
    assert!(first.contains("--after"), "{first}");
    let second = m.run(&["list", "--limit", "0", "--after", &word]).out;
    assert_eq!((first.matches("live").count(), second.matches("live").count()), (2, 3), "{first}{second}");
    assert_eq!(m.run(&["list", "--after", "what"]).code, 2);
}

#[test]
fn a_pasted_session_id_is_not_repeated() {
    let m = shop();
    // What PHP makes with four bits a character could be a key's beginning.
    for pasted in ["0123456789abcdef0123456789abcdef", "tLd0W2mzQyv8aXw5-,3k"] {
        for line in [&["show", pasted][..], &["end", pasted, "--yes"]] {
            let ran = m.run(line);
            assert!(ran.code > 0);
            assert!(!ran.error.contains(&pasted[..12]), "{}", ran.error);
        }
    }
}

#[test]
fn a_beginning_that_fits_several_names_them() {
    let m = Machine::new().with_fpm(ON);
    let engine = m.engine(&m.default_store());
    // Seven digits: a store is asked by whole bytes, and the odd digit is left to the command.
    let mut seen = std::collections::HashMap::new();
    let (a, b) = (0..)
        .find_map(|n| {
            let name = format!("visitor-{n}");
            let key = engine.key_of(&id(&name)).to_hex();
            seen.insert(key[..7].to_owned(), name.clone()).map(|other| (other, name))
        })
        .expect("two that begin alike");
    common::wait(async {
        for name in [&a, &b] {
            common::keep(&engine, name, b"a|i:1;", None).await;
        }
    });
    let [a, b] = [a, b].map(|name| engine.key_of(&id(&name)).to_hex());
    let ran = m.run(&["show", &a[..7]]);
    assert_eq!(ran.code, 2);
    assert!(ran.error.contains(&a) && ran.error.contains(&b), "{}", ran.error);
    let differ = a.bytes().zip(b.bytes()).position(|(x, y)| x != y).expect("they differ");
    assert_eq!(m.run(&["show", &a[..=differ]]).code, 0);
}
