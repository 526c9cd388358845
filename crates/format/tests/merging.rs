//! The rules of the merge, one by one, where they can be read. What they add up to is checked by `php_oracle.rs`.

// Helpers of tests: what goes wrong here is meant to fail the test.
#![allow(clippy::unwrap_used)]

use cloakroom_format::{Cause, Conflict, Format, MergeOptions, Merged, Refused, Rules, Side, Whole, Winner, merge};

fn with(rules: &str, winner: Winner, base: &str, mine: &str, theirs: &str) -> Result<Merged, Refused> {
    let rules = Rules::parse(rules).unwrap();
    merge(
        Format::Json,
        base.as_bytes(),
        mine.as_bytes(),
        theirs.as_bytes(),
        &MergeOptions { rules: Some(&rules), winner },
    )
}

fn text(merged: Merged) -> (String, Vec<String>) {
    let conflicts =
        merged.conflicts.iter().map(|conflict| format!("{conflict} {:?} {}", conflict.cause, conflict.count)).collect();
    (String::from_utf8(merged.payload).unwrap(), conflicts)
}

#[track_caller]
fn gives(base: &str, mine: &str, theirs: &str, expected: &str, conflicts: &[&str]) {
    ruled("", Winner::Later, base, mine, theirs, expected, conflicts);
}

#[track_caller]
fn ruled(rules: &str, winner: Winner, base: &str, mine: &str, theirs: &str, expected: &str, conflicts: &[&str]) {
    let (payload, told) = text(with(rules, winner, base, mine, theirs).unwrap());
    assert_eq!((payload.as_str(), told), (expected, conflicts.iter().map(|c| c.to_string()).collect()));
}

