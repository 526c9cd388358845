//! How Rust has laid out what both sides share: each struct's size, then where each field begins. `shim/layout.c` says
//! the same of C's side, in the same order; the shim compares them before it uses anything, and refuses to load where they
//! differ.

use std::mem::{offset_of, size_of};

use super::table::{DoorTable, RawCall, RawFrame, RawHardening, RawItem, RawRead, RawSettings, RawWrite, Slice};

macro_rules! layout {
    ($($name:ident { $($field:ident),* $(,)? })*) => {
        &[$(size_of::<$name>(), $(offset_of!($name, $field)),*),*]
    };
}

/// Sizes and offsets.
pub(super) static LAYOUT: &[usize] = layout! {
    Slice { ptr, len }
    RawSettings { generation, values, save_path, gc_maxlifetime, sid_length, sid_bits, use_strict_mode, serializer, path, file, line, read_and_close, can_hold, https, peer, forwarded, host, agent }
    RawHardening { strict, httponly, secure, hide_cookie, blame }
    RawFrame { file, line }
    RawRead { payload, id }
    RawWrite { id, payload, serializer, present, variables }
    RawItem { name, kind, number, text }
    RawCall { target, http_host, server_name, server_addr, server_port, cookie_domain }
    DoorTable { layout, layout_length, check, open, close, validate, create_id, wants_payload, rotate, read, write, destroy, gc, started, wants_writer, wrote, is_literal, is_fresh, headers_leave, last_ok, owner, lock, lock_undo, unlock, holds_locks, is_own_site, release_locks, status, api, next_line, request_end, after_response, process_end, mask, id_asked, decide, line, cookie_name, dress, version }
};

#[cfg(test)]
mod tests {
    use super::LAYOUT;

    unsafe extern "C" {
        safe static cloakroom_shim_layout_length: usize;
        static cloakroom_shim_layout: [usize; LAYOUT.len()];
    }

    #[test]
    fn c_and_rust_agree_on_every_struct_they_share() {
        assert_eq!(cloakroom_shim_layout_length, LAYOUT.len(), "a field was added on one side only");
        // SAFETY: a constant of the shim, with as many elements as was checked just now.
        assert_eq!(unsafe { &cloakroom_shim_layout }, LAYOUT);
    }
}
