//! The tests of `redis.rs` with connections that wait inside the system call, as in PHP's workers.

#![cfg(feature = "redis")]

/// How these connect.
const BLOCKING: bool = true;

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
