//! One file: its syntax tree, walked once, and what is found on the way.
//!
//! The walk keeps no stack of its own on the machine's: however deep the nesting, it can't overflow.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use tree_sitter::{Node, ParseOptions, ParseState, Parser, Tree};

use super::condition;
use super::facts::{Condition, Edge, Facts, Found, Kind, Unit, Way};
use super::names::{Names, session_function};
use super::text::{Source, find};
use super::uses;
use crate::commands::audit::cookies::{Purpose, purpose};

/// The longest that one file may be parsed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Finds what a file's bytes say. `None` when the parser gave up.
pub fn scan(bytes: &[u8]) -> Option<Facts> {
    let mut source = Source::new(bytes);
    let mut tree = parse(source.bytes())?;
    // PHP stops reading here, and what follows may be an archive.
    if find(source.bytes(), b"__halt_compiler").is_some()
        && let Some(end) = halt(&source, &tree)
    {
        source.truncate(end);
        tree = parse(source.bytes())?;
    }
    let mut scanner = Scanner {
        source: &source,
        facts: Facts { plugin: plugin_name(bytes), ..Facts::default() },
        names: Names::default(),
        path: Vec::new(),
        units: Vec::new(),
        classes: Vec::new(),
        conditions: Vec::new(),
        saved_names: Vec::new(),
        closures: HashMap::new(),
        callables: HashMap::new(),
        locals: HashMap::new(),
        properties: HashMap::new(),
        pending: Vec::new(),
    };
    scanner.walk(&tree);
    scanner.resolve_pending();
    Some(scanner.facts)
}

fn parse(bytes: &[u8]) -> Option<Tree> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_php::LANGUAGE_PHP.into()).ok()?;
    let started = Instant::now();
    let mut patient = |_: &ParseState| match started.elapsed() > PATIENCE {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    let options = ParseOptions::new().progress_callback(&mut patient);
    parser.parse_with_options(&mut |at, _| bytes.get(at..).unwrap_or_default(), None, Some(options))
}

/// Where `__halt_compiler();` ends.
fn halt(source: &Source<'_>, tree: &Tree) -> Option<usize> {
    let mut cursor = tree.walk();
    loop {
        let node = cursor.node();
        if node.kind() == "name" && source.text(node).eq_ignore_ascii_case("__halt_compiler") {
            // With its parentheses and what ends the statement.
            let rest = source.bytes().get(node.end_byte()..).unwrap_or_default();
            let end = rest.iter().position(|b| *b == b';').map_or(0, |at| at + 1);
            return Some(node.end_byte() + end);
        }
        if cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return None;
            }
        }
    }
}

/// The header by which WordPress knows a plugin's main file: within its first 8 KiB.
fn plugin_name(bytes: &[u8]) -> Option<String> {
    let head = &bytes[..bytes.len().min(8192)];
    let text = String::from_utf8_lossy(head);
    text.lines().find_map(|line| {
        let line = line.trim_start_matches([' ', '\t', '/', '*', '#', '@']).trim_start_matches("<?php").trim_start();
        let name =
            line.get(..12).filter(|l| l.eq_ignore_ascii_case("Plugin Name:")).and_then(|_| line.get(12..))?.trim();
        (!name.is_empty()).then(|| crate::out::cut(&crate::out::plain(name.trim_end_matches("*/").trim()), 60))
    })
}

pub(super) struct Scanner<'a, 't> {
    pub(super) source: &'a Source<'a>,
    pub(super) facts: Facts,
    pub(super) names: Names,
    /// The nodes above the one that is looked at.
    pub(super) path: Vec<Node<'t>>,
    /// The units that it is in, each with its depth and how many conditions there were when it began.
    units: Vec<(usize, usize, usize)>,
    /// The classes that it is in, each with its depth, its name, and that as it is written.
    classes: Vec<(usize, String, String)>,
    /// What must hold, each with the depth of the node whose end ends it.
    conditions: Vec<(usize, Condition)>,
    saved_names: Vec<(usize, Names)>,
    closures: HashMap<usize, usize>,
    /// Variables that hold the name of a session function, by unit.
    pub(super) callables: HashMap<(usize, String), &'static str>,
    /// Variables' and properties' classes.
    pub(super) locals: HashMap<(usize, String), String>,
    pub(super) properties: HashMap<(String, String), String>,
    pub(super) pending: Vec<(Edge, Receiver, String)>,
}

/// Whose method is called, where that is known only when all of the file was seen.
pub(super) enum Receiver {
    Variable(usize, String),
    Property(String, String),
}

