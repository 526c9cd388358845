//! What the functions give to PHP, and what PHP hands in.

/// A value for PHP.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(i64),
    Text(Vec<u8>),
    List(Vec<Value>),
    Map(Vec<(&'static str, Value)>),
    /// An argument (its place, from 1) that no call should have; the text follows its name.
    Wrong(i64, String),
    /// Variables as PHP's `php_serialize` has them.
    Encoded(Vec<u8>),
}

impl Value {
    pub(super) fn text(text: impl Into<Vec<u8>>) -> Self {
        Value::Text(text.into())
    }

    pub(super) fn count(number: u64) -> Self {
        Value::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }

    pub(super) fn maybe(value: Option<Self>) -> Self {
        value.unwrap_or(Value::Null)
    }
}

/// One place of the flat list that C gets; a list or map is followed by its `number` members.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: CellKind,
    pub(crate) number: i64,
    pub(crate) text: Vec<u8>,
}

/// What a [`Cell`] is (`enum cr_function` in `shim/door.h` says the codes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CellKind {
    Null,
    Bool,
    Number,
    Text,
    List,
    Map,
    Wrong,
    Encoded,
}

/// The value as a flat list.
pub(super) fn flat(value: Value) -> Vec<Cell> {
    let mut cells = Vec::new();
    push(&mut cells, "", value);
    cells
}

fn push(cells: &mut Vec<Cell>, name: &str, value: Value) {
    let mut cell = |kind, number, text| cells.push(Cell { name: name.as_bytes().to_vec(), kind, number, text });
    let length = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
    match value {
        Value::Null => cell(CellKind::Null, 0, Vec::new()),
        Value::Bool(yes) => cell(CellKind::Bool, yes.into(), Vec::new()),
        Value::Number(number) => cell(CellKind::Number, number, Vec::new()),
        Value::Text(text) => cell(CellKind::Text, 0, text),
        Value::Wrong(argument, text) => cell(CellKind::Wrong, argument, text.into_bytes()),
        Value::Encoded(text) => cell(CellKind::Encoded, 0, text),
        Value::List(values) => {
            cell(CellKind::List, length(values.len()), Vec::new());
            values.into_iter().for_each(|value| push(cells, "", value));
        }
        Value::Map(values) => {
            cell(CellKind::Map, length(values.len()), Vec::new());
            values.into_iter().for_each(|(name, value)| push(cells, name, value));
        }
    }
}

/// An argument, or one of its options.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given<'a> {
    /// The option's name; empty for an argument of its own.
    pub(crate) name: &'a [u8],
    pub(crate) value: GivenValue<'a>,
}

/// A plain value of PHP's.
#[derive(Debug, Clone, Copy)]
pub(crate) enum GivenValue<'a> {
    Null,
    Bool(bool),
    Number(i64),
    Text(&'a [u8]),
}

impl<'a> Given<'a> {
    /// A whole number of at least 0; also as text, since options often come from a form or from settings.
    pub(super) fn amount(&self) -> Option<u64> {
        match self.value {
            GivenValue::Number(number) => u64::try_from(number).ok(),
            GivenValue::Text(text) => std::str::from_utf8(text).ok()?.trim().parse().ok(),
            GivenValue::Null | GivenValue::Bool(_) => None,
        }
    }

    pub(super) fn bytes(&self) -> Option<&'a [u8]> {
        match self.value {
            GivenValue::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.value, GivenValue::Null)
    }
}

/// The text at a place, empty where there is none.
pub(super) fn text_at<'a>(given: &[Given<'a>], at: usize) -> &'a [u8] {
    given.get(at).and_then(Given::bytes).unwrap_or_default()
}

/// The number at a place.
pub(super) fn number_at(given: &[Given<'_>], at: usize) -> Option<i64> {
    match given.get(at)?.value {
        GivenValue::Number(number) => Some(number),
        _ => None,
    }
}
