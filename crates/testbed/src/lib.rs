//! Real servers for Cloakroom's tests: started in temporary folders on free loopback ports, ended on drop.
//!
//! A test asks for what it needs (`Mariadb::start()`, `Redis::start()`, a `Site` of two php-fpm masters behind nginx) and
//! gets it when it answers, or an error that carries the server's own log. Servers live in process groups of their own and
//! each has a guard process, so none outlives the test, not even one that was killed. [`Proxy`] stands in front of
//! any of them and does what networks do. Everything is blocking: call it from plain tests, or before an async part begins.
//!
//! ```no_run
//! let redis = cloakroom_testbed::Redis::start()?;
//! let proxy = cloakroom_testbed::Proxy::start(redis.endpoint())?;
//! println!("redis://{}", proxy.address());
//! redis.freeze();
//! # Ok::<(), cloakroom_testbed::Error>(())
//! ```
#![forbid(unsafe_code)]

mod apache;
pub mod chromium;
mod endpoint;
mod error;
mod folder;
mod fpm;
mod http;
mod mariadb;
mod memcached;
mod needs;
mod nginx;
mod php;
mod ports;
mod process;
mod proxy;
mod redis;
mod service;
mod site;
pub mod up;
mod varnish;
mod wordpress;

pub use apache::Apache;
pub use chromium::Chromium;
pub use endpoint::{Endpoint, Stream};
pub use error::{Error, Result};
pub use folder::{Folder, find_program, project_root, target_dir};
pub use fpm::{Fpm, FpmOptions};
pub use http::{Browser, Reply};
pub use mariadb::Mariadb;
pub use memcached::Memcached;
pub use needs::has_all;
pub use nginx::{Nginx, NginxOptions, PageCache};
pub use php::{PhpSettings, cli, extension, php_version};
pub use ports::PortLease;
pub use process::{Identity, group_members, workers_of};
pub use proxy::{Direction, Proxy};
pub use redis::Redis;
pub use service::{Service, wait_until};
pub use site::{Site, SiteOptions};
pub use varnish::Varnish;
pub use wordpress::{Wordpress, WordpressOptions};