#[test]
fn different_variables_and_different_keys_both_keep_their_change() {
    gives(r#"{"a":1,"b":1}"#, r#"{"a":2,"b":1,"m":0}"#, r#"{"a":1,"b":2,"t":0}"#, r#"{"a":2,"b":2,"t":0,"m":0}"#, &[]);
    gives(
        r#"{"c":{"x":{"q":1}}}"#,
        r#"{"c":{"x":{"q":1},"y":1}}"#,
        r#"{"c":{"x":{"q":2}}}"#,
        r#"{"c":{"x":{"q":2},"y":1}}"#,
        &[],
    );
    // Also where both made the array.
    gives("{}", r#"{"c":{"x":1}}"#, r#"{"c":{"y":1}}"#, r#"{"c":{"y":1,"x":1}}"#, &[]);
}

#[test]
fn the_later_committer_wins_a_conflict_and_it_is_counted() {
    gives(r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":3}"#, r#"{"a":2}"#, &["a Changed 1"]);
    gives(
        r#"{"a":{"x":1,"y":1}}"#,
        r#"{"a":{"x":2,"y":2}}"#,
        r#"{"a":{"x":3,"y":3}}"#,
        r#"{"a":{"x":2,"y":2}}"#,
        &["a.* Changed 2"],
    );
    gives(r#"{"a":1,"b":0}"#, r#"{"a":2,"b":1}"#, r#"{"a":2,"b":2}"#, r#"{"a":2,"b":1}"#, &["b Changed 1"]);
}

#[test]
fn a_removal_beats_a_change_below_it_on_either_side() {
    let (base, out) = (r#"{"u":{"id":1},"k":1}"#, r#"{"k":1}"#);
    gives(base, out, r#"{"u":{"id":1,"seen":5},"k":1}"#, out, &["u Removed 1"]);
    gives(base, r#"{"u":{"id":1,"seen":5},"k":1}"#, out, out, &["u Removed 1"]);
    gives(r#"{"a":{"b":{"c":1}}}"#, r#"{"a":{"b":{"c":2}}}"#, r#"{"a":{}}"#, r#"{"a":{}}"#, &["a.* Removed 1"]);
}

#[test]
fn who_rotated_or_changed_the_owner_wins_every_conflict() {
    let (base, mine, theirs) = (r#"{"a":1,"u":1}"#, r#"{"a":2,"u":2}"#, r#"{"a":3}"#);
    ruled("", Winner::Theirs, base, mine, theirs, r#"{"a":3}"#, &["a Changed 1", "u Removed 1"]);
    ruled("a=first", Winner::Mine, base, mine, theirs, r#"{"a":2,"u":2}"#, &["a Changed 1", "u Removed 1"]);
}

#[test]
fn lists_merge_as_sequences() {
    let gives = |base: &str, mine: &str, theirs: &str, expected: &str, conflicts: &[&str]| {
        let session = |list: &str| format!(r#"{{"l":{list}}}"#);
        gives(&session(base), &session(mine), &session(theirs), &session(expected), conflicts);
    };
    gives("[1]", "[1,2]", "[1,3]", "[1,3,2]", &[]);
    gives("[1]", "[1,2]", "[1,2]", "[1,2,2]", &[]);
    gives("[1,2]", "[2]", "[1,2,3]", "[2,3]", &[]);
    gives("[1]", "[]", "[1,3]", "[3]", &[]);
    gives("[1,2,3]", "[2,3]", "[2,3,4]", "[2,3,4]", &[]);
    gives("[1,2]", "[0,1,2]", "[1,5,2]", "[0,1,5,2]", &[]);
    gives("[1,2]", "[9,2]", "[1,8]", "[9,8]", &[]);
    gives("[1,2]", "[1,9]", "[1,8]", "[1,9]", &["l.* Changed 1"]);
    gives(r#"[{"n":1,"q":1}]"#, r#"[{"n":1,"q":2}]"#, r#"[{"n":7,"q":1},{}]"#, r#"[{"n":7,"q":2},{}]"#, &[]);
    gives(r#"[{"n":1,"q":1}]"#, r#"[{"n":1,"q":2}]"#, "[]", "[]", &["l.* Removed 1"]);
    // Both wrote the same longer list over it: that is one list.
    gives("[1,2]", "[7,8,9]", "[7,8,9,6]", "[7,8,9,6,9]", &[]);
    gives("[1,2]", "[5,7,8,9]", "[5,7,8,9]", "[5,7,8,9]", &[]);
}

#[test]
fn a_list_set_up_alike_by_two_requests_is_one_list() {
    gives("{}", r#"{"roles":["a","b"]}"#, r#"{"roles":["a","b"],"x":1}"#, r#"{"roles":["a","b"],"x":1}"#, &[]);
    gives("{}", r#"{"log":["m"]}"#, r#"{"log":["t"]}"#, r#"{"log":["t","m"]}"#, &[]);
}

#[test]
fn rules_by_path_decide_in_place_of_the_later_committer() {
    let rules = "n=sum,m=max,f=first,s=union,c.*.q=sum";
    let ruled = |base, mine, theirs, expected, conflicts: &[&str]| {
        ruled(rules, Winner::Later, base, mine, theirs, expected, conflicts)
    };
    ruled(r#"{"n":5}"#, r#"{"n":6}"#, r#"{"n":6}"#, r#"{"n":7}"#, &[]);
    ruled(r#"{"x":0}"#, r#"{"x":0,"n":1}"#, r#"{"x":0,"n":2}"#, r#"{"x":0,"n":3}"#, &[]);
    ruled(r#"{"n":0.5}"#, r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":2.5}"#, &[]);
    ruled(r#"{"n":1}"#, r#"{"n":"x"}"#, r#"{"n":2}"#, r#"{"n":"x"}"#, &["n Changed 1"]);
    ruled(r#"{"m":1}"#, r#"{"m":3}"#, r#"{"m":9}"#, r#"{"m":9}"#, &[]);
    ruled(r#"{"m":"2024"}"#, r#"{"m":"2026"}"#, r#"{"m":"2025"}"#, r#"{"m":"2026"}"#, &[]);
    ruled(r#"{"f":1}"#, r#"{"f":2}"#, r#"{"f":3}"#, r#"{"f":3}"#, &["f Changed 1"]);
    ruled(r#"{"s":[1,2]}"#, r#"{"s":[2,3,4]}"#, r#"{"s":[1,2,3,5]}"#, r#"{"s":[2,3,5,4]}"#, &[]);
    ruled(
        r#"{"c":{"t":{"q":1,"p":0}}}"#,
        r#"{"c":{"t":{"q":2,"p":1}}}"#,
        r#"{"c":{"t":{"q":3,"p":0}}}"#,
        r#"{"c":{"t":{"q":4,"p":1}}}"#,
        &[],
    );
}

#[test]
fn a_union_knows_an_element_again_whose_references_have_other_numbers() {
    let list =
        |number, more: &str, count| format!(r#"u|a:{count}:{{i:0;a:2:{{s:1:"y";i:1;s:3:"tie";R:{number};}}{more}}}"#);
    let base = list(3, "", 1);
    // Variables that were added before it move all numbers.
    let mine = format!("a|i:1;{}", list(4, "i:1;s:1:\"m\";", 2));
    let theirs = format!("b|i:1;c|i:1;{}", list(5, "i:1;s:1:\"t\";", 2));
    let rules = Rules::parse("u=union").unwrap();
    let options = MergeOptions { rules: Some(&rules), winner: Winner::Later };
    let merged = merge(Format::Php, base.as_bytes(), mine.as_bytes(), theirs.as_bytes(), &options).unwrap();
    let expected = format!("b|i:1;c|i:1;{}a|i:1;", list(5, "i:1;s:1:\"t\";i:2;s:1:\"m\";", 3));
    assert_eq!(String::from_utf8(merged.payload).unwrap(), expected);
}

#[test]
fn the_rule_fail_refuses_a_conflict_and_nothing_else() {
    let (base, mine) = (r#"{"a":{"x":1,"y":1}}"#, r#"{"a":{"x":2,"y":1}}"#);
    let refused = with("a=fail", Winner::Later, base, mine, r#"{"a":{"x":3,"y":1}}"#).unwrap_err();
    assert_eq!(refused, Refused { name: b"a".to_vec(), nested: true });
    assert!(refused.to_string().contains("`a.*`"), "{refused}");
    assert!(with("a=fail", Winner::Later, base, mine, "{}").is_err());
    assert!(with("a=fail", Winner::Later, base, mine, r#"{"a":{"x":1,"y":2}}"#).is_ok());
}

#[test]
fn objects_are_one_piece_and_references_move_together() {
    let merge = |base: &[u8], mine: &[u8], theirs: &[u8]| {
        merge(Format::Php, base, mine, theirs, &MergeOptions::default()).unwrap()
    };
    let object = |a, b| format!("o|O:1:\"T\":2:{{s:1:\"a\";i:{a};s:1:\"b\";i:{b};}}").into_bytes();
    let merged = merge(&object(1, 1), &object(2, 1), &object(1, 2));
    assert_eq!(merged.payload, object(2, 1));
    assert_eq!(merged.conflicts, [Conflict { name: b"o".to_vec(), nested: false, cause: Cause::Changed, count: 1 }]);
    // A change in theirs moves every number of mine's group.
    let merged = merge(b"n|i:1;a|i:5;b|R:2;", b"n|i:1;a|i:6;b|R:2;", b"n|a:2:{i:0;N;i:1;N;}a|i:5;b|R:4;");
    assert_eq!(merged.payload, b"n|a:2:{i:0;N;i:1;N;}a|i:6;b|R:4;");
    // Order is theirs': the first one that comes carries the content.
    let merged = merge(b"a|i:5;b|R:1;", b"a|i:6;b|R:1;", b"z|N;b|i:5;a|R:2;");
    assert_eq!(merged.payload, b"z|N;b|i:6;a|R:2;");
    // Tied by mine only: both move together, and theirs' change of one of them is a conflict.
    let merged = merge(b"a|i:1;b|i:2;", b"a|i:1;b|R:1;", b"a|i:3;b|i:2;");
    assert_eq!(merged.payload, b"a|i:1;b|R:1;");
    assert_eq!(merged.conflicts.len(), 2);
    // What a removed variable shared goes on in the other one.
    let merged = merge(b"a|a:1:{i:0;i:7;}b|R:1;", b"b|a:2:{i:0;i:7;i:1;i:8;}", b"a|a:1:{i:0;i:7;}b|R:1;c|N;");
    assert_eq!(merged.payload, b"b|a:2:{i:0;i:7;i:1;i:8;}c|N;");
}

#[test]
fn what_cant_be_taken_apart_is_one_piece() {
    let whole = |format, base: &[u8], mine: &[u8], theirs: &[u8], winner| {
        merge(format, base, mine, theirs, &MergeOptions { rules: None, winner }).unwrap()
    };
    let merged = whole(Format::Opaque, b"\0b", b"\0m", b"\0t", Winner::Later);
    assert_eq!((&merged.payload[..], merged.whole, merged.conflicts.len()), (&b"\0m"[..], Some(Whole::Opaque), 1));
    let merged = whole(Format::Opaque, b"\0b", b"\0m", b"\0t", Winner::Theirs);
    assert_eq!(merged.payload, b"\0t");
    let merged = whole(Format::Php, b"a|i:1;", b"a|i:2;", b"a|i:1;c|C:1:\"X\":0:{}", Winner::Later);
    assert_eq!((&merged.payload[..], merged.whole), (&b"a|i:2;"[..], Some(Whole::Indivisible)));
    let merged = whole(Format::Php, b"a|i:1;", b"a|i:2;", b"damaged", Winner::Later);
    assert!(matches!(merged.whole, Some(Whole::Unreadable(Side::Theirs, _))));
    assert_eq!(merged.payload, b"a|i:2;");
    // One side only: nothing to decide, whatever it is.
    let merged = whole(Format::Php, b"damaged", b"damaged", b"a|i:1;", Winner::Mine);
    assert_eq!((&merged.payload[..], merged.whole, merged.conflicts.len()), (&b"a|i:1;"[..], None, 0));
}

#[test]
fn two_equal_changes_below_an_array_count_twice_where_they_should() {
    let winner = Winner::Later;
    let (base, changed) = (r#"{"cart":{"tea":{"qty":1}}}"#, r#"{"cart":{"tea":{"qty":3}}}"#);
    ruled("cart.*.qty=sum", winner, base, changed, changed, r#"{"cart":{"tea":{"qty":5}}}"#, &[]);
    gives(base, changed, changed, changed, &[]);
    let appended = r#"{"cart":{"items":["a","b"]}}"#;
    gives(r#"{"cart":{"items":["a"]}}"#, appended, appended, r#"{"cart":{"items":["a","b","b"]}}"#, &[]);
    // Who set up the same from nothing meant one.
    gives("{}", appended, appended, appended, &[]);
}
