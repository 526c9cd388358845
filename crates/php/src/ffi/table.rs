//! `shim/door.h` in Rust, field by field.

use std::ffi::c_char;

use crate::settings::ENTRIES;

/// `cr_slice`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Slice {
    pub(super) ptr: *const c_char,
    pub(super) len: usize,
}

/// `cr_settings`.
#[repr(C)]
pub(super) struct RawSettings {
    pub(super) generation: u64,
    pub(super) values: [Slice; ENTRIES],
    pub(super) save_path: Slice,
    pub(super) gc_maxlifetime: i64,
    pub(super) sid_length: i64,
    pub(super) sid_bits: i64,
    pub(super) use_strict_mode: i32,
    pub(super) serializer: Slice,
    pub(super) path: Slice,
    pub(super) file: Slice,
    pub(super) line: i64,
    pub(super) read_and_close: i32,
    pub(super) can_hold: i32,
    pub(super) https: i32,
    pub(super) peer: Slice,
    pub(super) forwarded: Slice,
    pub(super) host: Slice,
    pub(super) agent: Slice,
}

/// `cr_hardening`.
#[repr(C)]
pub(super) struct RawHardening {
    pub(super) strict: i32,
    pub(super) httponly: i32,
    pub(super) secure: i32,
    pub(super) hide_cookie: i32,
    pub(super) blame: i32,
}

/// `cr_frame`.
#[repr(C)]
pub(super) struct RawFrame {
    pub(super) file: Slice,
    pub(super) line: i64,
}

/// `cr_read`.
#[repr(C)]
pub(super) struct RawRead {
    pub(super) payload: Slice,
    pub(super) id: Slice,
}

/// `cr_write`.
#[repr(C)]
pub(super) struct RawWrite {
    pub(super) id: Slice,
    pub(super) payload: Slice,
    pub(super) serializer: Slice,
    pub(super) present: i32,
    pub(super) variables: i64,
}

/// `cr_item`.
#[repr(C)]
pub(super) struct RawItem {
    pub(super) name: Slice,
    pub(super) kind: i32,
    pub(super) number: i64,
    pub(super) text: Slice,
}

/// `cr_call`.
#[repr(C)]
pub(super) struct RawCall {
    pub(super) target: Slice,
    pub(super) http_host: Slice,
    pub(super) server_name: Slice,
    pub(super) server_addr: Slice,
    pub(super) server_port: Slice,
    pub(super) cookie_domain: Slice,
}

/// `cr_door`.
#[repr(C)]
pub(super) struct DoorTable {
    pub(super) layout: *const usize,
    pub(super) layout_length: usize,
    pub(super) check: extern "C" fn(*const RawSettings, *mut c_char, usize) -> i32,
    pub(super) open: extern "C" fn(*const RawSettings, i32, *mut RawHardening) -> i32,
    pub(super) close: extern "C" fn(i32, i32),
    pub(super) validate: extern "C" fn(Slice, i32) -> i32,
    pub(super) create_id: extern "C" fn(i32, *mut Slice) -> i32,
    pub(super) wants_payload: extern "C" fn() -> i32,
    pub(super) rotate: extern "C" fn(*const RawWrite, *mut Slice) -> i32,
    pub(super) read: extern "C" fn(Slice, i32, *mut RawRead) -> i32,
    pub(super) write: extern "C" fn(*const RawWrite, i32) -> i32,
    pub(super) destroy: extern "C" fn(Slice, i32) -> i32,
    pub(super) gc: extern "C" fn(i32) -> i64,
    pub(super) started: extern "C" fn(*const RawFrame, usize, Slice, i32),
    pub(super) wants_writer: extern "C" fn(*const Slice) -> i32,
    pub(super) wrote: extern "C" fn(*const Slice, i32, *const RawFrame, usize),
    pub(super) is_literal: extern "C" fn(Slice),
    pub(super) is_fresh: extern "C" fn() -> i32,
    pub(super) headers_leave: extern "C" fn() -> i32,
    pub(super) last_ok: extern "C" fn() -> i32,
    pub(super) owner: extern "C" fn(*const Slice) -> i32,
    pub(super) lock: extern "C" fn(*const Slice, f64, *const RawWrite, *mut Slice) -> i32,
    pub(super) lock_undo: extern "C" fn(),
    pub(super) unlock: extern "C" fn(*const Slice) -> i32,
    pub(super) holds_locks: extern "C" fn() -> i32,
    pub(super) is_own_site: extern "C" fn(*const RawCall) -> i32,
    pub(super) release_locks: extern "C" fn(),
    pub(super) status: extern "C" fn(*mut *const RawItem) -> usize,
    pub(super) api: extern "C" fn(i32, i32, *const RawSettings, *const RawItem, usize, *mut *const RawItem) -> usize,
    pub(super) next_line: extern "C" fn(*mut c_char, usize) -> i32,
    pub(super) request_end: extern "C" fn(),
    pub(super) after_response: extern "C" fn(),
    pub(super) process_end: extern "C" fn(),
    pub(super) mask: extern "C" fn(Slice, *mut c_char, usize) -> usize,
    pub(super) id_asked: extern "C" fn(),
    pub(super) decide: extern "C" fn(i32, Slice) -> i32,
    pub(super) line: extern "C" fn(Slice, *mut Slice) -> i32,
    pub(super) cookie_name: extern "C" fn(*const RawSettings, Slice, *mut Slice) -> i32,
    pub(super) dress: extern "C" fn(Slice, i32, *mut Slice) -> i32,
    pub(super) version: Slice,
}

// SAFETY: functions and pointers to constants; nothing is ever written.
unsafe impl Sync for DoorTable {}
