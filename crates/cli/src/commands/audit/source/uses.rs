//! How `$_SESSION` is used at one place: read, written, unset, or by reference.

use tree_sitter::Node;

use super::facts::Use;
use super::names::CHANGERS;
use super::text::Source;

/// How the variable at the end of `path` is used. `path` are the nodes from the root down to the variable's parent.
pub(super) fn of<'t>(source: &Source<'_>, variable: Node<'t>, path: &[Node<'t>]) -> Use {
    let mut at = variable;
    let mut above = path.iter().rev().copied().peekable();
    // The whole of `$_SESSION['cart']['items']->count`: what happens to its end happens to the session.
    while let Some(parent) = above.peek() {
        let goes_on = match parent.kind() {
            "subscript_expression" => parent.named_child(0) == Some(at),
            "member_access_expression" | "nullsafe_member_access_expression" => {
                parent.child_by_field_name("object") == Some(at)
            }
            "parenthesized_expression" => true,
            _ => false,
        };
        if !goes_on {
            break;
        }
        at = *parent;
        above.next();
    }
    let Some(parent) = above.next() else { return Use::Read };
    match parent.kind() {
        "assignment_expression" if parent.child_by_field_name("left") == Some(at) => Use::Write,
        "augmented_assignment_expression" if parent.child_by_field_name("left") == Some(at) => Use::Write,
        "update_expression" => Use::Write,
        "reference_assignment_expression" => Use::Reference,
        "unset_statement" => Use::Unset,
        // `(unset)` is no cast any more, but code that has it meant it.
        "by_ref" => Use::Reference,
        "foreach_statement" if assigned(parent, at) => Use::Write,
        "list_literal" => Use::Write,
        "array_element_initializer" | "pair" => pair(parent, at, &mut above),
        "argument" if parent.child_by_field_name("reference_modifier").is_some() => Use::Reference,
        "argument" if changed(source, parent, &mut above) => Use::Reference,
        _ => Use::Read,
    }
}

/// In `foreach (… as X)` and `foreach (… as $k => X)`, what stands behind `as` is assigned.
fn assigned(foreach: Node<'_>, at: Node<'_>) -> bool {
    let count = foreach.child_count() as u32;
    let mut behind = false;
    (0..count).filter_map(|i| foreach.child(i)).any(|child| {
        behind |= child.kind() == "as";
        behind && child == at && foreach.child_by_field_name("body") != Some(child)
    })
}

/// Inside of `[…] = …` the element is written; a key is read.
fn pair<'t>(parent: Node<'t>, at: Node<'t>, above: &mut impl Iterator<Item = Node<'t>>) -> Use {
    let value = parent.named_child((parent.named_child_count() as u32).saturating_sub(1));
    if value != Some(at) {
        return Use::Read;
    }
    match above.next() {
        Some(list) if list.kind() == "list_literal" => Use::Write,
        Some(foreach) if foreach.kind() == "foreach_statement" => Use::Write,
        _ => Use::Read,
    }
}

/// Whether the argument goes to a function of PHP that changes it.
fn changed<'t>(source: &Source<'_>, argument: Node<'t>, above: &mut impl Iterator<Item = Node<'t>>) -> bool {
    let (Some(arguments), Some(call)) = (above.next(), above.next()) else { return false };
    let name = call.child_by_field_name("function").map(|f| source.text(f).to_ascii_lowercase()).unwrap_or_default();
    arguments.named_child(0) == Some(argument) && CHANGERS.contains(&name.trim_start_matches('\\'))
}
