//! The lossless tree: variables, and values inside them, as views into the payload.

use crate::format::Format;
use crate::node::{Key, Kind, NOWHERE, Node};
use crate::{json, same};
use std::borrow::Cow;

/// A variable's place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Var {
    /// The name's bytes, where the format has them outside of values.
    pub(crate) name_start: u32,
    pub(crate) name_end: u32,
    /// The name's node, in the formats that are one array.
    pub(crate) key: Option<u32>,
    pub(crate) value: u32,
    /// Not displaced by a later one of the same name.
    pub(crate) live: bool,
}

/// A payload that was read. It borrows the payload; nothing is copied.
#[derive(Debug, Clone)]
pub struct Tree<'a> {
    pub(crate) format: Format,
    pub(crate) source: &'a [u8],
    pub(crate) nodes: Vec<Node>,
    /// Node of each of PHP's numbers; number 1 is at index 0.
    pub(crate) numbered: Vec<u32>,
    pub(crate) vars: Vec<Var>,
    /// Variables that own numbers, in the numbers' order; only filled when there are references.
    owners: Vec<u32>,
    pub(crate) refs: bool,
    pub(crate) custom: bool,
    pub(crate) tied_to_root: bool,
}

impl<'a> Tree<'a> {
    pub(crate) fn new(
        format: Format,
        source: &'a [u8],
        nodes: Vec<Node>,
        numbered: Vec<u32>,
        custom: bool,
        vars: Vec<Var>,
    ) -> Self {
        let refs = vars.iter().any(|var| nodes[var.value as usize].reach != NOWHERE);
        let tied_to_root =
            format == Format::PhpSerialize && nodes.first().is_some_and(|root| root.reach <= root.number);
        Self { format, source, nodes, numbered, vars, owners: Vec::new(), refs, custom, tied_to_root }
    }

    /// To be called when the variables are in their final order.
    pub(crate) fn index_owners(&mut self) {
        if self.refs {
            let mut owners: Vec<u32> = (0..self.vars.len() as u32).collect();
            owners.retain(|at| self.root(*at as usize).kind != Kind::Reference);
            owners.sort_by_key(|at| self.root(*at as usize).number);
            self.owners = owners;
        }
    }

    /// The format it was read as.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The payload, byte for byte as it was read.
    pub fn encode(&self) -> &'a [u8] {
        self.source
    }

    /// How many variables there are.
    pub fn len(&self) -> usize {
        self.vars.iter().filter(|var| var.live).count()
    }

    /// Whether no variable is left.
    pub fn is_empty(&self) -> bool {
        self.vars.is_empty()
    }

    /// Whether variables can be taken out and put together anew. They can't where a custom-serialized object (`C:`) uses
    /// numbers that can't be seen, or a reference ties the whole session to one of its variables.
    pub fn is_divisible(&self) -> bool {
        !self.custom && !self.tied_to_root
    }

    /// The variables, in their order.
    pub fn variables(&self) -> impl Iterator<Item = Variable<'_, 'a>> {
        self.live().map(|at| Variable { tree: self, at })
    }

    /// The variable of that name.
    pub fn get(&self, name: &[u8]) -> Option<Variable<'_, 'a>> {
        self.variables().find(|variable| &*variable.name().to_bytes() == name)
    }

    /// Groups of variables that references tie together, as indexes into [`Tree::variables`]; those that stand alone are
    /// groups of one. Ordered by their first variable.
    pub fn groups(&self) -> Vec<Vec<usize>> {
        crate::group::groups_of(self)
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = usize> {
        self.vars.iter().enumerate().filter(|(_, var)| var.live).map(|(at, _)| at)
    }

    pub(crate) fn node(&self, node: u32) -> &Node {
        &self.nodes[node as usize]
    }

    /// The node of a variable's value.
    pub(crate) fn root(&self, at: usize) -> &Node {
        &self.nodes[self.vars[at].value as usize]
    }

    pub(crate) fn text(&self, node: &Node) -> &'a [u8] {
        &self.source[node.start as usize..node.end as usize]
    }

    pub(crate) fn name(&self, at: usize) -> Key<'a> {
        let var = &self.vars[at];
        match var.key {
            Some(key) => self.key(key),
            None => Key::Str(Cow::Borrowed(&self.source[var.name_start as usize..var.name_end as usize])),
        }
    }

    /// An array's key, as PHP's arrays see it.
    pub(crate) fn key(&self, node: u32) -> Key<'a> {
        let node = self.node(node);
        match (node.kind, self.format) {
            (Kind::Int, _) => Key::Int(self.int(node).unwrap_or_default()),
            (_, Format::Json) => Key::Str(self.bytes(node)),
            _ => Key::of_array(self.bytes(node)),
        }
    }

    /// The content of a string.
    pub(crate) fn bytes(&self, node: &Node) -> Cow<'a, [u8]> {
        let (body, end) = (node.body as usize, node.end as usize);
        match (node.kind, self.format) {
            (Kind::Str, Format::Json) => {
                let content = &self.source[body..end - 1];
                if node.count == 0 { Cow::Borrowed(content) } else { Cow::Owned(json::unescape(content)) }
            }
            (Kind::Str, _) => Cow::Borrowed(&self.source[body..end - 2]),
            (Kind::EscapedStr, _) => Cow::Owned(unescape(&self.source[body..end - 2])),
            _ => Cow::Borrowed(&[]),
        }
    }

    pub(crate) fn int(&self, node: &Node) -> Option<i64> {
        self.number_text(node)?.parse().ok()
    }

    /// The digits of an integer or float, or the letters of INF and NAN.
    pub(crate) fn number_text(&self, node: &Node) -> Option<&'a str> {
        let end = if self.format == Format::Json { node.end } else { node.end - 1 };
        std::str::from_utf8(&self.source[node.body as usize..end as usize]).ok()
    }

    /// Which variable owns a number, and the variable's first number.
    pub(crate) fn owner(&self, number: u32) -> Option<(usize, u32)> {
        let after = self.owners.partition_point(|at| self.root(*at as usize).number <= number);
        let at = self.owners[after.checked_sub(1)?] as usize;
        Some((at, self.root(at).number))
    }
}