impl<'t> Scanner<'_, 't> {
    fn walk(&mut self, tree: &'t Tree) {
        let mut cursor = tree.walk();
        self.facts.units.push(Unit { label: "the file's top level".into(), line: 1, ..Unit::default() });
        self.units.push((0, 0, 0));
        loop {
            let node = cursor.node();
            self.enter(node, cursor.field_name());
            if cursor.goto_first_child() {
                self.path.push(node);
                continue;
            }
            self.leave(node);
            while !cursor.goto_next_sibling() {
                let Some(parent) = self.path.pop() else { return };
                cursor.goto_parent();
                self.leave(parent);
            }
        }
    }

    fn enter(&mut self, node: Node<'t>, field: Option<&str>) {
        if let Some(parent) = self.path.last().copied() {
            self.narrow(node, field, parent);
        }
        if node.is_error() || node.is_missing() {
            let line = node.start_position().row + 1;
            self.facts.broken = Some(self.facts.broken.map_or(line, |l| l.min(line)));
        }
        match node.kind() {
            "namespace_definition" => self.namespace(node),
            "namespace_use_declaration" => self.imports(node),
            "function_definition" => self.function(node),
            "method_declaration" => {
                let class = self.class();
                let name = self.field(node, "name").to_ascii_lowercase();
                let label =
                    format!("{}::{}()", self.classes.last().map_or("", |(.., shown)| shown), self.field(node, "name"));
                self.unit(node, Unit { name, class, label, line: line_of(node) });
            }
            "anonymous_function" | "arrow_function" => {
                let id = self.closure(node);
                self.units.push((self.path.len(), id, self.conditions.len()));
            }
            "class_declaration" | "trait_declaration" | "interface_declaration" | "enum_declaration" => {
                let written = self.field(node, "name");
                self.classes.push((self.path.len(), self.names.here(&written), self.names.shown(&written)));
            }
            "anonymous_class" => {
                let name = format!("class@{}", node.start_byte());
                self.classes.push((self.path.len(), name.clone(), name));
            }
            "base_clause" | "use_declaration" => self.parents(node),
            "function_call_expression" => self.function_call(node),
            "scoped_call_expression" => self.scoped_call(node),
            "member_call_expression" | "nullsafe_member_call_expression" => self.member_call(node),
            "object_creation_expression" => self.creation(node),
            "member_access_expression" | "nullsafe_member_access_expression" => self.member(node),
            "include_expression" | "include_once_expression" | "require_expression" | "require_once_expression" => {
                self.include(node);
            }
            "assignment_expression" => self.assignment(node),
            "variable_name" | "dynamic_variable_name" => self.variable(node),
            "subscript_expression" => self.globals(node),
            "name" | "qualified_name" | "relative_name" => self.in_broken_syntax(node),
            _ => {}
        }
        if self.path.len() == 1 && acts(node) {
            self.facts.acts = true;
        }
    }

    fn leave(&mut self, node: Node<'t>) {
        let depth = self.path.len();
        while self.conditions.last().is_some_and(|(d, _)| *d >= depth) {
            self.conditions.pop();
        }
        while self.units.last().is_some_and(|(d, ..)| *d == depth && depth > 0) {
            self.units.pop();
        }
        while self.classes.last().is_some_and(|(d, ..)| *d == depth) {
            self.classes.pop();
        }
        if self.saved_names.last().is_some_and(|(d, _)| *d == depth)
            && let Some((_, names)) = self.saved_names.pop()
        {
            self.names = names;
        }
        // `if (…) return;`: what follows runs only where that does not hold.
        if node.kind() == "if_statement"
            && node.child_by_field_name("body").is_some_and(|body| self.exits(body))
            && let Some(asked) = node.child_by_field_name("condition")
        {
            let mut added = Vec::new();
            condition::add(self.source, asked, false, &mut added);
            self.conditions.extend(added.into_iter().map(|c| (depth.saturating_sub(1), c)));
        }
    }

    /// Notes what must hold for a child of this kind to run.
    fn narrow(&mut self, node: Node<'t>, field: Option<&str>, parent: Node<'t>) {
        let asked = |name: &str| parent.child_by_field_name(name);
        let mut added = Vec::new();
        let mut when = |text: String| added.push(Condition { when: text, line: line_of(parent) });
        match (parent.kind(), field) {
            ("if_statement" | "else_if_clause" | "conditional_expression", Some("body" | "alternative")) => {
                if let Some(asked) = asked("condition") {
                    condition::add(self.source, asked, field == Some("body"), &mut added);
                }
            }
            ("binary_expression", Some("right")) => {
                let holds = match condition::operator(self.source, parent).as_str() {
                    "&&" | "and" => true,
                    "||" | "or" => false,
                    _ => return,
                };
                if let Some(asked) = asked("left") {
                    condition::add(self.source, asked, holds, &mut added);
                }
            }
            ("case_statement", None) if node.is_named() => {
                if let Some(value) = asked("value") {
                    when(format!("in the case `{}`", self.source.shown(value, 40)));
                }
            }
            ("match_conditional_expression", Some("return_expression")) => {
                if let Some(value) = asked("conditional_expressions") {
                    when(format!("in the case `{}`", self.source.shown(value, 40)));
                }
            }
            ("catch_clause", Some("body")) => when("after an error".into()),
            ("while_statement", Some("body")) => {
                if let Some(asked) = asked("condition") {
                    condition::add(self.source, asked, true, &mut added);
                }
            }
            _ => return,
        }
        let depth = self.path.len();
        self.conditions.extend(added.into_iter().map(|c| (depth, c)));
    }

    /// Whether the statement ends the function or the request.
    fn exits(&self, body: Node<'_>) -> bool {
        let ends = |node: Node<'_>| match node.kind() {
            "return_statement" | "exit_statement" => true,
            "expression_statement" => {
                let text = self.source.text(node);
                ["exit", "die", "throw", "wp_die", "wp_send_json"].iter().any(|w| text.starts_with(w))
            }
            _ => false,
        };
        ends(body) || (0..body.named_child_count() as u32).filter_map(|i| body.named_child(i)).any(ends)
    }

    fn namespace(&mut self, node: Node<'t>) {
        let name = self.field(node, "name");
        if node.child_by_field_name("body").is_some() {
            self.saved_names.push((self.path.len(), self.names.clone()));
        }
        self.names.enter(&name);
    }

    fn imports(&mut self, node: Node<'t>) {
        let kind = |n: Node<'_>| n.child_by_field_name("type").map(|t| self.source.text(t).to_ascii_lowercase());
        let all = kind(node);
        let mut prefix = String::new();
        let mut clauses = Vec::new();
        for child in children(node) {
            match child.kind() {
                "namespace_name" => prefix = format!("{}\\", self.source.text(child)),
                "namespace_use_clause" => clauses.push(child),
                "namespace_use_group" => clauses.extend(children(child).filter(|c| c.kind() == "namespace_use_clause")),
                _ => {}
            }
        }
        let read: Vec<_> = clauses
            .into_iter()
            .filter_map(|clause| {
                let alias = clause.child_by_field_name("alias");
                let name =
                    children(clause).find(|c| matches!(c.kind(), "name" | "qualified_name") && Some(*c) != alias)?;
                let full = format!("{prefix}{}", self.source.text(name));
                Some((full, alias.map(|a| self.source.text(a).into_owned()), kind(clause).or_else(|| all.clone())))
            })
            .collect();
        for (full, alias, kind) in read {
            match kind.as_deref() {
                Some("function") => self.names.import_function(&full, alias.as_deref()),
                Some(_) => {}
                None => self.names.import_class(&full, alias.as_deref()),
            }
        }
    }

    fn function(&mut self, node: Node<'t>) {
        let written = self.field(node, "name");
        let name = self.names.here(&written);
        if !self.names.namespace.is_empty() && session_function(&written).is_some() {
            self.facts.own_functions.push(name.clone());
        }
        self.unit(node, Unit { name, class: None, label: format!("{written}()"), line: line_of(node) });
    }

    fn unit(&mut self, _node: Node<'t>, unit: Unit) {
        self.facts.units.push(unit);
        self.units.push((self.path.len(), self.facts.units.len() - 1, self.conditions.len()));
    }

    /// The unit of a closure, made when it is first spoken of.
    pub(super) fn closure(&mut self, node: Node<'_>) -> usize {
        if let Some(id) = self.closures.get(&node.id()) {
            return *id;
        }
        let line = line_of(node);
        self.facts.units.push(Unit { label: "a closure".into(), line, ..Unit::default() });
        let id = self.facts.units.len() - 1;
        self.closures.insert(node.id(), id);
        id
    }

    fn parents(&mut self, node: Node<'t>) {
        let Some(class) = self.class() else { return };
        for child in children(node) {
            if matches!(child.kind(), "name" | "qualified_name" | "relative_name") {
                let parent = self.names.class(&self.source.text(child));
                self.facts.parents.push((class.clone(), parent));
            }
        }
    }

    fn variable(&mut self, node: Node<'t>) {
        let session = match node.kind() {
            // `$$x` has a variable inside, which is looked at by itself.
            "dynamic_variable_name" => {
                let inner = node.named_child(0);
                // "${_SESSION['a']}"
                let inner =
                    inner.map(|n| if n.kind() == "subscript_expression" { n.named_child(0).unwrap_or(n) } else { n });
                inner.is_some_and(|n| {
                    self.source.literal(n).is_some_and(|l| l == "_SESSION")
                        || (n.kind() == "name" && self.source.text(n) == "_SESSION")
                })
            }
            _ => matches!(&*self.source.text(node), "$_SESSION" | "${_SESSION" | "${_SESSION}"),
        };
        if session {
            let how = uses::of(self.source, node, &self.path);
            self.found(Kind::Variable(how), node);
        }
    }

    /// `$GLOBALS['_SESSION']`.
    fn globals(&mut self, node: Node<'t>) {
        let (Some(array), Some(index)) = (node.named_child(0), node.named_child(1)) else { return };
        if array.kind() == "variable_name"
            && self.source.text(array) == "$GLOBALS"
            && self.source.literal(index).is_some_and(|l| l == "_SESSION")
        {
            let how = uses::of(self.source, node, &self.path);
            self.found(Kind::Variable(how), node);
        }
    }

    /// Where the parser lost its way, calls are names before a parenthesis.
    fn in_broken_syntax(&mut self, node: Node<'t>) {
        let Some(parent) = self.path.last().filter(|p| p.is_error()) else { return };
        let Some(next) = node.next_sibling() else { return };
        let opens = next.kind() == "(" || next.kind() == "arguments" || self.source.text(next).starts_with('(');
        let before = self.source.bytes()[..node.start_byte()].trim_ascii_end();
        let other = [&b"->"[..], b"::", b"function", b"function &", b"new"].iter().any(|w| before.ends_with(w));
        if parent.is_error() && opens && !other {
            let resolved = self.names.function(&self.source.text(node));
            if let Some(name) = session_function(resolved.global()) {
                self.found(Kind::Call(name), node);
            }
        }
    }

    /// Notes something that was found.
    pub(super) fn found(&mut self, kind: Kind, node: Node<'_>) {
        let statement = self.path.iter().rev().find(|n| n.kind().ends_with("_statement") || n.is_error());
        let end = statement.map_or(node.end_byte(), |s| s.end_byte()).max(node.end_byte());
        let from = node.start_byte();
        let line_end = self.source.bytes()[from..].iter().position(|b| *b == b'\n').map_or(end, |e| from + e);
        let at = node.start_position();
        let found = Found {
            kind,
            line: at.row + 1,
            column: at.column + 1,
            code: self.source.shown_range(from, end.min(line_end).max(node.end_byte()), 60),
            unit: self.here(),
            conditions: self.conditions(),
            unless: None,
            way: Way::Direct,
        };
        self.facts.found.push(found);
    }

    /// The unit that the walk is in.
    pub(super) fn here(&self) -> usize {
        self.units.last().map_or(0, |(_, unit, _)| *unit)
    }

    /// The class that the walk is in.
    pub(super) fn class(&self) -> Option<String> {
        self.classes.last().map(|(_, name, _)| name.clone())
    }

    /// What must hold inside the unit for this place to run.
    pub(super) fn conditions(&self) -> Vec<Condition> {
        let base = self.units.last().map_or(0, |(.., base)| *base);
        let mut conditions: Vec<Condition> = Vec::new();
        for (_, condition) in self.conditions.get(base..).unwrap_or_default() {
            if !conditions.iter().any(|c| c.when == condition.when) {
                conditions.push(condition.clone());
            }
        }
        conditions
    }

    pub(super) fn field(&self, node: Node<'_>, name: &str) -> String {
        node.child_by_field_name(name).map(|n| self.source.text(n).into_owned()).unwrap_or_default()
    }

    /// Whether a cookie of this name is a session's.
    pub(super) fn session_cookie(name: &str) -> bool {
        matches!(purpose(name), Purpose::Session(_))
    }
}

/// Whether a statement at the top level does something when the file is asked for.
fn acts(node: Node<'_>) -> bool {
    match node.kind() {
        "expression_statement" => !node.named_child(0).is_some_and(|e| {
            e.kind().starts_with("include") || e.kind().starts_with("require") || e.kind() == "binary_expression"
        }),
        "echo_statement" | "foreach_statement" | "while_statement" | "for_statement" | "switch_statement" => true,
        "if_statement" | "try_statement" | "text_interpolation" => true,
        _ => false,
    }
}

pub(super) fn line_of(node: Node<'_>) -> usize {
    node.start_position().row + 1
}

pub(super) fn children<'t>(node: Node<'t>) -> impl Iterator<Item = Node<'t>> {
    (0..node.named_child_count() as u32).filter_map(move |i| node.named_child(i))
}
