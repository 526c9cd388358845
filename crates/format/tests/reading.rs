//! What is read, what is refused, and what is said about it.

use cloakroom_format::{
    ConvertError, Fault, Format, Key, Kind, Limits, Serializer, Tree, convert, count, decode, decode_with, empty,
    is_empty, join, recognise, summary,
};
use std::borrow::Cow;

fn names(tree: &Tree<'_>) -> Vec<String> {
    tree.variables().map(|variable| String::from_utf8_lossy(&variable.name().to_bytes()).into_owned()).collect()
}

#[test]
fn every_kind_of_value_is_told_apart_and_keeps_its_text() {
    let text = b"a:14:{i:0;N;i:1;b:1;i:2;i:-7;i:3;d:1.0E+25;i:4;s:3:\"a\0\xff\";i:5;S:2:\"\\00z\";i:6;a:1:{s:1:\"5\";b:0;}\
        i:7;O:8:\"stdClass\":1:{s:1:\"5\";i:1;}i:8;E:11:\"Suit:Hearts\";i:9;r:10;i:10;R:5;s:3:\"inf\";d:-INF;s:2:\"-0\";d:-0;i:-9;d:NAN;}";
    let tree = decode(Format::PhpSerialize, text).unwrap();
    assert_eq!(tree.encode(), text);
    let values: Vec<_> = tree.variables().map(|variable| variable.value()).collect();
    let kinds: Vec<Kind> = values.iter().map(|value| value.kind()).collect();
    use Kind::*;
    let expected = [Null, Bool, Int, Float, Str, EscapedStr, Array, Object, Enum, Same, Reference, Float, Float, Float];
    assert_eq!(kinds, expected);
    assert_eq!(values[1].as_bool(), Some(true));
    assert_eq!(values[2].as_int(), Some(-7));
    assert_eq!((values[3].as_float(), values[3].text()), (Some(1e25), &b"d:1.0E+25;"[..]));
    assert_eq!(values[4].as_bytes().unwrap(), &b"a\0\xff"[..]);
    assert_eq!(values[5].as_bytes().unwrap(), &b"\0z"[..]);
    // PHP's arrays turn such keys into integers, its objects don't.
    assert_eq!(values[6].entries().next().unwrap().0, Key::Int(5));
    assert_eq!(values[7].entries().next().unwrap().0, Key::Str(Cow::Borrowed(b"5")));
    assert_eq!(values[7].class(), Some(&b"stdClass"[..]));
    assert_eq!(values[8].class(), Some(&b"Suit:Hearts"[..]));
    assert_eq!((values[9].target(), values[9].number()), (Some(10), Some(13)));
    assert_eq!((values[10].target(), values[10].number()), (Some(5), None));
    assert_eq!(tree.get(b"inf").unwrap().value().as_float(), Some(f64::NEG_INFINITY));
}

#[test]
fn a_name_that_comes_twice_counts_once_and_with_its_last_value() {
    for (format, payload) in [
        (Format::Php, &b"a|i:1;b|i:5;a|i:2;a|i:3;"[..]),
        (Format::PhpBinary, b"\x01ai:1;\x01bi:5;\x01ai:2;\x01ai:3;"),
        (Format::Json, b"{\"a\":1,\"b\":5,\"\\u0061\":2,\"a\":3}"),
    ] {
        let tree = decode(format, payload).unwrap();
        assert_eq!(names(&tree), ["a", "b"], "{format}");
        assert_eq!(tree.get(b"a").unwrap().value().as_int(), Some(3), "{format}");
        assert_eq!(tree.encode(), payload);
        assert_eq!(count(format, payload).unwrap(), 2);
        assert_eq!(tree.len(), 2);
    }
    // What was displaced can still be referred to, and comes along when it is.
    let tree = decode(Format::Php, b"a|i:1;a|i:2;b|R:1;").unwrap();
    let all: Vec<_> = tree.variables().collect();
    assert_eq!(join(Format::Php, &all).unwrap(), b"a|i:2;b|i:1;");
}

