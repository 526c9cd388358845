//! The border to C: the table of `shim/door.h`, field by field, and one function an entry that turns raw parts into
//! slices, calls [`Door`] and leaves what C is to copy in buffers that live until the next call.
//!
//! # Why this is sound
//! * PHP without thread safety (the shim refuses to compile for any other) calls a module from one thread only; the mutex
//!   is never contended and turns a violation into a failure instead of a race.
//! * Slices from C point into zend_strings and PHP's globals that C keeps alive during the call; nothing here keeps them.
//! * Rust never calls C, so no longjmp of PHP's (`zend_bailout`, exceptions) can pass through these frames, and every
//!   entry is a `catch_unwind`, so no panic passes into C.

mod api;
mod layout;
mod table;

use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, Once};
use std::time::Duration;

use crate::door::{Call, Caller, Decision, Door, Early, Frame, Item, Leaves, Line, LockTaken, Payload, Verdict, Write};
use crate::settings::Raw;
use table::{DoorTable, RawCall, RawFrame, RawHardening, RawItem, RawRead, RawSettings, RawWrite, Slice};

/// The door, and what C may still look at from the last call.
#[derive(Default)]
struct State {
    door: Door,
    payload: Vec<u8>,
    id: Vec<u8>,
    status: Vec<(&'static str, Item)>,
    items: Vec<RawItem>,
    result: Vec<crate::door::Cell>,
    result_items: Vec<RawItem>,
}

// SAFETY: the pointers in `items` and `result_items` point into `status` and `result` of the same struct, and are only read
// by C on PHP's one thread.
unsafe impl Send for State {}

static STATE: Mutex<Option<State>> = Mutex::new(None);

/// Runs an entry. A panic is a bug of ours: it is told to the log, and the request goes on with `otherwise`.
fn enter<T>(otherwise: T, entry: impl FnOnce(&mut State) -> T) -> T {
    static HOOK: Once = Once::new();
    // The default hook prints to stderr what a panic says, and that might be data.
    HOOK.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let Ok(mut guard) = STATE.try_lock() else { return otherwise };
    let state = guard.get_or_insert_with(State::default);
    match catch_unwind(AssertUnwindSafe(|| entry(state))) {
        Ok(out) => out,
        Err(_) => {
            state.door.request = crate::door::Request::default();
            state.door.log.say(
                "An error inside Cloakroom was caught; the request goes on without its session. Please report it.",
            );
            otherwise
        }
    }
}

impl Slice {
    const EMPTY: Self = Self { ptr: std::ptr::null(), len: 0 };

    fn of(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr().cast(), len: bytes.len() }
    }

    /// The bytes that C has handed in.
    ///
    /// # Safety
    /// `ptr` is null or points to `len` bytes that stay as they are for `'a` (door.h: during the call).
    unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.ptr.is_null() || self.len == 0 {
            return &[];
        }
        // SAFETY: as the caller promises.
        unsafe { std::slice::from_raw_parts(self.ptr.cast(), self.len) }
    }
}

impl RawSettings {
    /// # Safety
    /// All slices are valid during `'a`.
    unsafe fn read<'a>(&self) -> Raw<'a> {
        // SAFETY: `cloakroom_settings` fills all slices from INI entries, which outlive the call.
        unsafe {
            Raw {
                generation: self.generation,
                values: self.values.map(|v| v.bytes()),
                save_path: self.save_path.bytes(),
                gc_maxlifetime: self.gc_maxlifetime,
                sid_length: self.sid_length,
                sid_bits: self.sid_bits,
                use_strict_mode: self.use_strict_mode != 0,
                serializer: self.serializer.bytes(),
                path: self.path.bytes(),
                file: self.file.bytes(),
                line: self.line,
                read_and_close: self.read_and_close != 0,
                can_hold: self.can_hold != 0,
                https: self.https != 0,
                peer: self.peer.bytes(),
                forwarded: self.forwarded.bytes(),
                host: self.host.bytes(),
                agent: self.agent.bytes(),
            }
        }
    }
}