fn unescape(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len());
    let mut rest = content.iter();
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16)).unwrap_or_default() as u8;
    while let Some(byte) = rest.next() {
        out.push(if *byte == b'\\' { digit(rest.next()) << 4 | digit(rest.next()) } else { *byte });
    }
    out
}

/// One variable of a session.
#[derive(Debug, Clone, Copy)]
pub struct Variable<'t, 'a> {
    pub(crate) tree: &'t Tree<'a>,
    pub(crate) at: usize,
}

impl<'t, 'a> Variable<'t, 'a> {
    /// Its name. Only `php_serialize` can have integers here.
    pub fn name(&self) -> Key<'a> {
        self.tree.name(self.at)
    }

    /// Its value.
    pub fn value(&self) -> Value<'t, 'a> {
        Value { tree: self.tree, node: self.tree.vars[self.at].value }
    }

    /// Whether two variables, of one payload or of two of the same format, hold the same. References are compared by what
    /// they point to (variable and place in it), so that a change in an earlier variable makes no difference here.
    pub fn same_as(&self, other: &Variable<'_, '_>) -> bool {
        same::same(self.tree, self.tree.vars[self.at].value, other.tree, other.tree.vars[other.at].value)
    }
}

/// One value.
#[derive(Debug, Clone, Copy)]
pub struct Value<'t, 'a> {
    tree: &'t Tree<'a>,
    node: u32,
}

impl<'t, 'a> Value<'t, 'a> {
    fn node(&self) -> &'t Node {
        self.tree.node(self.node)
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.node().kind
    }

    /// Its text in the payload.
    pub fn text(&self) -> &'a [u8] {
        self.tree.text(self.node())
    }

    /// A boolean.
    pub fn as_bool(&self) -> Option<bool> {
        (self.kind() == Kind::Bool).then(|| matches!(self.text(), b"b:1;" | b"true"))
    }

    /// An integer.
    pub fn as_int(&self) -> Option<i64> {
        if self.kind() == Kind::Int { self.tree.int(self.node()) } else { None }
    }

    /// A float; an integer is one too.
    pub fn as_float(&self) -> Option<f64> {
        matches!(self.kind(), Kind::Int | Kind::Float).then(|| self.tree.number_text(self.node())?.parse().ok())?
    }

    /// A string's bytes.
    pub fn as_bytes(&self) -> Option<Cow<'a, [u8]>> {
        matches!(self.kind(), Kind::Str | Kind::EscapedStr).then(|| self.tree.bytes(self.node()))
    }

    /// The class of an object, or enum and case as `Enum:Case`.
    pub fn class(&self) -> Option<&'a [u8]> {
        if !matches!(self.kind(), Kind::Object | Kind::Custom | Kind::Enum) {
            return None;
        }
        let text = &self.text()[2..];
        let colon = memchr::memchr(b':', text)?;
        let length: usize = std::str::from_utf8(&text[..colon]).ok()?.parse().ok()?;
        text.get(colon + 2..colon + 2 + length)
    }

    /// The number that a reference (`r:`, `R:`) points to.
    pub fn target(&self) -> Option<u32> {
        matches!(self.kind(), Kind::Same | Kind::Reference).then(|| self.node().reach)
    }

    /// PHP's number of this value; none for `R:` and in JSON.
    pub fn number(&self) -> Option<u32> {
        (self.kind() != Kind::Reference && self.tree.format.is_php()).then(|| self.node().number)
    }

    /// What is inside an array or object, with its keys, in order. Keys of lists in JSON are their places. Property names
    /// are as PHP writes them: private ones with NUL, class, NUL in front.
    pub fn entries(&self) -> Entries<'t, 'a> {
        let node = self.node();
        let end = if node.kind.is_container() { node.next } else { 0 };
        Entries {
            tree: self.tree,
            at: self.node + 1,
            end,
            list: (node.kind == Kind::List).then_some(0),
            property: node.kind == Kind::Object,
        }
    }
}

/// Iterator over what is inside a value.
#[derive(Debug, Clone)]
pub struct Entries<'t, 'a> {
    tree: &'t Tree<'a>,
    at: u32,
    end: u32,
    list: Option<i64>,
    property: bool,
}

impl<'t, 'a> Iterator for Entries<'t, 'a> {
    type Item = (Key<'a>, Value<'t, 'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let (key, node) = match &mut self.list {
            Some(place) => {
                *place += 1;
                (Key::Int(*place - 1), self.at)
            }
            None => {
                let key = self.tree.node(self.at);
                // Objects' property names stay strings even if they are numbers.
                let key = if self.property && key.kind != Kind::Int {
                    Key::Str(self.tree.bytes(key))
                } else {
                    self.tree.key(self.at)
                };
                (key, self.at + 1)
            }
        };
        self.at = self.tree.node(node).next;
        Some((key, Value { tree: self.tree, node }))
    }
}
