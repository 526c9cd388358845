//! A session that the operator names by its key, or by the beginning of it.

use cloakroom::Key;
use cloakroom::store::{Filter, Summary};

use crate::desk::Desk;
use crate::out::session;
use crate::{Failure, units};

/// Fewest digits of a key that are taken.
const FEWEST: usize = 6;
/// Most sessions that are named when a beginning fits several.
const NAMED: usize = 5;
/// Records asked for at a time.
const PAGE: u32 = 500;

/// The key that `text` means.
///
/// # Errors
/// When it is no key, fits no session, or fits several.
pub(super) fn find(desk: &Desk, text: &str) -> Result<Key, Failure> {
    let text = text.trim().to_ascii_lowercase();
    if !text.bytes().all(|b| b.is_ascii_hexdigit()) || text.len() > 64 || text.is_empty() {
        // Somebody may have pasted a cookie here; it is not repeated.
        return Err(Failure::could_not(
            "That is no session's key: a key is 64 hexadecimal digits, or the first of them, as `cloakroom list` shows \
             them. If it was the cookie of a visitor, take it out of the shell's history.",
        ));
    }
    if let Some(key) = Key::from_hex(&text) {
        return Ok(key);
    }
    if text.len() < FEWEST {
        return Err(Failure::could_not(format!("{text} is too short; give at least {FEWEST} digits of the key.")));
    }
    let list = desk.must(desk.store().list(), "look for a key by its beginning; give all 64 digits")?;
    let filter = Filter { key_prefix: whole_bytes(&text), ..Filter::default() };
    let mut found: Vec<Summary> = Vec::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = desk.wait(list.page(desk.budget(), &filter, after.as_deref(), PAGE))?;
        for summary in page.records {
            // An odd digit is none of the store's business; a page may repeat what an earlier one had.
            if summary.key.to_hex().starts_with(&text) && found.iter().all(|f| f.key != summary.key) {
                found.push(summary);
            }
        }
        after = page.next;
        if after.is_none() || found.len() > NAMED {
            break;
        }
    }
    match found.as_slice() {
        [one] => Ok(one.key),
        [] => Err(Failure::not(format!(
            "There is no session whose key begins with {}; it may have expired.",
            said(&text)
        ))),
        several => {
            let mut text = format!("More than one session's key begins with {}; give more digits:", said(&text));
            for summary in several.iter().take(NAMED) {
                text.push_str(&format!("\n  {}  {}", summary.key.to_hex(), session::state(summary.state)));
            }
            if several.len() > NAMED {
                text.push_str("\n  and more");
            }
            Err(Failure::could_not(text))
        }
    }
}

/// What was typed, cut to what a short key has: ids that PHP makes can be all hexadecimal digits too.
fn said(digits: &str) -> String {
    crate::out::cut(digits, Key::from_bytes([0; 32]).short().len())
}

/// The bytes that two digits each make; a last single one is left out.
fn whole_bytes(digits: &str) -> Vec<u8> {
    digits
        .as_bytes()
        .chunks_exact(2)
        .filter_map(|p| u8::from_str_radix(std::str::from_utf8(p).ok()?, 16).ok())
        .collect()
}

/// That there is no such session.
pub(super) fn absent(key: &Key) -> Failure {
    Failure::not(format!("There is no session {key}; it may have expired. `{}` shows those there are.", units::LIST))
}
