//! The PHP door: `cloakroom.so`, a session save handler for PHP 8.1 to 8.5.
//!
//! PHP calls the C shim (`shim/`, compiled against the installed headers), the shim calls `ffi`, and `ffi` hands plain
//! Rust values to `door`, which decides and drives the engine. C code is called by nobody in here: a `zend_bailout`
//! (longjmp), an exception or a warning never meets a Rust frame.
//!
//! Nothing is opened before PHP-FPM forks; each worker makes its runtime, store and engines at its first session
//! (`worker`). There are no threads.

mod cookies;
mod door;
#[allow(unsafe_code)] // the only place: what C hands in is read here, each block with its reason
mod ffi;
mod log;
mod names;
#[cfg(feature = "sqlite")]
mod place;
mod settings;
mod worker;
