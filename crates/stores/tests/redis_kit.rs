//! The conformance kit on a real Redis, each promise on a server of its own that has on disk what it acknowledged.

#![cfg(feature = "redis")]

use std::sync::Arc;

use cloakroom::Store;
use cloakroom::conformance::{Fault, Faults, Harness, Unsupported};
use cloakroom_stores::{Options, open};
use cloakroom_testbed::{Direction, Proxy, Redis};

struct Server {
    blocking: bool,
    redis: Redis,
    proxy: Proxy,
}

impl Server {
    fn start(blocking: bool) -> Self {
        let redis = Redis::start_durable().expect("redis-server starts");
        let proxy = Proxy::start(redis.endpoint()).expect("a proxy starts");
        Self { blocking, redis, proxy }
    }
}

impl Harness for Server {
    fn store(&self) -> Arc<dyn Store> {
        let options = Options { blocking: self.blocking, ..Options::default() };
        open(&format!("redis://{}", self.proxy.address()), &options).expect("the URL is right")
    }

    fn faults(&self) -> Option<&dyn Faults> {
        Some(self)
    }
}

impl Faults for Server {
    fn begin(&self, fault: Fault) -> Result<(), Unsupported> {
        match fault {
            Fault::Cut => self.proxy.cut(),
            Fault::LoseReply => self.proxy.swallow_next_reply(),
            Fault::StallReplies => self.proxy.stall(Direction::ToClient),
            Fault::StallRequests => self.proxy.stall(Direction::ToServer),
            Fault::Freeze => self.redis.freeze(),
            Fault::Kill => self.redis.kill9(),
            Fault::DropSchema => {
                for words in [&["FLUSHALL"][..], &["SCRIPT", "FLUSH"]] {
                    let reply = self.redis.command(words).expect("redis-server answers");
                    assert!(reply.starts_with("+OK"), "{reply}");
                }
            }
            _ => return Err(Unsupported),
        }
        Ok(())
    }

    fn end(&self, fault: Fault) {
        match fault {
            Fault::LoseReply | Fault::StallReplies | Fault::StallRequests => self.proxy.heal(),
            Fault::Freeze => self.redis.thaw(),
            Fault::Kill => self.redis.start().expect("redis-server starts again"),
            _ => {}
        }
    }
}

/// As in a Rust web application.
mod yielding {
    cloakroom::conformance_tests!(super::Server::start(false));
}

/// As in PHP's workers.
mod blocking {
    cloakroom::conformance_tests!(super::Server::start(true));
}