#[test]
fn unset_variables_of_old_php_are_passed_over_and_written_back() {
    for (format, payload, expected) in [
        (Format::Php, &b"!gone|b|i:1;"[..], &["b"][..]),
        (Format::Php, b"!gone|", &[]),
        (Format::Php, b"!here|i:1;!gone|!too|b|R:1;", &["!here", "b"]),
        (Format::Php, b"a|i:1;!gone|r:1;|i:2;", &["a", "r:1;"]),
        (Format::PhpBinary, b"\x84gone\x01bi:1;", &["b"]),
    ] {
        let tree = decode(format, payload).unwrap();
        assert_eq!(names(&tree), expected, "{}", payload.escape_ascii());
        assert_eq!(tree.encode(), payload);
        assert_eq!(summary(format, payload).unwrap().len(), expected.len());
    }
}

#[test]
fn an_endless_row_of_unset_variables_costs_no_more_than_its_length() {
    // Each entry could be read to the end of the payload before it turns out to have no value.
    let mut payload = Vec::new();
    for _ in 0..20_000 {
        payload.extend_from_slice(b"!|a:9:{i:0;s:4:\"|!|a\";i:1;");
    }
    let before = std::time::Instant::now();
    let _ = decode(Format::Php, &payload);
    assert!(before.elapsed().as_secs() < 5);
}

#[test]
fn damage_is_told_with_its_place_in_a_whole_sentence() {
    for (format, payload, offset, fault) in [
        (Format::Php, &b"a|i:1"[..], 5, Fault::Ends),
        (Format::Php, b"a|i:1;b", 6, Fault::Name),
        (Format::Php, b"a|s:5:\"abc\";", 4, Fault::Length),
        (Format::Php, b"a|s:4294967295:\"abc\";", 4, Fault::Length),
        (Format::Php, b"a|s:99999999999:\"abc\";", 4, Fault::Number),
        (Format::Php, b"a|a:2:{i:0;N;}", 13, Fault::Expected("a key")),
        (Format::Php, b"a|a:4000000000:{i:0;N;", 22, Fault::Ends),
        (Format::Php, b"a|i:1;b|R:2;", 10, Fault::Reference),
        (Format::Php, b"a|i:1;b|R:0;", 10, Fault::Reference),
        (Format::Php, b"a|i:1;b|r:1;", 10, Fault::NotAnObject),
        (Format::Php, b"a|i:9223372036854775808;", 4, Fault::Number),
        (Format::Php, b"a|x:1;", 2, Fault::Expected("a value")),
        (Format::PhpBinary, b"\x05ab", 0, Fault::Length),
        (Format::PhpSerialize, b"a:0:{}x", 6, Fault::Trailing),
        (Format::PhpSerialize, b"N;", 0, Fault::Expected("an array of variables")),
        (Format::Json, b"{\"a\":1,}", 7, Fault::Expected("a name in quotation marks")),
        (Format::Json, b"{\"a\":01}", 5, Fault::Expected("a number without leading zeros")),
        (Format::Json, b"{\"a\":\"\\ud800\"}", 6, Fault::Expected("an escape of four hexadecimal digits")),
        (Format::Json, b"{\"a\":\"\xff\"}", 6, Fault::NotUtf8),
        (Format::Json, b"[1]", 0, Fault::Expected("an object of variables")),
        (Format::Opaque, b"", 0, Fault::Opaque),
    ] {
        let error = decode(format, payload).unwrap_err();
        assert_eq!((error.offset, error.fault), (offset, fault), "{}", payload.escape_ascii());
        let text = error.to_string();
        assert!(text.starts_with("The payload can't be read as `") && text.ends_with('.'), "{text}");
    }
}

