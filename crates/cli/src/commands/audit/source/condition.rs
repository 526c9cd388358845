//! What must hold for code to run, in words; and which conditions narrow nothing.
//!
//! `if (session_id() === '')` before `session_start()` keeps no visitor from a session, and neither does
//! `if (!is_admin())`: such conditions are left out.

use tree_sitter::Node;

use super::facts::Condition;
use super::text::Source;

/// Names that ask for nothing that differs between visitors of a page.
const HARMLESS: &[&str] = &[
    "session_id",
    "session_status",
    "session_name",
    "php_session_none",
    "php_session_active",
    "php_session_disabled",
    "headers_sent",
    "function_exists",
    "class_exists",
    "extension_loaded",
    "version_compare",
    "defined",
    "define",
    "constant",
    "php_version",
    "php_version_id",
    "php_sapi_name",
    "php_sapi",
    "isset",
    "empty",
    "is_null",
    "is_array",
    "strlen",
    "trim",
    "null",
    "true",
    "false",
    "self",
    "static",
    "and",
    "or",
    "file_exists",
    "is_file",
    "is_readable",
];

/// Variables that do not either; `instance` is the usual name of the one that there is.
const HARMLESS_VARIABLES: &[&str] = &["_session", "instance", "_instance", "instances", "_instances"];

/// What a condition's being true means; `None` where its being false narrows nothing for a visitor of a page.
const KNOWN: &[(&str, &str)] = &[
    ("is_admin", "in the admin area"),
    ("is_network_admin", "in the admin area"),
    ("is_blog_admin", "in the admin area"),
    ("is_user_logged_in", "for visitors who are logged in"),
    ("current_user_can", "for users with certain rights"),
    ("is_super_admin", "for users with certain rights"),
    ("wp_doing_ajax", "in AJAX calls"),
    ("doing_ajax", "in AJAX calls"),
    ("wp_doing_cron", "in cron"),
    ("doing_cron", "in cron"),
    ("wp_cli", "on the command line"),
    ("rest_request", "in the REST API"),
    ("xmlrpc_request", "in XML-RPC calls"),
    ("is_feed", "in feeds"),
    ("is_404", "on pages that are not found"),
    ("is_search", "on search pages"),
    ("is_preview", "in previews"),
    ("is_cart", "on the cart page"),
    ("is_checkout", "on the checkout page"),
    ("is_account_page", "on the account page"),
];

/// Adds what must hold where `node` is `holds`.
pub(super) fn add(source: &Source<'_>, node: Node<'_>, holds: bool, to: &mut Vec<Condition>) {
    match node.kind() {
        "parenthesized_expression" | "error_suppression_expression" => {
            if let Some(inner) = node.named_child(0) {
                add(source, inner, holds, to);
            }
        }
        "unary_op_expression" if operator(source, node) == "!" => {
            if let Some(inner) = node.child_by_field_name("argument") {
                add(source, inner, !holds, to);
            }
        }
        "binary_expression" if splits(&operator(source, node), holds) => {
            for side in ["left", "right"] {
                if let Some(inner) = node.child_by_field_name(side) {
                    add(source, inner, holds, to);
                }
            }
        }
        _ => {
            let when = judge(source, node, holds);
            let line = node.start_position().row + 1;
            to.extend(when.map(|when| Condition { when, line }));
        }
    }
}

/// Both sides of an `&&` that holds hold; neither side of an `||` that does not.
fn splits(operator: &str, holds: bool) -> bool {
    match operator {
        "&&" | "and" => holds,
        "||" | "or" => !holds,
        _ => false,
    }
}

pub(super) fn operator(source: &Source<'_>, node: Node<'_>) -> String {
    node.child_by_field_name("operator")
        .or_else(|| node.child(0))
        .map(|n| source.text(n).to_ascii_lowercase())
        .unwrap_or_default()
}

fn judge(source: &Source<'_>, node: Node<'_>, holds: bool) -> Option<String> {
    let text = source.text(node);
    let (names, variables) = words(&text);
    if names.iter().all(|n| HARMLESS.contains(&n.as_str()))
        && variables.iter().all(|v| HARMLESS_VARIABLES.contains(&v.as_str()))
    {
        let known = quoted(&text).into_iter().find_map(|constant| known(&constant));
        return known.filter(|_| holds && text.contains("defined")).map(str::to_owned);
    }
    let simple = match node.kind() {
        "function_call_expression" | "name" => names.first().and_then(|n| known(n)),
        _ => None,
    };
    if let Some(when) = simple {
        return holds.then(|| when.to_owned());
    }
    let of_request = variables.iter().find(|v| matches!(v.as_str(), "_post" | "_get" | "_request" | "_files"));
    if let Some(of) = of_request
        && text.contains("isset")
        && !text.contains("==")
    {
        // An ordinary visit brings no parameters.
        return holds.then(|| format!("when the request brings `{}`", source.shown_parameter(&text, of)));
    }
    let shown = source.shown(node, 60);
    Some(if holds { format!("when `{shown}`") } else { format!("when not `{shown}`") })
}

fn known(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    KNOWN.iter().find(|(n, _)| *n == name).map(|(_, when)| *when)
}

/// Names and variables in code, in lower case; what stands in quotes is left out.
fn words(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut names, mut variables) = (Vec::new(), Vec::new());
    let mut quote = None;
    let mut word = String::new();
    for c in text.chars().chain([' ']) {
        if let Some(q) = quote {
            quote = (c != q).then_some(q);
            continue;
        }
        if c.is_alphanumeric() || c == '_' || (c == '$' && word.is_empty()) {
            word.push(c.to_ascii_lowercase());
            continue;
        }
        if let Some(variable) = word.strip_prefix('$') {
            variables.push(variable.to_owned());
        } else if word.starts_with(|c: char| !c.is_ascii_digit()) {
            names.push(word.clone());
        }
        word.clear();
        if c == '\'' || c == '"' {
            quote = Some(c);
        }
    }
    (names, variables)
}

fn quoted(text: &str) -> Vec<String> {
    text.split(['\'', '"']).skip(1).step_by(2).map(str::to_owned).collect()
}
