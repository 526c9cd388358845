//! Generated trees come back as they went in; arbitrary bytes never do harm.

// Helpers of tests: what goes wrong here is meant to fail the test.
#![allow(clippy::unwrap_used)]

use cloakroom_format::{
    Format, Key, Kind, MergeOptions, Rules, Value, Variable, Winner, convert, count, decode, is_empty, join, merge,
    recognise, summary,
};
use proptest::collection::vec;
use proptest::prelude::*;
use std::borrow::Cow;

/// A value without references, independent of the crate's own tree.
#[derive(Debug, Clone)]
enum Model {
    Null,
    Bool(bool),
    Int(i64),
    Float(&'static str),
    Bytes(Vec<u8>),
    Array(Vec<(Result<i64, Vec<u8>>, Model)>),
    Object(String, Vec<(Vec<u8>, Model)>),
}

impl Model {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend(b"N;"),
            Self::Bool(bool) => out.extend(format!("b:{};", u8::from(*bool)).bytes()),
            Self::Int(int) => out.extend(format!("i:{int};").bytes()),
            Self::Float(text) => out.extend(format!("d:{text};").bytes()),
            Self::Bytes(bytes) => write_bytes(bytes, out),
            Self::Array(entries) => {
                out.extend(format!("a:{}:{{", entries.len()).bytes());
                for (key, value) in entries {
                    match key {
                        Ok(int) => out.extend(format!("i:{int};").bytes()),
                        Err(text) => write_bytes(text, out),
                    }
                    value.write(out);
                }
                out.push(b'}');
            }
            Self::Object(class, entries) => {
                out.extend(format!("O:{}:\"{class}\":{}:{{", class.len(), entries.len()).bytes());
                for (name, value) in entries {
                    write_bytes(name, out);
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }

    fn is(&self, value: Value<'_, '_>) -> bool {
        match self {
            Self::Null => value.kind() == Kind::Null,
            Self::Bool(bool) => value.as_bool() == Some(*bool),
            Self::Int(int) => value.as_int() == Some(*int),
            Self::Float(text) => value.kind() == Kind::Float && value.text() == format!("d:{text};").as_bytes(),
            Self::Bytes(bytes) => value.as_bytes().as_deref() == Some(bytes),
            Self::Array(entries) => {
                let key_is = |key: &Result<i64, Vec<u8>>, found: &Key<'_>| match (key, found) {
                    (Ok(int), Key::Int(found)) => int == found,
                    (Err(text), found) => *text == *found.to_bytes(),
                    _ => false,
                };
                value.kind() == Kind::Array
                    && value.entries().count() == entries.len()
                    && entries
                        .iter()
                        .zip(value.entries())
                        .all(|((key, inner), (found, value))| key_is(key, &found) && inner.is(value))
            }
            Self::Object(class, entries) => {
                value.class() == Some(class.as_bytes())
                    && value.entries().count() == entries.len()
                    && entries.iter().zip(value.entries()).all(|((name, inner), (found, value))| {
                        found == Key::Str(Cow::Borrowed(name)) && inner.is(value)
                    })
            }
        }
    }
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(format!("s:{}:\"", bytes.len()).bytes());
    out.extend(bytes);
    out.extend(b"\";");
}

fn model() -> impl Strategy<Value = Model> {
    let leaf = prop_oneof![
        Just(Model::Null),
        any::<bool>().prop_map(Model::Bool),
        any::<i64>().prop_map(Model::Int),
        prop::sample::select(vec!["0.1", "1.0E+25", "INF", "-INF", "NAN", "-0", "1.0000000000000001E-5"])
            .prop_map(Model::Float),
        vec(any::<u8>(), 0..12).prop_map(Model::Bytes),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let key = prop_oneof![any::<i64>().prop_map(Ok), vec(any::<u8>(), 0..4).prop_map(Err)];
        prop_oneof![
            vec((key, inner.clone()), 0..5).prop_map(Model::Array),
            vec(inner.clone(), 0..5).prop_map(|list| Model::Array((0..).map(Ok).zip(list).collect())),
            ("[A-Z][a-z]{0,5}", vec((vec(any::<u8>(), 0..4), inner), 0..4))
                .prop_map(|(class, entries)| Model::Object(class, entries)),
        ]
    })
}

fn session() -> impl Strategy<Value = Vec<(String, Model)>> {
    prop::collection::btree_map("[a-z!]{0,4}[a-z]", model(), 0..6).prop_map(|map| map.into_iter().collect())
}

fn write(session: &[(String, Model)], format: Format) -> Vec<u8> {
    let mut out =
        if format == Format::PhpSerialize { format!("a:{}:{{", session.len()).into_bytes() } else { Vec::new() };
    for (name, value) in session {
        match format {
            Format::PhpSerialize => write_bytes(name.as_bytes(), &mut out),
            Format::PhpBinary => {
                out.push(name.len() as u8);
                out.extend(name.bytes());
            }
            _ => out.extend(format!("{name}|").bytes()),
        }
        value.write(&mut out);
    }
    if format == Format::PhpSerialize {
        out.push(b'}');
    }
    out
}