impl RawWrite {
    /// # Safety
    /// All slices are valid during `'a`.
    unsafe fn read<'a>(&self) -> Write<'a> {
        // SAFETY: the shim points them at zend_strings it holds until the call has returned.
        unsafe {
            Write {
                id: self.id.bytes(),
                payload: self.payload.bytes(),
                serializer: std::str::from_utf8(self.serializer.bytes()).unwrap_or_default(),
                present: self.present != 0,
                variables: self.variables,
            }
        }
    }
}

/// Copies text into a buffer of C's, cut to fit, with a NUL at the end; the length without it.
///
/// # Safety
/// `out` points to `capacity` writable bytes.
unsafe fn copy_out(text: &[u8], out: *mut c_char, capacity: usize) -> usize {
    if out.is_null() || capacity == 0 {
        return 0;
    }
    let len = text.len().min(capacity - 1);
    // SAFETY: `len` < `capacity`, and a buffer of C's never overlaps ours.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr().cast(), out, len);
        *out.add(len) = 0;
    }
    len
}

extern "C" fn check(settings: *const RawSettings, message: *mut c_char, capacity: usize) -> i32 {
    // SAFETY: the shim passes a filled struct on its stack.
    let raw = unsafe { (*settings).read() };
    match enter(Ok(()), |state| state.door.check(&raw)) {
        Ok(()) => 0,
        Err(wrong) => {
            // SAFETY: the shim passes its buffer and that buffer's size.
            unsafe { copy_out(wrong.text.as_bytes(), message, capacity) };
            if wrong.fatal { 1 } else { 2 }
        }
    }
}

extern "C" fn open(settings: *const RawSettings, caller: i32, hardening: *mut RawHardening) -> i32 {
    // SAFETY: the shim passes a filled struct on its stack.
    let raw = unsafe { (*settings).read() };
    let safe = crate::door::Hardening { strict: true, httponly: true, secure: false, hide_cookie: true, blame: false };
    let found = enter(safe, |state| state.door.open(&raw, Caller::from_code(caller)));
    let out = RawHardening {
        strict: found.strict.into(),
        httponly: found.httponly.into(),
        secure: found.secure.into(),
        hide_cookie: found.hide_cookie.into(),
        blame: found.blame.into(),
    };
    // SAFETY: the shim passes a struct on its stack.
    unsafe { *hardening = out };
    1
}

extern "C" fn close(caller: i32, cookie_leaves: i32) {
    let leaves = match cookie_leaves {
        0 => Leaves::No,
        2 => Leaves::Held,
        3 => Leaves::HeldWrapped,
        _ => Leaves::Now,
    };
    enter((), |state| state.door.close(Caller::from_code(caller), leaves));
}

extern "C" fn validate(id: Slice, caller: i32) -> i32 {
    // SAFETY: the id is a zend_string that PHP holds during the call.
    let id = unsafe { id.bytes() };
    enter(Verdict::NO, |state| state.door.validate(id, Caller::from_code(caller))).0
}

extern "C" fn create_id(caller: i32, id: *mut Slice) -> i32 {
    let (verdict, out) = enter((Verdict::NO, Slice::EMPTY), |state| {
        let (verdict, id) = state.door.create_id(Caller::from_code(caller));
        state.id = id;
        (verdict, Slice::of(&state.id))
    });
    // SAFETY: the shim passes a struct on its stack.
    unsafe { *id = out };
    verdict.0
}

extern "C" fn wants_payload() -> i32 {
    enter(false, |state| state.door.wants_payload()).into()
}

extern "C" fn rotate(write: *const RawWrite, id: *mut Slice) -> i32 {
    // SAFETY: the shim passes a filled struct on its stack.
    let write = unsafe { (*write).read() };
    let (verdict, out) = enter((Verdict::NO, Slice::EMPTY), |state| {
        let (verdict, id) = state.door.rotate(&write);
        state.id = id;
        (verdict, Slice::of(&state.id))
    });
    // SAFETY: the shim passes a struct on its stack.
    unsafe { *id = out };
    verdict.0
}

