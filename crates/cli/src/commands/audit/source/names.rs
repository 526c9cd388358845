//! Which function a name means: namespaces, imports and aliases, as PHP resolves them.

use std::collections::HashMap;

/// PHP's session functions, those that are gone included.
pub(super) const FUNCTIONS: &[&str] = &[
    "session_abort",
    "session_cache_expire",
    "session_cache_limiter",
    "session_commit",
    "session_create_id",
    "session_decode",
    "session_destroy",
    "session_encode",
    "session_gc",
    "session_get_cookie_params",
    "session_id",
    "session_is_registered",
    "session_module_name",
    "session_name",
    "session_regenerate_id",
    "session_register",
    "session_register_shutdown",
    "session_reset",
    "session_save_path",
    "session_set_cookie_params",
    "session_set_save_handler",
    "session_start",
    "session_status",
    "session_unregister",
    "session_unset",
    "session_write_close",
];

/// The session function of this name, which may begin with a backslash; PHP does not regard case.
pub(super) fn session_function(name: &str) -> Option<&'static str> {
    let name = name.strip_prefix('\\').unwrap_or(name);
    FUNCTIONS.iter().find(|f| f.eq_ignore_ascii_case(name)).copied()
}

/// Functions of PHP that call what they are given.
pub(super) const CALLERS: &[&str] = &[
    "call_user_func",
    "call_user_func_array",
    "forward_static_call",
    "forward_static_call_array",
    "array_map",
    "array_walk",
    "array_walk_recursive",
    "array_filter",
    "array_reduce",
    "usort",
    "uasort",
    "uksort",
    "iterator_apply",
    "preg_replace_callback",
    "register_shutdown_function",
    "register_tick_function",
    "header_register_callback",
    "spl_autoload_register",
    "ob_start",
    "set_error_handler",
    "set_exception_handler",
];

/// Functions of WordPress that have something called later; plugins' loaders have methods of the first two names.
pub(super) const HOOKERS: &[&str] = &[
    "add_action",
    "add_filter",
    "add_shortcode",
    "register_activation_hook",
    "register_deactivation_hook",
    "register_uninstall_hook",
    "add_menu_page",
    "add_submenu_page",
    "add_options_page",
    "add_meta_box",
    "add_settings_section",
    "add_settings_field",
];

/// Functions of PHP that change what they are given first.
pub(super) const CHANGERS: &[&str] = &[
    "array_multisort",
    "array_pop",
    "array_push",
    "array_shift",
    "array_splice",
    "array_unshift",
    "array_walk",
    "array_walk_recursive",
    "arsort",
    "asort",
    "end",
    "each",
    "extract",
    "krsort",
    "ksort",
    "natcasesort",
    "natsort",
    "next",
    "prev",
    "reset",
    "rsort",
    "settype",
    "shuffle",
    "sort",
    "uasort",
    "uksort",
    "usort",
];

/// What names mean at one place of a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    /// The namespace in lower case, without slashes at its ends.
    pub(super) namespace: String,
    /// As it is written.
    written: String,
    functions: HashMap<String, String>,
    classes: HashMap<String, String>,
}

/// What a function's name means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolved {
    /// The full name, in lower case, without a leading backslash.
    pub(super) full: String,
    /// The global function that is called when there is no such one in the namespace.
    pub(super) fallback: Option<String>,
}

impl Resolved {
    /// The global function that this is or falls back to.
    pub(super) fn global(&self) -> &str {
        self.fallback.as_deref().unwrap_or(&self.full)
    }
}

impl Names {
    /// A new namespace: imports end.
    pub(super) fn enter(&mut self, namespace: &str) {
        let written =
            namespace.chars().filter(|c| !c.is_whitespace()).collect::<String>().trim_matches('\\').to_owned();
        *self = Self { namespace: clean(namespace), written, ..Self::default() };
    }

