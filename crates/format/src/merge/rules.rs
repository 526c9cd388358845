//! What a site says about particular paths: `cart.*.quantity=sum, log=union`.

use crate::node::Key;
use std::fmt;

/// What decides where two requests changed the same thing. `last` and `first` decide conflicts; `sum`, `max` and `union`
/// leave none where they apply (numbers, numbers and strings, lists), and where they don't, `last` is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rule {
    /// The later committer's value.
    #[default]
    Last,
    /// The earlier committer's value.
    First,
    /// Numbers: both changes are added up. A missing number counts as 0.
    Sum,
    /// Numbers, or strings byte by byte: the larger one.
    Max,
    /// Lists as sets: what either added, without what either removed, each element once.
    Union,
    /// Nothing of the later commit is written.
    Fail,
}

impl Rule {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "last" => Self::Last,
            "first" => Self::First,
            "sum" => Self::Sum,
            "max" => Self::Max,
            "union" => Self::Union,
            "fail" => Self::Fail,
            _ => return None,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Name(Vec<u8>),
    /// `*`: any one element.
    Any,
    /// `**`: any number of elements, also none.
    Deep,
}

/// Rules by path. The first one whose path matches counts, for that path and all below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules(Vec<(Vec<Step>, Rule)>);

/// A rule that can't be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// The entry, as written.
    pub entry: String,
    problem: &'static str,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "The merge rule `{}` can't be understood: {}. Write it like `cart.*.quantity=sum`.",
            self.entry, self.problem
        )
    }
}

impl std::error::Error for RuleError {}

/// States of the matching fit one word.
const STEPS: usize = 60;

impl Rules {
    /// Reads rules as settings hold them: `path=rule`, separated by commas, semicolons or line ends. A path's elements are
    /// separated by dots; `*` is any one element, `**` any number of them; a backslash takes any meaning from the
    /// character after it.
    ///
    /// ```
    /// use cloakroom_format::Rules;
    /// let rules = Rules::parse("cart.*.quantity=sum, visits=sum, log\\.txt=union")?;
    /// # Ok::<(), cloakroom_format::RuleError>(())
    /// ```
    ///
    /// # Errors
    /// [`RuleError`] names the entry that can't be understood.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        let entries = split(text.as_bytes(), b",;\n");
        let list: Result<Vec<_>, RuleError> =
            entries.iter().map(|entry| entry.trim_ascii()).filter(|entry| !entry.is_empty()).map(entry).collect();
        list.map(Self)
    }

    /// These rules, and those of `more` where none of these fits.
    #[must_use]
    pub fn and(mut self, more: &Self) -> Self {
        self.0.extend(more.0.iter().cloned());
        self
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rule for a path; `None` where no rule is named.
    pub(crate) fn find(&self, path: &[Key<'_>]) -> Option<Rule> {
        self.0.iter().find(|(steps, _)| matches(steps, path)).map(|(_, rule)| *rule)
    }
}

fn entry(entry: &[u8]) -> Result<(Vec<Step>, Rule), RuleError> {
    let fail = |problem| RuleError { entry: String::from_utf8_lossy(entry).into_owned(), problem };
    let halves = split(entry, b"=");
    let [path, rule] = halves[..] else { return Err(fail("it needs exactly one `=`")) };
    let rule = std::str::from_utf8(rule.trim_ascii()).ok().and_then(Rule::parse);
    let rule = rule.ok_or_else(|| fail("the rule is none of last, first, sum, max, union, fail"))?;
    let steps: Vec<Step> = split(path.trim_ascii(), b".")
        .into_iter()
        .map(|step| match step {
            b"*" => Step::Any,
            b"**" => Step::Deep,
            name => Step::Name(unescape(name)),
        })
        .collect();
    if steps.len() > STEPS {
        return Err(fail("its path is too long"));
    }
    if steps.contains(&Step::Name(Vec::new())) {
        return Err(fail("an element of its path is empty"));
    }
    Ok((steps, rule))
}

/// Splits where one of these bytes stands without a backslash before it.
fn split<'a>(text: &'a [u8], at: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let (mut start, mut pos) = (0, 0);
    while pos < text.len() {
        if text[pos] == b'\\' {
            pos += 1;
        } else if at.contains(&text[pos]) {
            parts.push(&text[start..pos]);
            start = pos + 1;
        }
        pos += 1;
    }
    parts.push(&text[start..]);
    parts
}

fn unescape(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        out.extend(if *byte == b'\\' { bytes.next().or(Some(byte)) } else { Some(byte) });
    }
    out
}

/// Whether the pattern matches the path or a beginning of it. All positions in the pattern are followed at once, as bits,
/// so that no pattern is expensive.
fn matches(steps: &[Step], path: &[Key<'_>]) -> bool {
    let end = 1u64 << steps.len();
    let mut states = skip_deep(steps, 1);
    for element in path {
        if states & end != 0 {
            return true;
        }
        let element = element.to_bytes();
        let mut next = 0;
        for (at, step) in steps.iter().enumerate().filter(|(at, _)| states >> at & 1 == 1) {
            match step {
                Step::Deep => next |= 1 << at,
                Step::Any => next |= 2 << at,
                Step::Name(name) if *name == *element => next |= 2 << at,
                Step::Name(_) => {}
            }
        }
        states = skip_deep(steps, next);
    }
    states & end != 0
}

/// `**` may stand for nothing.
fn skip_deep(steps: &[Step], mut states: u64) -> u64 {
    for (at, step) in steps.iter().enumerate() {
        if *step == Step::Deep && states >> at & 1 == 1 {
            states |= 2 << at;
        }
    }
    states
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn path(text: &str) -> Vec<Key<'_>> {
        text.split('.').map(|element| Key::of_array(Cow::Borrowed(element.as_bytes()))).collect()
    }

    #[test]
    fn the_first_rule_that_matches_a_path_or_what_it_lies_in_counts() {
        let rules = Rules::parse("cart.*.qty = sum; cart=first\n**.log=union, a\\.b\\==max, 7.x=fail,**=last").unwrap();
        for (at, rule) in [
            ("cart.5.qty", Rule::Sum),
            ("cart.5.qty.deep", Rule::Sum),
            ("cart.5.name", Rule::First),
            ("cart", Rule::First),
            ("log", Rule::Union),
            ("x.y.log", Rule::Union),
            ("7.x", Rule::Fail),
            ("cartoon", Rule::Last),
        ] {
            assert_eq!(rules.find(&path(at)), Some(rule), "{at}");
        }
        assert_eq!(rules.find(&[Key::Str(Cow::Borrowed(b"a.b="))]), Some(Rule::Max));
        assert_eq!(Rules::default().find(&path("cart")), None);
    }

    #[test]
    fn a_rule_that_cant_be_understood_is_named() {
        for wrong in ["cart", "cart=most", "a..b=sum", "=sum", "a=b=sum"] {
            let error = Rules::parse(&format!("x=sum,{wrong}")).unwrap_err();
            assert_eq!(error.entry, wrong);
        }
    }
}
