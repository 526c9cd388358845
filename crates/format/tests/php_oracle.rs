//! What real PHP says about what this crate reads, writes and merges. `CLOAKROOM_ORACLE_ROUNDS` sets how many sessions are
//! tried (default 1,500); `CLOAKROOM_ORACLE_SEED` where they begin.

mod oracle;

use cloakroom_format::{
    Cause, Format, Key, MergeOptions, Rules, Variable, Winner, convert, count, decode, is_empty, join, merge, summary,
};
use oracle::Php;

const HANDLERS: [&str; 3] = ["php", "php_binary", "php_serialize"];

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn seeds() -> std::ops::Range<u64> {
    let seed = number("CLOAKROOM_ORACLE_SEED", 1);
    seed..seed + number("CLOAKROOM_ORACLE_ROUNDS", 1500)
}

fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

#[test]
fn what_php_writes_is_read_and_written_back_byte_for_byte() {
    let mut php = Php::start();
    for seed in seeds() {
        for handler in HANDLERS {
            let format = Format::from_handler(handler);
            let made = php.ask(&[b"make", seed.to_string().as_bytes(), handler.as_bytes()]);
            let payload = &made[0];
            let tree = decode(format, payload).unwrap_or_else(|error| panic!("seed {seed}: {error} {}", show(payload)));
            assert_eq!(tree.encode(), &payload[..]);
            let all: Vec<Variable<'_, '_>> = tree.variables().collect();
            assert_eq!(
                show(&join(format, &all).unwrap()),
                show(payload),
                "seed {seed}, {handler}: taken apart and put together"
            );
            let variables: usize = std::str::from_utf8(&made[1]).unwrap().parse().unwrap();
            // PHP leaves out what a format has no room for, so that it may have fewer than were made.
            assert!(all.len() <= variables);
            assert_eq!(count(format, payload).unwrap(), all.len());
            assert_eq!(is_empty(format, payload), all.is_empty());
            let sizes: Vec<(Key<'_>, usize)> =
                summary(format, payload).unwrap().into_iter().map(|s| (s.name, s.size)).collect();
            let expected: Vec<(Key<'_>, usize)> = all.iter().map(|v| (v.name(), v.value().text().len())).collect();
            assert_eq!(sizes, expected, "seed {seed}");
        }
    }
}

#[test]
fn a_converted_session_is_the_same_session_to_php() {
    let mut php = Php::start();
    for seed in seeds() {
        for from in HANDLERS {
            let payload = php.ask(&[b"make", seed.to_string().as_bytes(), from.as_bytes()]).remove(0);
            let before = php.read(from, &payload).unwrap();
            for to in HANDLERS {
                let converted = convert(Format::from_handler(from), &payload, Format::from_handler(to)).unwrap();
                let after = php.read(to, &converted.payload);
                if converted.left_out.is_empty() {
                    assert_eq!(
                        after.as_deref().map(show),
                        Some(show(&before)),
                        "seed {seed}: {from} to {to}: {}",
                        show(&payload)
                    );
                } else {
                    assert!(after.is_some(), "seed {seed}: {from} to {to}: {}", show(&converted.payload));
                }
            }
        }
    }
}

#[test]
fn variables_put_together_in_another_order_are_what_they_were() {
    let mut php = Php::start();
    for seed in seeds() {
        let payload = php.ask(&[b"make", seed.to_string().as_bytes(), b"php"]).remove(0);
        let tree = decode(Format::Php, &payload).unwrap();
        let mut backwards: Vec<Variable<'_, '_>> = tree.variables().collect();
        backwards.reverse();
        let reversed = join(Format::Php, &backwards).unwrap();
        assert!(php.read("php", &reversed).is_some(), "seed {seed}: {}", show(&reversed));
        let back = decode(Format::Php, &reversed).unwrap();
        let mut forwards: Vec<Variable<'_, '_>> = back.variables().collect();
        forwards.reverse();
        let again = join(Format::Php, &forwards).unwrap();
        let (before, after) = (php.read("php", &payload), php.read("php", &again));
        assert_eq!(
            after.as_deref().map(show),
            before.as_deref().map(show),
            "seed {seed}:\n{}\n{}",
            show(&payload),
            show(&reversed)
        );
    }
}

#[test]
fn a_merged_session_is_to_php_exactly_what_the_rules_say() {
    let mut php = Php::start();
    let (mut conflicts, mut merges, mut judged, mut ambiguous) = (0u64, 0u64, 0u64, 0u64);
    let began = std::time::Instant::now();
    for seed in seeds() {
        for handler in HANDLERS {
            let format = Format::from_handler(handler);
            let made = php.ask(&[b"triple", seed.to_string().as_bytes(), handler.as_bytes()]);
            let [base, mine, theirs, rules, winner] = &made[..] else { panic!("five fields") };
            let rules = Rules::parse(std::str::from_utf8(rules).unwrap()).unwrap();
            let winner = match &winner[..] {
                b"mine" => Winner::Mine,
                b"theirs" => Winner::Theirs,
                _ => Winner::Later,
            };
            let merged = merge(format, base, mine, theirs, &MergeOptions { rules: Some(&rules), winner }).unwrap();
            assert_eq!(merged.whole, None, "seed {seed}");
            let mut told: Vec<Vec<u8>> = merged
                .conflicts
                .iter()
                .map(|conflict| {
                    let place = if conflict.nested { "below" } else { "itself" };
                    let cause = if conflict.cause == Cause::Removed { "removed" } else { "changed" };
                    [&conflict.name[..], b"/", place.as_bytes(), b"/", cause.as_bytes()].concat()
                })
                .collect();
            told.sort();
            conflicts += told.len() as u64;
            merges += u64::from(base != mine && base != theirs && mine != theirs);
            let problem = php.ask(&[b"check", &merged.payload, &told.join(&b'\n')]).remove(0);
            if problem == b"?" {
                ambiguous += 1;
                continue;
            }
            judged += 1;
            assert!(
                problem.is_empty(),
                "seed {seed}, {handler}, {winner:?}, {rules:?}\nbase   {}\nmine   {}\ntheirs {}\nmerged {}\n{}",
                show(base),
                show(mine),
                show(theirs),
                show(&merged.payload),
                show(&problem).replace("\\n", "\n")
            );
        }
    }
    println!(
        "{judged} triples judged by PHP in {:.0} s, {ambiguous} more not, for equal elements in a list; in {merges} both \
         sides had changed, differently; {conflicts} conflicts",
        began.elapsed().as_secs_f64()
    );
    // Else the generator has gone blind.
    assert!(ambiguous * 1000 <= judged + 1000, "{ambiguous} of {judged} could not be judged");
    assert!(merges * 4 > seeds().end - seeds().start && conflicts > 0, "{merges} merges with {conflicts} conflicts");
}

#[test]
fn damaged_payloads_are_refused_where_php_refuses_them() {
    let mut php = Php::start();
    let payload = b"a|a:3:{i:0;d:-1.5E+3;s:1:\"k\";b:1;i:2;N;}b|R:3;c|s:3:\"x\"y\";!d|O:8:\"stdClass\":1:{s:1:\"p\";i:-5;}e|r:6;f|S:2:\"\\61z\";";
    assert!(php.read("php", payload).is_some() && decode(Format::Php, payload).is_ok());
    let (mut accepted, mut refused) = (0, 0);
    for at in 0..payload.len() {
        for byte in *b"0179:;{}\"|aNiRrsS+-.E" {
            let mut damaged = payload.to_vec();
            damaged[at] = byte;
            let ours = decode(Format::Php, &damaged);
            let theirs = php.read("php", &damaged);
            // Where PHP is stricter: it knows the classes. Where we are: numbers out of range, and what only PHP up to 7.0 wrote.
            let about_class = damaged.windows(2).any(|pair| pair == b"E:")
                || damaged.windows(2).any(|pair| pair == b"O:") && !damaged.windows(10).any(|w| w == b"\"stdClass\"");
            let legacy = ours.as_ref().is_ok_and(|tree| damaged.contains(&b'!') && tree.get(b"!d").is_none());
            if !about_class && !legacy {
                assert_eq!(ours.is_ok(), theirs.is_some(), "{}: {:?}", show(&damaged), ours.err());
            }
            if theirs.is_some() { accepted += 1 } else { refused += 1 }
        }
    }
    assert!(accepted > 100 && refused > 1000, "{accepted} accepted, {refused} refused");
}