#[test]
fn a_payload_of_another_format_is_recognised_and_the_setting_named() {
    for (configured, payload, seems) in [
        (Format::Php, &b"a:1:{s:1:\"a\";i:1;}"[..], Serializer::Known(Format::PhpSerialize)),
        (Format::Php, b"\x01ai:1;", Serializer::Known(Format::PhpBinary)),
        (Format::Php, b"{\"a\":1}", Serializer::Known(Format::Json)),
        (Format::PhpSerialize, b"a|i:1;", Serializer::Known(Format::Php)),
        (Format::PhpBinary, b"abc|i:1;", Serializer::Known(Format::Php)),
        (Format::Json, b"a|i:1;", Serializer::Known(Format::Php)),
        (Format::Php, b"\0\0\0\x02\x14\x01\x11\x01a\x06\x01", Serializer::Igbinary),
        (Format::Php, b"\x82\xc0\x01\xa1a\x01", Serializer::Msgpack),
        (Format::Php, b"<wddxPacket version='1.0'/>", Serializer::Wddx),
        (Format::Php, b"def50200f920d09b", Serializer::Defuse),
        (Format::Php, b"\x28\xb5\x2f\xfd\0", Serializer::Zstd),
    ] {
        let error = decode(configured, payload).unwrap_err();
        assert_eq!(error.seems, Some(seems), "{}", payload.escape_ascii());
        assert!(error.to_string().contains(&format!("It looks like `{seems}`")));
        assert_eq!(recognise(payload), Some(seems));
    }
    assert_eq!(decode(Format::Php, b"rubbish").unwrap_err().seems, None);
    assert_eq!(recognise(b""), None);
}