extern "C" fn read(id: Slice, caller: i32, out: *mut RawRead) -> i32 {
    // SAFETY: the id is a zend_string that PHP holds during the call.
    let id = unsafe { id.bytes() };
    let nothing = RawRead { payload: Slice::EMPTY, id: Slice::EMPTY };
    let (verdict, found) = enter((Verdict::YES.0, nothing), |state| {
        let reading = state.door.read(id, Caller::from_code(caller));
        let payload = match reading.payload {
            Payload::None => Slice::EMPTY,
            // In the request's hands, which nothing touches before the next call.
            Payload::AsStored => state.door.request.session().map_or(Slice::EMPTY, |s| Slice::of(s.payload())),
            Payload::Converted(payload) => {
                state.payload = payload;
                Slice::of(&state.payload)
            }
        };
        let mut verdict = reading.verdict.0;
        if let Some(id) = reading.id {
            state.id = id;
            verdict |= Verdict::NEW_ID;
        }
        (verdict, RawRead { payload, id: Slice::of(&state.id) })
    });
    // SAFETY: the shim passes a struct on its stack.
    unsafe { *out = found };
    verdict
}

extern "C" fn write(write: *const RawWrite, caller: i32) -> i32 {
    // SAFETY: the shim passes a filled struct on its stack.
    let write = unsafe { (*write).read() };
    enter(Verdict::NO, |state| {
        state.payload = Vec::new();
        state.door.write(&write, Caller::from_code(caller))
    })
    .0
}

extern "C" fn destroy(id: Slice, caller: i32) -> i32 {
    // SAFETY: the id is a zend_string that PHP holds during the call.
    let id = unsafe { id.bytes() };
    enter(Verdict::NO, |state| state.door.destroy(id, Caller::from_code(caller))).0
}

extern "C" fn gc(caller: i32) -> i64 {
    enter(-1, |state| state.door.gc(Caller::from_code(caller)))
}

/// The frames that C has put together.
///
/// # Safety
/// `frames` points to `count` frames, whose slices stay as they are for `'a`; or `count` is 0.
unsafe fn read_frames<'a>(frames: *const RawFrame, count: usize) -> Vec<Frame<'a>> {
    if frames.is_null() || count == 0 {
        return Vec::new();
    }
    // SAFETY: as the caller promises.
    let frames = unsafe { std::slice::from_raw_parts(frames, count) };
    // SAFETY: as the caller promises.
    frames.iter().map(|frame| Frame { file: unsafe { frame.file.bytes() }, line: frame.line }).collect()
}

extern "C" fn started(frames: *const RawFrame, count: usize, root: Slice, sees_writers: i32) {
    // SAFETY: an array on the shim's stack, over names of files that PHP keeps while they are on its call stack.
    let frames = unsafe { read_frames(frames, count) };
    // SAFETY: a copy that the shim holds during the call.
    let root = unsafe { root.bytes() };
    enter((), |state| state.door.started(&frames, root, sees_writers != 0));
}

extern "C" fn wants_writer(name: *const Slice) -> i32 {
    // SAFETY: null, or a struct on the shim's stack over a zend_string that PHP holds during the call.
    let name = unsafe { name.as_ref().map(|slice| slice.bytes()) };
    enter(false, |state| state.door.wants_writer(name)).into()
}

extern "C" fn wrote(name: *const Slice, literal: i32, frames: *const RawFrame, count: usize) {
    // SAFETY: null, or a struct on the shim's stack over a zend_string that PHP holds during the call.
    let name = unsafe { name.as_ref().map(|slice| slice.bytes()) };
    // SAFETY: an array on the shim's stack, over names of files that PHP keeps while they are on its call stack.
    let frames = unsafe { read_frames(frames, count) };
    enter((), |state| state.door.wrote(name, literal != 0, &frames));
}

extern "C" fn is_literal(name: Slice) {
    // SAFETY: over a zend_string that PHP holds during the call.
    let name = unsafe { name.bytes() };
    enter((), |state| state.door.is_literal(name));
}

extern "C" fn is_fresh() -> i32 {
    enter(false, |state| state.door.is_fresh()).into()
}

extern "C" fn headers_leave() -> i32 {
    enter(false, |state| state.door.headers_leave()).into()
}

extern "C" fn last_ok() -> i32 {
    enter(false, |state| state.door.last_ok()).into()
}

