//! Any text as what operators and visitors write: a store's URL, keys, a namespace, a session id, merge rules.
#![no_main]

use cloakroom::{Key, KeyRing, Namespace, SessionId};
use cloakroom_format::Rules;
use cloakroom_stores::{Options, masked, open};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = SessionId::parse(bytes);
    let _ = Namespace::new(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = KeyRing::parse(text);
    let _ = Key::from_hex(text);
    let _ = Rules::parse(text);
    let _ = masked(text);
    for scheme in ["", "sqlite:", "mysql://", "mysql://u:p@", "wordpress:/nowhere?", "redis://", "redis+unix:", "unix:"] {
        // Opening connects to nothing; nothing may be made.
        let _ = open(&format!("{scheme}{text}"), &Options { create: false, ..Options::default() });
    }
});