#[test]
fn nesting_is_bounded_and_needs_no_stack() {
    let nested =
        |levels: usize| [b"a|".to_vec(), b"a:1:{i:0;".repeat(levels), b"N;".to_vec(), b"}".repeat(levels)].concat();
    let brackets =
        |levels: usize| [b"{\"a\":".to_vec(), b"[".repeat(levels), b"]".repeat(levels), b"}".to_vec()].concat();
    // The smallest stack that a thread may have; two changed leaves at the bottom make the merge go all the way down.
    let work = move || {
        let deep = nested(4096);
        assert_eq!(decode(Format::Php, &deep).unwrap().len(), 1);
        assert!(decode(Format::Json, &brackets(4096)).is_ok());
        assert_eq!(decode(Format::Php, &nested(4097)).unwrap_err().fault, Fault::TooDeep);
        assert_eq!(decode(Format::Json, &brackets(4097)).unwrap_err().fault, Fault::TooDeep);
        let changed = |with: &str| String::from_utf8(deep.clone()).unwrap().replace("N;", with).into_bytes();
        let (mine, theirs) = (changed("i:1;"), changed("i:2;"));
        let merged = cloakroom_format::merge(Format::Php, &deep, &mine, &theirs, &Default::default()).unwrap();
        assert_eq!(merged.payload, mine);
        let objects = Limits { depth: 1 << 20, ..Limits::default() };
        assert!(decode_with(Format::Php, &nested(1 << 20), objects).is_ok());
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(work).unwrap().join().unwrap();
}

#[test]
fn size_is_bounded() {
    let limits = Limits { size: 8, ..Limits::default() };
    assert!(decode_with(Format::Php, b"a|i:100;", limits).is_ok());
    assert_eq!(decode_with(Format::Php, b"a|i:1000;", limits).unwrap_err().fault, Fault::TooLong);
}

#[test]
fn an_empty_session_is_known_in_every_format() {
    for format in Format::ALL {
        assert!(is_empty(format, b""), "{format}");
        assert!(is_empty(format, empty(format)), "{format}");
        if format != Format::Opaque {
            assert_eq!(count(format, empty(format)).unwrap(), 0);
            assert!(decode(format, b"").unwrap().is_empty());
        }
    }
    assert!(is_empty(Format::Json, b" { }\n") && is_empty(Format::Json, b"[]"));
    assert!(is_empty(Format::Opaque, b"\0\0\0\x02\x14\0") && is_empty(Format::Opaque, b"\x90"));
    assert!(!is_empty(Format::PhpSerialize, b"a:1:{i:0;N;}") && !is_empty(Format::Json, b"{\"a\":1}"));
    assert!(!is_empty(Format::Php, b"a|N;") && !is_empty(Format::Opaque, b"x"));
}

#[test]
fn variables_are_tied_by_what_they_share() {
    let groups = |payload: &[u8]| decode(Format::Php, payload).unwrap().groups();
    assert_eq!(groups(b"a|i:1;b|i:2;c|R:1;"), [vec![0, 2], vec![1]]);
    assert_eq!(groups(b"a|O:8:\"stdClass\":0:{}b|a:1:{i:0;r:1;}c|a:1:{i:0;R:3;}d|N;"), [vec![0, 1, 2], vec![3]]);
    assert_eq!(groups(b"a|a:2:{i:0;i:1;i:1;R:2;}b|N;"), [vec![0], vec![1]]);
    // Through a displaced variable.
    assert_eq!(groups(b"a|i:1;a|i:2;b|R:1;c|R:1;"), [vec![0], vec![1, 2]]);
    assert_eq!(groups(b"x|N;c|C:1:\"X\":0:{}"), [vec![0, 1]]);
}

#[test]
fn an_earlier_change_does_not_make_later_variables_look_changed() {
    let before = decode(Format::Php, b"a|i:1;o|O:8:\"stdClass\":1:{s:2:\"me\";r:2;}p|a:1:{i:0;R:2;}").unwrap();
    let after = decode(Format::Php, b"a|a:1:{i:0;N;}o|O:8:\"stdClass\":1:{s:2:\"me\";r:3;}p|a:1:{i:0;R:3;}").unwrap();
    let other = decode(Format::Php, b"a|a:1:{i:0;N;}o|O:8:\"stdClass\":1:{s:2:\"me\";r:3;}p|a:1:{i:0;R:4;}").unwrap();
    let same = |tree: &Tree<'_>, name: &[u8]| before.get(name).unwrap().same_as(&tree.get(name).unwrap());
    assert!(!same(&after, b"a") && same(&after, b"o") && same(&after, b"p"));
    assert!(same(&other, b"o") && !same(&other, b"p"));
}

#[test]
fn conversion_renumbers_and_says_what_it_left_out() {
    let payload = b"a:4:{i:7;a:1:{i:0;O:8:\"stdClass\":0:{}}s:1:\"o\";r:3;s:3:\"x|y\";R:4;s:1:\"z\";i:1;}";
    let php = convert(Format::PhpSerialize, payload, Format::Php).unwrap();
    assert_eq!(php.payload, b"o|O:8:\"stdClass\":0:{}z|i:1;");
    assert_eq!(php.left_out, [b"7".to_vec(), b"x|y".to_vec()]);
    let binary = convert(Format::PhpSerialize, payload, Format::PhpBinary).unwrap();
    assert_eq!(binary.payload, b"\x01oO:8:\"stdClass\":0:{}\x03x|yR:1;\x01zi:1;");
    let back = convert(Format::PhpBinary, &binary.payload, Format::PhpSerialize).unwrap();
    assert_eq!(back.payload, b"a:3:{s:1:\"o\";O:8:\"stdClass\":0:{}s:3:\"x|y\";R:2;s:1:\"z\";i:1;}");
    // A custom encoding may count on numbers that can't be seen; where none change it can be carried over.
    let custom = b"a|C:1:\"X\":3:{abc}b|r:1;";
    assert_eq!(convert(Format::Php, custom, Format::PhpBinary).unwrap().payload, b"\x01aC:1:\"X\":3:{abc}\x01br:1;");
    assert_eq!(convert(Format::Php, custom, Format::PhpSerialize), Err(ConvertError::Indivisible));
    assert!(matches!(convert(Format::Php, b"", Format::Json), Err(ConvertError::Formats { .. })));
}