extern "C" fn owner(owner: *const Slice) -> i32 {
    // SAFETY: null, or a struct on the shim's stack over a zend_string that PHP holds during the call.
    let owner = unsafe { owner.as_ref().map(|slice| slice.bytes()) };
    enter(false, |state| state.door.owner(owner)).into()
}

extern "C" fn lock(path: *const Slice, wait: f64, write: *const RawWrite, payload: *mut Slice) -> i32 {
    // SAFETY: null, or a struct on the shim's stack over a zend_string that PHP holds during the call.
    let path = unsafe { path.as_ref().map(|slice| slice.bytes()) };
    // SAFETY: the shim passes a filled struct on its stack.
    let write = unsafe { (*write).read() };
    let wait = Duration::try_from_secs_f64(wait).ok();
    let (taken, out) = enter((0, Slice::EMPTY), |state| match state.door.lock(path, wait, &write) {
        LockTaken::Not => (0, Slice::EMPTY),
        LockTaken::Held => (1, Slice::EMPTY),
        LockTaken::Changed(payload) => {
            state.payload = payload;
            (2, Slice::of(&state.payload))
        }
    });
    // SAFETY: the shim passes a struct on its stack.
    unsafe { *payload = out };
    taken
}

extern "C" fn lock_undo() {
    enter((), |state| state.door.lock_undo());
}

extern "C" fn unlock(path: *const Slice) -> i32 {
    // SAFETY: null, or a struct on the shim's stack over a zend_string that PHP holds during the call.
    let path = unsafe { path.as_ref().map(|slice| slice.bytes()) };
    enter(false, |state| state.door.unlock(path)).into()
}

extern "C" fn holds_locks() -> i32 {
    enter(false, |state| state.door.holds_locks()).into()
}

extern "C" fn is_own_site(call: *const RawCall) -> i32 {
    // SAFETY: the shim passes a filled struct on its stack, over strings that it holds during the call.
    let call = unsafe {
        let call = &*call;
        Call {
            target: call.target.bytes(),
            http_host: call.http_host.bytes(),
            server_name: call.server_name.bytes(),
            server_addr: call.server_addr.bytes(),
            server_port: call.server_port.bytes(),
            cookie_domain: call.cookie_domain.bytes(),
        }
    };
    enter(false, |_| call.is_to_own_site()).into()
}

extern "C" fn release_locks() {
    enter((), |state| state.door.release_locks());
}

extern "C" fn status(items: *mut *const RawItem) -> usize {
    let (list, count) = enter((std::ptr::null(), 0), |state| {
        state.status = state.door.status();
        state.items = state.status.iter().map(|(name, item)| RawItem::of(name, item)).collect();
        (state.items.as_ptr(), state.items.len())
    });
    // SAFETY: the shim passes a pointer on its stack; the list lives in STATE until the next call.
    unsafe { *items = list };
    count
}

impl RawItem {
    fn of(name: &str, item: &Item) -> Self {
        let (kind, number, text) = match item {
            Item::Null => (0, 0, Slice::EMPTY),
            Item::Bool(yes) => (1, i64::from(*yes), Slice::EMPTY),
            Item::Number(number) => (2, i64::try_from(*number).unwrap_or(i64::MAX), Slice::EMPTY),
            Item::Text(text) => (3, 0, Slice::of(text.as_bytes())),
            Item::List(lines) => (4, 0, Slice::of(lines.as_bytes())),
            Item::Numbers(lines) => (5, 0, Slice::of(lines.as_bytes())),
        };
        Self { name: Slice::of(name.as_bytes()), kind, number, text }
    }
}

extern "C" fn next_line(line: *mut c_char, capacity: usize) -> i32 {
    let Some(text) = enter(None, |state| state.door.log.next()) else { return 0 };
    // SAFETY: the shim passes its buffer and that buffer's size.
    unsafe { copy_out(text.as_bytes(), line, capacity) };
    1
}

extern "C" fn request_end() {
    enter((), |state| {
        state.payload = Vec::new();
        state.id = Vec::new();
        state.items = Vec::new();
        state.status = Vec::new();
        state.result_items = Vec::new();
        state.result = Vec::new();
        state.door.request_end();
    });
}

extern "C" fn after_response() {
    enter((), |state| state.door.after_response());
}

extern "C" fn process_end() {
    enter((), |state| state.door.process_end());
}

