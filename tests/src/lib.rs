//! What the system tests share: a *rig* is two application servers behind nginx with sessions in one store, a *page* is
//! what a visitor got from it, a *crowd* is many visitors at once who note what was acknowledged to them. A *history* is what
//! many processes did with the engine itself, judged afterwards.
//!
//! The tests themselves are in `tests/`, a file for each theme of what must be shown; their PHP pages are in `pages/`. The
//! extension is the release build, as an operator has it: `target/release/cloakroom.so`, or what `CLOAKROOM_SO` names.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod crowd;
pub mod history;
mod page;
mod rig;
mod shop;
mod store;
mod wpsite;

pub use crowd::{Crowd, Record};
pub use page::{Page, Visitor, session_cookies};
pub use rig::{Options, Rig, extension};
pub use shop::Shop;
pub use store::{Backend, Store};
pub use wpsite::WpSite;

/// Makes of one function three tests, one for each store: `sqlite`, `mysql` and `redis`, in a module of the function's name.
#[macro_export]
macro_rules! on_each_store {
    ($($(#[$doc:meta])* fn $name:ident($store:ident: Store) $body:block)+) => {
        $crate::on_stores!([sqlite Sqlite, mysql Mysql, redis Redis] $($(#[$doc])* fn $name($store: Store) $body)+);
    };
}

/// The same for the stores that are servers of their own: `mysql` and `redis`.
#[macro_export]
macro_rules! on_each_server {
    ($($(#[$doc:meta])* fn $name:ident($store:ident: Store) $body:block)+) => {
        $crate::on_stores!([mysql Mysql, redis Redis] $($(#[$doc])* fn $name($store: Store) $body)+);
    };
}

/// What the two macros above are made of.
#[macro_export]
#[doc(hidden)]
macro_rules! on_stores {
    ($stores:tt) => {};
    ($stores:tt $(#[$doc:meta])* fn $name:ident($store:ident: Store) $body:block $($rest:tt)*) => {
        $(#[$doc])*
        mod $name {
            #[allow(unused_imports, reason = "what a theme imports is for all of its tests")]
            use super::*;
            fn on($store: $crate::Store) $body
            $crate::on_stores!(@ $stores);
        }
        $crate::on_stores!($stores $($rest)*);
    };
    (@ [$($test:ident $variant:ident),+]) => {
        $(
            #[test]
            fn $test() {
                if $crate::Store::$variant.is_there() {
                    on($crate::Store::$variant);
                }
            }
        )+
    };
}
