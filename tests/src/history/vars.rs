//! What clients put into sessions: one list, one number that adds up, one variable that everybody assigns, and a variable of
//! its own for each change. Encoded as PHP's `php` serializer does, by hand: the checker must not rely on what it checks.

use serde::{Deserialize, Serialize};

/// The code of PHP's format `php`.
pub(crate) const FORMAT: u8 = 1;
/// The list to which elements are appended.
pub(crate) const LIST: &str = "list";
/// The number under the rule `sum`.
pub(crate) const COUNTER: &str = "counter";
/// The variable that everybody assigns.
pub(crate) const SHARED: &str = "shared";

/// A value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Value {
    /// A number.
    Int(i64),
    /// A string.
    Text(String),
    /// A list of strings.
    List(Vec<String>),
}

/// The variables of a session, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Vars(pub(crate) Vec<(String, Value)>);

/// What is changed. A change's *tag* is unique; an appended element, an assigned value and the name of a variable of its own
/// are made of it, so that whatever is found can be traced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Edit {
    /// The tag is appended to the list.
    Append,
    /// A variable named [`own`] the tag holds the tag.
    Set,
    /// The shared variable holds the tag.
    Assign,
    /// So much is added to the counter.
    Add(i64),
    /// The variable of this name is removed.
    Unset(String),
    /// This element is removed from the list.
    Remove(String),
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// Its tag.
    pub(crate) tag: String,
    /// What it does.
    pub(crate) edit: Edit,
}

/// The name of a variable that belongs to one change.
pub(crate) fn own(tag: &str) -> String {
    format!("v_{tag}")
}

impl Vars {
    /// The value of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    fn entry(&mut self, name: &str, otherwise: Value) -> &mut Value {
        let at = self.0.iter().position(|(n, _)| n == name).unwrap_or_else(|| {
            self.0.push((name.into(), otherwise));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }

    /// The list's elements.
    pub(crate) fn list(&self) -> &[String] {
        match self.get(LIST) {
            Some(Value::List(list)) => list,
            _ => &[],
        }
    }

    /// The counter; 0 where there is none.
    pub(crate) fn counter(&self) -> i64 {
        match self.get(COUNTER) {
            Some(Value::Int(number)) => *number,
            _ => 0,
        }
    }

    /// The shared variable's value.
    pub(crate) fn shared(&self) -> Option<&str> {
        match self.get(SHARED) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The tags of variables that belong to one change.
    pub(crate) fn owned(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|(name, _)| name.strip_prefix("v_"))
    }

    /// Applies a change.
    pub(crate) fn apply(&mut self, change: &Change) {
        let text = || Value::Text(change.tag.clone());
        match &change.edit {
            Edit::Append => {
                if let Value::List(list) = self.entry(LIST, Value::List(Vec::new())) {
                    list.push(change.tag.clone());
                }
            }
            Edit::Set => *self.entry(&own(&change.tag), text()) = text(),
            Edit::Assign => *self.entry(SHARED, text()) = text(),
            Edit::Add(by) => {
                if let Value::Int(number) = self.entry(COUNTER, Value::Int(0)) {
                    *number += by;
                }
            }
            Edit::Unset(name) => self.0.retain(|(n, _)| n != name),
            Edit::Remove(element) => {
                if let Value::List(list) = self.entry(LIST, Value::List(Vec::new())) {
                    list.retain(|e| e != element);
                }
            }
        }
    }

    /// As PHP would write it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = String::new();
        for (name, value) in &self.0 {
            out.push_str(name);
            out.push('|');
            match value {
                Value::Int(number) => out.push_str(&format!("i:{number};")),
                Value::Text(text) => out.push_str(&format!("s:{}:\"{text}\";", text.len())),
                Value::List(list) => {
                    out.push_str(&format!("a:{}:{{", list.len()));
                    for (at, element) in list.iter().enumerate() {
                        out.push_str(&format!("i:{at};s:{}:\"{element}\";", element.len()));
                    }
                    out.push('}');
                }
            }
        }
        out.into_bytes()
    }

    /// What was written; an error says what is not as any client here writes it.
    pub(crate) fn decode(payload: &[u8]) -> Result<Self, String> {
        let mut rest = std::str::from_utf8(payload).map_err(|error| error.to_string())?;
        let mut vars = Vec::new();
        while !rest.is_empty() {
            let (name, after) = rest.split_once('|').ok_or_else(|| format!("no name in {rest:?}"))?;
            let (value, after) = value(after).ok_or_else(|| format!("no value in {after:?}"))?;
            vars.push((name.to_owned(), value));
            rest = after;
        }
        Ok(Self(vars))
    }
}

fn value(text: &str) -> Option<(Value, &str)> {
    if let Some(rest) = text.strip_prefix("i:") {
        let (number, rest) = rest.split_once(';')?;
        return Some((Value::Int(number.parse().ok()?), rest));
    }
    if text.starts_with("s:") {
        let (text, rest) = string(text)?;
        return Some((Value::Text(text), rest));
    }
    let (count, mut rest) = text.strip_prefix("a:")?.split_once(":{")?;
    let mut list = Vec::new();
    for at in 0..count.parse().ok()? {
        let (element, after) = string(rest.strip_prefix(&format!("i:{at};"))?)?;
        list.push(element);
        rest = after;
    }
    Some((Value::List(list), rest.strip_prefix('}')?))
}

fn string(text: &str) -> Option<(String, &str)> {
    let (length, rest) = text.strip_prefix("s:")?.split_once(":\"")?;
    let (text, rest) = rest.split_at_checked(length.parse().ok()?)?;
    Some((text.into(), rest.strip_prefix("\";")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_what_php_writes_and_is_decoded_again() {
        let mut vars = Vars::default();
        let change = |tag: &str, edit| Change { tag: tag.into(), edit };
        for (tag, edit) in [("a", Edit::Append), ("b", Edit::Append), ("c", Edit::Add(3)), ("d", Edit::Set)] {
            vars.apply(&change(tag, edit));
        }
        let text = r#"list|a:2:{i:0;s:1:"a";i:1;s:1:"b";}counter|i:3;v_d|s:1:"d";"#;
        assert_eq!(vars.encode(), text.as_bytes());
        assert_eq!(Vars::decode(text.as_bytes()), Ok(vars.clone()));
        vars.apply(&change("e", Edit::Remove("a".into())));
        vars.apply(&change("f", Edit::Unset(own("d"))));
        assert_eq!(vars.encode(), br#"list|a:1:{i:0;s:1:"b";}counter|i:3;"#);
    }

    #[test]
    fn what_no_client_writes_is_told() {
        for bad in ["x", "x|b:1;", "list|a:2:{i:0;s:1:\"a\";}", "list|a:1:{i:7;s:1:\"a\";}", "v|s:9:\"a\";"] {
            assert!(Vars::decode(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
