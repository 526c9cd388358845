//! What a request has in `$_SESSION`, as far as the requests here use it: whole numbers and lists of them, in PHP's
//! encoding. Written apart from the engine's own reader, which it checks.

use std::fmt;

/// A value.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    Int(u32),
    List(Vec<u32>),
}

/// The variables, in order.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Vars(pub(crate) Vec<(String, Value)>);

/// One change to the variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    Set(&'static str, u32),
    Append(u32),
    Remove(String),
}

pub(crate) const LIST: &str = "list";

impl Vars {
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    pub(crate) fn list(&self) -> &[u32] {
        match self.get(LIST) {
            Some(Value::List(list)) => list,
            _ => &[],
        }
    }

    pub(crate) fn apply(&mut self, edit: &Edit) {
        match edit {
            Edit::Set(name, value) => match self.0.iter_mut().find(|(n, _)| n == name) {
                Some((_, slot)) => *slot = Value::Int(*value),
                None => self.0.push(((*name).to_owned(), Value::Int(*value))),
            },
            Edit::Append(element) => match self.0.iter_mut().find(|(n, _)| n == LIST) {
                Some((_, Value::List(list))) => list.push(*element),
                _ => self.0.push((LIST.to_owned(), Value::List(vec![*element]))),
            },
            Edit::Remove(name) => self.0.retain(|(n, _)| n != name),
        }
    }

    /// Every number in it, with its variable.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = (&str, u32)> {
        self.0.iter().flat_map(|(name, value)| {
            let numbers = match value {
                Value::Int(n) => vec![*n],
                Value::List(list) => list.clone(),
            };
            numbers.into_iter().map(move |n| (name.as_str(), n))
        })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = String::new();
        for (name, value) in &self.0 {
            match value {
                Value::Int(n) => out.push_str(&format!("{name}|i:{n};")),
                Value::List(list) => {
                    out.push_str(&format!("{name}|a:{}:{{", list.len()));
                    for (at, n) in list.iter().enumerate() {
                        out.push_str(&format!("i:{at};i:{n};"));
                    }
                    out.push('}');
                }
            }
        }
        out.into_bytes()
    }

    /// Panics on what no request here writes: the engine must not make it up.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let mut text = std::str::from_utf8(bytes).expect("only ASCII is written here");
        let mut vars = Vec::new();
        while !text.is_empty() {
            let (name, rest) = text.split_once('|').expect("a name");
            let value;
            if let Some(rest) = rest.strip_prefix("i:") {
                let (number, rest) = rest.split_once(';').expect("a number");
                value = Value::Int(number.parse().expect("a number"));
                text = rest;
            } else {
                let rest = rest.strip_prefix("a:").expect("a list");
                let (count, rest) = rest.split_once(":{").expect("a list");
                let (body, rest) = rest.split_once('}').expect("a list");
                let parts: Vec<&str> = body.split_terminator(';').collect();
                let list: Vec<u32> = parts
                    .chunks(2)
                    .enumerate()
                    .map(|(at, pair)| {
                        assert_eq!(pair[0], format!("i:{at}"), "a list's keys count from 0");
                        pair[1].strip_prefix("i:").and_then(|n| n.parse().ok()).expect("a number")
                    })
                    .collect();
                assert_eq!(list.len().to_string(), count, "a list says how long it is");
                value = Value::List(list);
                text = rest;
            }
            vars.push((name.to_owned(), value));
        }
        Self(vars)
    }
}

impl fmt::Debug for Vars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.encode()))
    }
}