extern "C" fn mask(url: Slice, out: *mut c_char, capacity: usize) -> usize {
    // SAFETY: an INI entry's value, which outlives the call.
    let url = unsafe { url.bytes() };
    let masked = enter(String::from("***"), |_| cloakroom_stores::masked(&String::from_utf8_lossy(url)));
    // SAFETY: the shim passes its buffer and that buffer's size.
    unsafe { copy_out(masked.as_bytes(), out, capacity) }
}

extern "C" fn id_asked() {
    enter((), |state| state.door.id_asked());
}

extern "C" fn decide(early: i32, cookies: Slice) -> i32 {
    // SAFETY: the request's Cookie header, which PHP holds until the request is over.
    let cookies = unsafe { cookies.bytes() };
    let decision = enter(Decision::default(), |state| state.door.decide(Early::from_code(early), cookies));
    i32::from(decision.cacheable) | i32::from(decision.vary) << 1
}

extern "C" fn line(line: Slice, instead: *mut Slice) -> i32 {
    // SAFETY: a header that PHP holds during the call.
    let line = unsafe { line.bytes() };
    let (code, text) = enter((0, Slice::EMPTY), |state| match state.door.line(line) {
        Line::Keep => (0, Slice::EMPTY),
        Line::Out => (1, Slice::EMPTY),
        Line::Instead(text) => {
            state.id = text;
            (2, Slice::of(&state.id))
        }
    });
    // SAFETY: the shim passes a struct on its stack.
    unsafe { *instead = text };
    code
}

extern "C" fn cookie_name(settings: *const RawSettings, name: Slice, instead: *mut Slice) -> i32 {
    // SAFETY: the shim passes a filled struct on its stack, and a name that PHP holds during the call.
    let (raw, name) = unsafe { ((*settings).read(), name.bytes()) };
    let text = enter(Slice::EMPTY, |state| match crate::cookies::name_instead(&raw, name) {
        Some(text) => {
            state.id = text;
            Slice::of(&state.id)
        }
        None => Slice::EMPTY,
    });
    // SAFETY: the shim passes a struct on its stack.
    unsafe { *instead = text };
    i32::from(text.len > 0)
}

extern "C" fn dress(line: Slice, partitioned: i32, instead: *mut Slice) -> i32 {
    // SAFETY: a header that PHP holds during the call.
    let line = unsafe { line.bytes() };
    let text = enter(Slice::EMPTY, |state| match crate::cookies::dressed(line, partitioned != 0) {
        Some(text) => {
            state.id = text;
            Slice::of(&state.id)
        }
        None => Slice::EMPTY,
    });
    // SAFETY: the shim passes a struct on its stack.
    unsafe { *instead = text };
    i32::from(text.len > 0)
}

/// The version with the NUL that PHP wants.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

// Unit tests are linked without PHP, and have nobody to hand it to.
#[used]
static TABLE: DoorTable = DoorTable {
    layout: layout::LAYOUT.as_ptr(),
    layout_length: layout::LAYOUT.len(),
    check,
    open,
    close,
    validate,
    create_id,
    wants_payload,
    rotate,
    read,
    write,
    destroy,
    gc,
    started,
    wants_writer,
    wrote,
    is_literal,
    is_fresh,
    headers_leave,
    last_ok,
    owner,
    lock,
    lock_undo,
    unlock,
    holds_locks,
    is_own_site,
    release_locks,
    status,
    api: api::api,
    next_line,
    request_end,
    after_response,
    process_end,
    mask,
    id_asked,
    decide,
    line,
    cookie_name,
    dress,
    version: Slice { ptr: VERSION.as_ptr().cast(), len: VERSION.len() - 1 },
};

#[cfg(not(test))]
unsafe extern "C" {
    fn cloakroom_shim_module(door: *const DoorTable) -> *mut std::ffi::c_void;
}

/// What PHP asks an extension for. The only symbol that leaves this library.
#[cfg(not(test))]
#[unsafe(no_mangle)]
extern "C" fn get_module() -> *mut std::ffi::c_void {
    // SAFETY: the shim keeps the pointer, and the table is static.
    unsafe { cloakroom_shim_module(&raw const TABLE) }
}
