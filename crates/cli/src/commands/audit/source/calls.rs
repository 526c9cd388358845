//! Calls: those of sessions' functions, and who makes whom run.

use tree_sitter::Node;

use super::facts::{Edge, Kind, Target, Way};
use super::names::{CALLERS, HOOKERS, session_function};
use super::scan::{Receiver, Scanner, children, line_of};

impl<'t> Scanner<'_, 't> {
    /// `f()`.
    pub(super) fn function_call(&mut self, node: Node<'t>) {
        let Some(function) = node.child_by_field_name("function") else { return };
        match function.kind() {
            "name" | "qualified_name" | "relative_name" => {
                let resolved = self.names.function(&self.source.text(function));
                let global = resolved.global().to_owned();
                if let Some(name) = session_function(&global) {
                    self.found(Kind::Call(name), function);
                    if let Some(found) = self.facts.found.last_mut() {
                        found.unless = resolved.fallback.is_some().then(|| resolved.full.clone());
                    }
                } else {
                    self.special(node, function, &global);
                    self.edge(Target::Function(resolved.full, resolved.fallback), Way::Direct, node);
                }
            }
            "variable_name" => {
                let key = (self.here(), self.source.text(function).into_owned());
                if let Some(name) = self.callables.get(&key).copied() {
                    self.found(Kind::Dynamic(name), function);
                }
            }
            _ => {
                if let Some(name) = self.source.literal(function).and_then(|l| session_function(&l)) {
                    self.found(Kind::Dynamic(name), function);
                }
                let inner = if function.kind() == "parenthesized_expression" { function.named_child(0) } else { None };
                if let Some(closure) = inner.filter(|i| is_closure(*i)) {
                    let id = self.closure(closure);
                    self.edge(Target::Closure(id), Way::Direct, node);
                }
            }
        }
    }

    /// Functions that matter although they are none of the session's.
    fn special(&mut self, node: Node<'t>, function: Node<'t>, name: &str) {
        let arguments = arguments(node);
        let first = arguments.first().and_then(|a| self.source.literal(*a));
        match name {
            "ini_set" | "ini_alter"
                if first.as_ref().is_some_and(|s| s.to_ascii_lowercase().starts_with("session.")) =>
            {
                self.found(Kind::Ini, function);
            }
            "setcookie" | "setrawcookie" => {
                let of_session = first.is_some_and(|s| Self::session_cookie(&s))
                    || arguments.first().is_some_and(|a| self.calls_session_name(*a));
                if of_session {
                    self.found(Kind::Cookie, function);
                }
            }
            _ if name.starts_with("wp_session_") => self.found(Kind::Plugin, function),
            _ if CALLERS.contains(&name) => {
                let place = usize::from(matches!(
                    name,
                    "array_walk"
                        | "array_walk_recursive"
                        | "array_filter"
                        | "array_reduce"
                        | "usort"
                        | "uasort"
                        | "uksort"
                        | "iterator_apply"
                        | "preg_replace_callback"
                ));
                if let Some(argument) = arguments.get(place) {
                    self.called(*argument, &Way::Direct, node);
                }
            }
            _ if HOOKERS.contains(&name) => self.hooked(name, &arguments, node),
            _ => {}
        }
    }

    fn calls_session_name(&self, argument: Node<'_>) -> bool {
        argument.kind() == "function_call_expression"
            && argument
                .child_by_field_name("function")
                .is_some_and(|f| self.names.function(&self.source.text(f)).global() == "session_name")
    }

    /// `add_action('init', …)` and its like, as functions and as methods of loaders.
    fn hooked(&mut self, name: &str, arguments: &[Node<'t>], node: Node<'t>) {
        let first = arguments.first().and_then(|a| self.source.literal(*a));
        let way = match name {
            "add_action" | "add_filter" => match first {
                Some(hook) => Way::Hook(hook),
                None => Way::When("when a hook fires whose name is made up as it runs".into()),
            },
            "add_shortcode" => Way::When(match first {
                Some(code) => format!("on pages with the shortcode [{}]", crate::out::plain(&code)),
                None => "on pages with a shortcode".into(),
            }),
            "register_activation_hook" => Way::When("when the plugin is activated".into()),
            "register_deactivation_hook" => Way::When("when the plugin is deactivated".into()),
            "register_uninstall_hook" => Way::When("when the plugin is removed".into()),
            _ => Way::When("in the admin area".into()),
        };
        for argument in arguments.iter().skip(1) {
            self.called(*argument, &way, node);
        }
    }

    /// Notes that what the argument names or holds will be called.
    fn called(&mut self, argument: Node<'t>, way: &Way, node: Node<'t>) {
        if let Some(text) = self.source.literal(argument) {
            if let Some(name) = session_function(&text) {
                self.found(Kind::Dynamic(name), argument);
                if let Some(found) = self.facts.found.last_mut() {
                    found.way = way.clone();
                }
            }
            let target = match text.split_once("::") {
                Some((class, method)) => {
                    Target::Method(class.trim_start_matches('\\').to_ascii_lowercase(), method.to_ascii_lowercase())
                }
                None => Target::Function(text.trim_start_matches('\\').to_ascii_lowercase(), None),
            };
            self.edge(target, way.clone(), node);
            return;
        }
        match argument.kind() {
            _ if is_closure(argument) => {
                let id = self.closure(argument);
                self.edge(Target::Closure(id), way.clone(), node);
            }
            "array_creation_expression" => {
                let mut parts = children(argument).filter_map(|e| e.named_child(0));
                let (Some(object), Some(method)) = (parts.next(), parts.next()) else { return };
                if let Some(method) = self.source.literal(method) {
                    let mut class =
                        self.source.literal(object).map(|c| c.trim_start_matches('\\').to_ascii_lowercase());
                    if object.kind() == "name" && self.source.text(object).eq_ignore_ascii_case("__class__") {
                        class = self.class();
                    }
                    if object.kind() == "class_constant_access_expression" {
                        class = object.named_child(0).and_then(|scope| self.scope(scope));
                    }
                    match class {
                        Some(class) => self.edge(Target::Method(class, method.to_ascii_lowercase()), way.clone(), node),
                        None => self.method(object, &method, way.clone(), node),
                    }
                }
            }
            // `start(...)` and `$this->start(...)`.
            "function_call_expression" => {
                if let Some(f) = argument.child_by_field_name("function").filter(|f| f.kind().ends_with("name"))
                    && self.source.text(argument).contains("...")
                {
                    let resolved = self.names.function(&self.source.text(f));
                    self.edge(Target::Function(resolved.full, resolved.fallback), way.clone(), node);
                }
            }
            "member_call_expression" if self.source.text(argument).ends_with("(...)") => {
                let method = self.field(argument, "name");
                if let Some(object) = argument.child_by_field_name("object") {
                    self.method(object, &method, way.clone(), node);
                }
            }
            _ => {}
        }
    }

    /// `A::f()`.
    pub(super) fn scoped_call(&mut self, node: Node<'t>) {
        let Some(class) = node.child_by_field_name("scope").and_then(|s| self.scope(s)) else { return };
        if class == "wp_session" {
            self.found(Kind::Plugin, node);
        }
        let method = self.field(node, "name").to_ascii_lowercase();
        self.edge(Target::Method(class, method), Way::Direct, node);
    }

    /// `$x->f()`.
    pub(super) fn member_call(&mut self, node: Node<'t>) {
        let method = self.field(node, "name");
        let Some(object) = node.child_by_field_name("object") else { return };
        if matches!(method.to_ascii_lowercase().as_str(), "add_action" | "add_filter" | "add_shortcode") {
            let arguments = arguments(node);
            self.hooked(&method.to_ascii_lowercase(), &arguments, node);
            // `$loader->add_action('init', $plugin, 'start')`.
            if let (Some(hook), Some(object), Some(method)) = (
                arguments.first().and_then(|a| self.source.literal(*a)),
                arguments.get(1),
                arguments.get(2).and_then(|a| self.source.literal(*a)),
            ) {
                self.method(*object, &method, Way::Hook(hook), node);
            }
        }
        self.method(object, &method, Way::Direct, node);
    }

    /// A method of what an expression gives, where its class is known.
    fn method(&mut self, object: Node<'t>, method: &str, way: Way, node: Node<'t>) {
        let method = method.to_ascii_lowercase();
        if let Some(class) = self.class_of(object) {
            self.edge(Target::Method(class, method), way, node);
            return;
        }
        let receiver = match object.kind() {
            "variable_name" => Receiver::Variable(self.here(), self.source.text(object).into_owned()),
            "member_access_expression" if self.field(object, "object") == "$this" => {
                let Some(class) = self.class() else { return };
                Receiver::Property(class, self.field(object, "name"))
            }
            _ => return,
        };
        let edge = self.new_edge(Target::Method(String::new(), method.clone()), way, node);
        self.pending.push((edge, receiver, method));
    }

    /// The class of what an expression gives, as far as that is plain.
    fn class_of(&self, node: Node<'_>) -> Option<String> {
        match node.kind() {
            "parenthesized_expression" | "assignment_expression" => {
                self.class_of(node.child_by_field_name("right").or_else(|| node.named_child(0))?)
            }
            "variable_name" if self.source.text(node) == "$this" => self.class(),
            "object_creation_expression" => {
                children(node).find(|c| c.kind().ends_with("name")).and_then(|c| self.scope(c))
            }
            // `Plugin::instance()` gives the one there is.
            "scoped_call_expression" => {
                let method = self.field(node, "name").to_ascii_lowercase();
                let one = ["instance", "getinstance", "get_instance", "singleton", "init", "create", "make"];
                one.contains(&method.as_str()).then(|| self.scope(node.child_by_field_name("scope")?))?
            }
            _ => None,
        }
    }

    fn scope(&self, node: Node<'_>) -> Option<String> {
        let text = self.source.text(node);
        match text.to_ascii_lowercase().as_str() {
            "self" | "static" | "__class__" => self.class(),
            "parent" => {
                let class = self.class()?;
                self.facts.parents.iter().find(|(c, _)| *c == class).map(|(_, p)| p.clone())
            }
            _ if matches!(node.kind(), "name" | "qualified_name" | "relative_name") => Some(self.names.class(&text)),
            _ => None,
        }
    }

    /// `new A`.
    pub(super) fn creation(&mut self, node: Node<'t>) {
        let Some(name) = children(node).find(|c| matches!(c.kind(), "name" | "qualified_name" | "relative_name"))
        else {
            return;
        };
        let Some(class) = self.scope(name) else { return };
        if class == "wp_session" {
            self.found(Kind::Plugin, node);
        }
        self.edge(Target::Method(class, "__construct".into()), Way::Direct, node);
    }

    /// `WC()->session`.
    pub(super) fn member(&mut self, node: Node<'t>) {
        let Some(object) = node.child_by_field_name("object") else { return };
        if object.kind() == "function_call_expression"
            && self.field(node, "name") == "session"
            && self.names.function(&self.field(object, "function")).global() == "wc"
        {
            self.found(Kind::Plugin, node);
        }
    }

    /// `include …`.
    pub(super) fn include(&mut self, node: Node<'t>) {
        // What is written of the path is its end: __DIR__ . '/inc/session.php'.
        let Some(mut at) = node.named_child(0) else { return };
        while matches!(at.kind(), "parenthesized_expression" | "binary_expression") {
            let Some(inner) = at.child_by_field_name("right").or_else(|| at.named_child(0)) else { return };
            at = inner;
        }
        if let Some(path) = self.source.literal(at) {
            self.edge(Target::File(path.replace('\\', "/")), Way::Include, node);
        }
    }

    /// `$f = 'session_start'`, `$x = new A`, `$this->x = new A`.
    pub(super) fn assignment(&mut self, node: Node<'t>) {
        let (Some(left), Some(right)) = (node.child_by_field_name("left"), node.child_by_field_name("right")) else {
            return;
        };
        let class = self.class_of(right);
        if left.kind() == "variable_name" {
            let key = (self.here(), self.source.text(left).into_owned());
            match self.source.literal(right).and_then(|l| session_function(&l)) {
                Some(name) => self.callables.insert(key.clone(), name),
                None => self.callables.remove(&key),
            };
            if let Some(class) = class {
                self.locals.insert(key, class);
            }
        } else if let (Some(class), Some(owner)) = (class, self.class())
            && left.kind() == "member_access_expression"
            && self.field(left, "object") == "$this"
        {
            self.properties.insert((owner, self.field(left, "name")), class);
        }
    }

    fn edge(&mut self, to: Target, way: Way, node: Node<'_>) {
        let edge = self.new_edge(to, way, node);
        self.facts.edges.push(edge);
    }

    fn new_edge(&self, to: Target, way: Way, node: Node<'_>) -> Edge {
        Edge { from: self.here(), to, way, conditions: self.conditions(), line: line_of(node) }
    }

    /// Methods of variables and properties, whose classes are known by now or never.
    pub(super) fn resolve_pending(&mut self) {
        for (mut edge, receiver, method) in std::mem::take(&mut self.pending) {
            let class = match receiver {
                Receiver::Variable(unit, name) => self.locals.get(&(unit, name)),
                Receiver::Property(class, name) => self.properties.get(&(class, name)),
            };
            if let Some(class) = class {
                edge.to = Target::Method(class.clone(), method);
                self.facts.edges.push(edge);
            }
        }
    }
}

fn is_closure(node: Node<'_>) -> bool {
    matches!(node.kind(), "anonymous_function" | "arrow_function")
}

/// The arguments' expressions.
fn arguments<'t>(call: Node<'t>) -> Vec<Node<'t>> {
    let Some(list) = call.child_by_field_name("arguments") else { return Vec::new() };
    children(list)
        .filter(|a| a.kind() == "argument")
        .filter_map(|a| a.named_child((a.named_child_count() as u32).saturating_sub(1)))
        .collect()
}