    /// `use function full as alias`.
    pub(super) fn import_function(&mut self, full: &str, alias: Option<&str>) {
        let full = clean(full);
        let alias = alias.map_or_else(|| last(&full).to_owned(), str::to_ascii_lowercase);
        self.functions.insert(alias, full);
    }

    /// `use full as alias`.
    pub(super) fn import_class(&mut self, full: &str, alias: Option<&str>) {
        let full = clean(full);
        let alias = alias.map_or_else(|| last(&full).to_owned(), str::to_ascii_lowercase);
        self.classes.insert(alias, full);
    }

    /// The function that a name as written means.
    pub(super) fn function(&self, written: &str) -> Resolved {
        let written = squeezed(written);
        if let Some(full) = written.strip_prefix('\\') {
            return Resolved { full: full.to_owned(), fallback: None };
        }
        if let Some(rest) = written.strip_prefix("namespace\\") {
            return Resolved { full: self.here(rest), fallback: None };
        }
        match written.split_once('\\') {
            Some((first, rest)) => {
                let full = match self.classes.get(first) {
                    Some(to) => format!("{to}\\{rest}"),
                    None => self.here(&written),
                };
                Resolved { full, fallback: None }
            }
            None => match self.functions.get(&written) {
                Some(full) => Resolved { full: full.clone(), fallback: None },
                None if self.namespace.is_empty() => Resolved { full: written, fallback: None },
                None => Resolved { full: self.here(&written), fallback: Some(written) },
            },
        }
    }

    /// The class that a name as written means.
    pub(super) fn class(&self, written: &str) -> String {
        let written = squeezed(written);
        if let Some(full) = written.strip_prefix('\\') {
            return full.to_owned();
        }
        if let Some(rest) = written.strip_prefix("namespace\\") {
            return self.here(rest);
        }
        let (first, rest) = written.split_once('\\').map_or((written.as_str(), None), |(a, b)| (a, Some(b)));
        match (self.classes.get(first), rest) {
            (Some(to), Some(rest)) => format!("{to}\\{rest}"),
            (Some(to), None) => to.clone(),
            (None, _) => self.here(&written),
        }
    }

    /// A name declared here, with its namespace.
    pub(super) fn here(&self, name: &str) -> String {
        let name = name.to_ascii_lowercase();
        if self.namespace.is_empty() { name } else { format!("{}\\{name}", self.namespace) }
    }

    /// The same for people, as it is written.
    pub(super) fn shown(&self, name: &str) -> String {
        if self.written.is_empty() { name.to_owned() } else { format!("{}\\{name}", self.written) }
    }
}

fn clean(name: &str) -> String {
    squeezed(name).trim_matches('\\').to_owned()
}

/// In lower case, without blanks between its parts.
fn squeezed(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect()
}

fn last(name: &str) -> &str {
    name.rsplit('\\').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_what_they_mean_to_php() {
        let mut names = Names::default();
        assert_eq!(names.function("Session_Start").global(), "session_start");
        assert_eq!(names.function("namespace\\session_start").global(), "session_start");
        names.enter("Shop\\Cart");
        assert_eq!(names.function("session_start").full, "shop\\cart\\session_start");
        assert_eq!(names.function("session_start").global(), "session_start");
        assert_eq!(names.function("\\SESSION_START").global(), "session_start");
        assert_eq!(names.function("namespace\\session_start").global(), "shop\\cart\\session_start");
        assert_eq!(names.function("a\\session_start").global(), "shop\\cart\\a\\session_start");
        names.import_function("session_start", Some("S"));
        names.import_class("Other\\Place", None);
        assert_eq!(names.function("s").global(), "session_start");
        assert_eq!(names.function("place\\f").global(), "other\\place\\f");
        assert_eq!(names.class("Place"), "other\\place");
        assert_eq!(names.class("Mine"), "shop\\cart\\mine");
        names.enter("");
        assert_eq!(names.function("s").global(), "s", "imports end with the namespace");
    }
}