const PHP: [Format; 3] = [Format::Php, Format::PhpBinary, Format::PhpSerialize];

/// Bytes that are nearly a payload: where random bytes alone would fail at the first one.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(vec![
        &b"a|"[..],
        b"!b|",
        b"\x01c",
        b"\x81d",
        b"N;",
        b"i:5;",
        b"i:-1;",
        b"b:1;",
        b"d:1.5;",
        b"s:1:\"x\";",
        b"S:1:\"\\41\";",
        b"a:1:{",
        b"a:2:{",
        b"a:0:{}",
        b"O:1:\"A\":1:{",
        b"C:1:\"B\":2:{xy}",
        b"E:3:\"A:B\";",
        b"r:1;",
        b"r:2;",
        b"R:1;",
        b"R:2;",
        b"R:3;",
        b"}",
        b"{\"a\":",
        b"[",
        b"]",
        b",",
        b"1",
        b"\"\\ud83d\\ude00\"",
        b" ",
        b"\0",
        b"\"",
        b":",
        b";",
    ]);
    prop_oneof![vec(token, 0..24).prop_map(|tokens| tokens.concat()), vec(any::<u8>(), 0..64)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_generated_session_is_found_again_in_every_php_format(session in session()) {
        for format in PHP {
            let payload = write(&session, format);
            let tree = decode(format, &payload).unwrap();
            prop_assert_eq!(tree.encode(), &payload[..]);
            prop_assert_eq!(tree.len(), session.len());
            for ((name, model), variable) in session.iter().zip(tree.variables()) {
                prop_assert_eq!(variable.name(), Key::Str(Cow::Borrowed(name.as_bytes())));
                prop_assert!(model.is(variable.value()), "{:?}", model);
            }
            let all: Vec<Variable<'_, '_>> = tree.variables().collect();
            prop_assert_eq!(join(format, &all).unwrap(), payload.clone());
            for to in PHP {
                prop_assert_eq!(convert(format, &payload, to).unwrap().payload, write(&session, to));
            }
        }
    }

    #[test]
    fn no_bytes_do_harm(payload in nearly(), other in nearly(), third in nearly()) {
        let rules = Rules::parse("a=union,**=sum").unwrap();
        for format in Format::ALL {
            let _ = recognise(&payload);
            let _ = is_empty(format, &payload);
            let counted = count(format, &payload);
            if let Ok(tree) = decode(format, &payload) {
                prop_assert_eq!(counted.unwrap(), tree.len());
                prop_assert_eq!(summary(format, &payload).unwrap().len(), tree.len());
                let all: Vec<Variable<'_, '_>> = tree.variables().collect();
                prop_assert_eq!(tree.groups().concat().len(), all.len());
                if let Ok(joined) = join(format, &all) {
                    let again = decode(format, &joined).unwrap();
                    prop_assert_eq!(again.len(), tree.len(), "{:?}", joined.escape_ascii().to_string());
                }
                for to in PHP {
                    if let Ok(converted) = convert(format, &payload, to) {
                        prop_assert!(to == format || decode(to, &converted.payload).is_ok());
                    }
                }
            }
            for winner in [Winner::Later, Winner::Mine, Winner::Theirs] {
                let options = MergeOptions { rules: Some(&rules), winner };
                let merged = merge(format, &payload, &other, &third, &options).unwrap();
                let readable = [&payload, &other, &third].iter().all(|payload| decode(format, payload).is_ok());
                prop_assert!(!readable || decode(format, &merged.payload).is_ok());
            }
        }
    }

    #[test]
    fn a_side_that_did_not_change_leaves_the_other_one_alone(base in session(), mine in session()) {
        for format in PHP {
            let (base, mine) = (write(&base, format), write(&mine, format));
            let options = MergeOptions::default();
            prop_assert_eq!(&merge(format, &base, &mine, &base, &options).unwrap().payload, &mine);
            prop_assert_eq!(&merge(format, &base, &base, &mine, &options).unwrap().payload, &mine);
        }
    }

    #[test]
    fn changes_of_different_variables_never_collide(base in session(), mine in model(), theirs in model()) {
        for format in PHP {
            let with = |name: &str, value: &Model| {
                let mut session = base.clone();
                session.push((name.to_owned(), value.clone()));
                session
            };
            let (left, right) = (with("MINE", &mine), with("THEIRS", &theirs));
            let merged = merge(format, &write(&base, format), &write(&left, format), &write(&right, format), &MergeOptions::default());
            let merged = merged.unwrap();
            prop_assert!(merged.conflicts.is_empty());
            let mut expected = right;
            expected.push(("MINE".to_owned(), mine.clone()));
            prop_assert_eq!(merged.payload, write(&expected, format));
        }
    }
}
