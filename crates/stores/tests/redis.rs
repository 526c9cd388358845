//! What the conformance kit does not ask of a store in Redis: how often it goes to the server, what it says when the
//! server refuses, stands still or is gone, and that it minds only its own keys.

#![cfg(feature = "redis")]

/// How these connect; `redis_blocking.rs` runs the same the other way.
const BLOCKING: bool = false;

#[path = "redis/common.rs"]
mod common;
#[path = "redis/faults.rs"]
mod faults;
#[path = "redis/keys.rs"]
mod keys;
#[path = "redis/refusals.rs"]
mod refusals;
#[path = "redis/trips.rs"]
mod trips;
