//! Each thing a proxy can do, in front of a real Redis.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use cloakroom_testbed::{Direction, Endpoint, Mariadb, Proxy, Redis, Stream, needs, wait_until};

fn connect(endpoint: &Endpoint) -> Stream {
    let stream = endpoint.connect().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

fn read(mut stream: &Stream) -> std::io::Result<String> {
    let mut reply = [0; 4096];
    let length = stream.read(&mut reply)?;
    Ok(String::from_utf8_lossy(&reply[..length]).into_owned())
}

fn ask(mut stream: &Stream, command: &str) -> std::io::Result<String> {
    stream.write_all(format!("{command}\r\n").as_bytes())?;
    read(stream)
}

fn start() -> (Redis, Proxy, Stream) {
    let redis = Redis::start().unwrap();
    let proxy = Proxy::start(redis.endpoint()).unwrap();
    let stream = connect(&proxy.endpoint());
    (redis, proxy, stream)
}

#[test]
fn round_trips_are_counted_one_per_request() {
    needs!("redis-server");
    let (_redis, proxy, stream) = start();
    assert_eq!(proxy.round_trips(), 0);
    for count in 1..=5 {
        assert_eq!(ask(&stream, "INCR n").unwrap(), format!(":{count}\r\n"));
        assert_eq!(proxy.round_trips(), count);
    }
    // A pipeline is one trip, however many commands it holds.
    assert!(ask(&stream, "INCR n\r\nINCR n").unwrap().starts_with(":6"));
    assert_eq!(proxy.round_trips(), 6);
    assert_eq!(proxy.bytes(Direction::ToServer), 5 * 8 + 16);
    assert_eq!(proxy.connections(), 1);
}

#[test]
fn a_greeting_nobody_asked_for_is_no_round_trip() {
    needs!("mariadbd");
    let mariadb = Mariadb::start().unwrap();
    let proxy = Proxy::start(mariadb.endpoint()).unwrap();
    let stream = connect(&proxy.endpoint());
    assert!(!read(&stream).unwrap().is_empty());
    assert_eq!(proxy.round_trips(), 0);
}

#[test]
fn each_direction_is_delayed_by_itself() {
    needs!("redis-server");
    let (_redis, proxy, stream) = start();
    let timed = || {
        let begin = Instant::now();
        assert_eq!(ask(&stream, "PING").unwrap(), "+PONG\r\n");
        begin.elapsed()
    };
    proxy.delay(Direction::ToServer, Duration::from_millis(120));
    assert!(timed() >= Duration::from_millis(120));
    proxy.delay(Direction::ToClient, Duration::from_millis(130));
    assert!(timed() >= Duration::from_millis(250));
    proxy.heal();
    assert!(timed() < Duration::from_millis(120));
}

#[test]
fn a_stalled_reply_comes_when_the_proxy_heals() {
    needs!("redis-server");
    let (redis, proxy, mut stream) = start();
    proxy.stall(Direction::ToClient);
    stream.write_all(b"SET a 1\r\n").unwrap();
    wait_until("the server has applied it", Duration::from_secs(10), || {
        redis.command(&["GET", "a"]).unwrap() == "$1\r\n1\r\n"
    })
    .unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert_eq!(read(&stream).unwrap_err().kind(), ErrorKind::WouldBlock);
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    proxy.heal();
    assert_eq!(read(&stream).unwrap(), "+OK\r\n");
}

#[test]
fn a_stalled_request_does_not_reach_the_server() {
    needs!("redis-server");
    let (redis, proxy, mut stream) = start();
    proxy.stall(Direction::ToServer);
    stream.write_all(b"SET a 1\r\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert_eq!(read(&stream).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(redis.command(&["GET", "a"]).unwrap(), "$-1\r\n");
}

#[test]
fn a_swallowed_reply_means_the_server_has_applied_the_request() {
    needs!("redis-server");
    let (redis, proxy, stream) = start();
    proxy.swallow_reply_where(|request| request.starts_with(b"SET"));
    assert_eq!(ask(&stream, "PING").unwrap(), "+PONG\r\n");
    assert_eq!(ask(&stream, "SET a 1").unwrap(), "");
    assert_eq!(redis.command(&["GET", "a"]).unwrap(), "$1\r\n1\r\n");
    assert_eq!(proxy.sprung(), 1);
    // The trap is sprung; the next connection lives.
    assert_eq!(ask(&connect(&proxy.endpoint()), "SET a 2").unwrap(), "+OK\r\n");
}

#[test]
fn a_lost_request_never_reaches_the_server() {
    needs!("redis-server");
    let (redis, proxy, stream) = start();
    proxy.lose_request_where(|request| request.starts_with(b"SET"));
    assert_eq!(ask(&stream, "SET a 1").unwrap(), "");
    assert_eq!(redis.command(&["GET", "a"]).unwrap(), "$-1\r\n");
}

#[test]
fn a_condition_sees_a_request_that_comes_in_pieces() {
    needs!("redis-server");
    let (redis, proxy, mut stream) = start();
    proxy.swallow_reply_where(|request| request.windows(7).any(|bytes| bytes == b"SET a 1"));
    stream.write_all(b"SET").unwrap();
    wait_until("the first piece has passed", Duration::from_secs(10), || proxy.bytes(Direction::ToServer) == 3)
        .unwrap();
    assert_eq!(ask(&stream, " a 1").unwrap(), "");
    assert_eq!(redis.command(&["GET", "a"]).unwrap(), "$1\r\n1\r\n");
}

#[test]
fn a_reply_is_cut_at_the_very_byte() {
    needs!("redis-server");
    let (_redis, proxy, mut stream) = start();
    proxy.cut_after(Direction::ToClient, 10);
    assert_eq!(ask(&stream, "PING").unwrap(), "+PONG\r\n");
    stream.write_all(b"PING\r\n").unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "+PO");
}

#[test]
fn a_request_is_cut_at_the_very_byte() {
    needs!("redis-server");
    let (redis, proxy, stream) = start();
    // All of the first command, and the second without its end.
    proxy.cut_after(Direction::ToServer, 16);
    let reply = ask(&stream, "SET a 1\r\nSET a 2").unwrap_or_default();
    assert!(reply.is_empty() || reply == "+OK\r\n", "{reply}");
    wait_until("the first command is applied", Duration::from_secs(10), || {
        redis.command(&["GET", "a"]).unwrap() == "$1\r\n1\r\n"
    })
    .unwrap();
}

#[test]
fn a_cut_is_an_orderly_end_and_a_reset_is_none() {
    needs!("redis-server");
    let (_redis, proxy, stream) = start();
    assert_eq!(ask(&stream, "PING").unwrap(), "+PONG\r\n");
    proxy.cut();
    assert_eq!(read(&stream).unwrap(), "");

    let stream = connect(&proxy.endpoint());
    assert_eq!(ask(&stream, "PING").unwrap(), "+PONG\r\n");
    proxy.reset();
    assert_eq!(read(&stream).unwrap_err().kind(), ErrorKind::ConnectionReset);

    let stream = connect(&proxy.endpoint());
    proxy.cut_by_reset();
    proxy.swallow_next_reply();
    assert_eq!(ask(&stream, "PING").unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_refusing_proxy_keeps_open_connections_only() {
    needs!("redis-server");
    let (_redis, proxy, stream) = start();
    assert_eq!(ask(&stream, "PING").unwrap(), "+PONG\r\n");
    proxy.refuse();
    let refused = connect(&proxy.endpoint());
    assert!(!matches!(ask(&refused, "PING"), Ok(reply) if !reply.is_empty()));
    assert_eq!(ask(&stream, "PING").unwrap(), "+PONG\r\n");
    assert_eq!(proxy.open_connections(), 1);
}

#[test]
fn a_unix_socket_can_stand_on_either_side() {
    needs!("redis-server");
    let redis = Redis::start().unwrap();
    let inner = Proxy::start_unix(Endpoint::Unix(redis.socket())).unwrap();
    let outer = Proxy::start(inner.endpoint()).unwrap();
    assert_eq!(ask(&connect(&outer.endpoint()), "PING").unwrap(), "+PONG\r\n");
    assert_eq!((inner.round_trips(), outer.round_trips()), (1, 1));
    let stream = connect(&inner.endpoint());
    inner.swallow_next_reply();
    assert_eq!(ask(&stream, "SET a 1").unwrap(), "");
    assert_eq!(redis.command(&["GET", "a"]).unwrap(), "$1\r\n1\r\n");
}

#[test]
fn the_server_behind_may_come_and_go() {
    needs!("redis-server");
    let (redis, proxy, stream) = start();
    assert_eq!(ask(&stream, "PING").unwrap(), "+PONG\r\n");
    redis.kill9();
    assert!(!matches!(ask(&stream, "PING"), Ok(reply) if !reply.is_empty()));
    redis.start().unwrap();
    assert_eq!(ask(&connect(&proxy.endpoint()), "PING").unwrap(), "+PONG\r\n");
}
