//! Each starter against the real server: it answers, it can be hurt and repaired, and nothing of it stays.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::io::{Read, Write};
use std::time::Duration;

use cloakroom_testbed::{
    Endpoint, Folder, Fpm, FpmOptions, Mariadb, Memcached, Nginx, PhpSettings, Redis, group_members, needs, wait_until,
};

fn ask(endpoint: &Endpoint, request: &[u8]) -> std::io::Result<String> {
    let mut stream = endpoint.connect()?;
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    stream.write_all(request)?;
    let mut reply = [0; 4096];
    let length = stream.read(&mut reply)?;
    Ok(String::from_utf8_lossy(&reply[..length]).into_owned())
}

#[test]
fn a_durable_redis_keeps_what_it_acknowledged_over_kill_9() {
    needs!("redis-server");
    let redis = Redis::start_durable().unwrap();
    assert_eq!(redis.command(&["SET", "cart", "three apples"]).unwrap(), "+OK\r\n");
    let before = redis.pid();
    redis.kill9();
    assert!(!redis.is_running());
    redis.start().unwrap();
    assert_ne!(redis.pid(), before);
    assert_eq!(redis.command(&["GET", "cart"]).unwrap(), "$12\r\nthree apples\r\n");
}

#[test]
fn a_frozen_redis_answers_nobody_until_it_is_thawed() {
    needs!("redis-server");
    let redis = Redis::start().unwrap();
    redis.freeze();
    assert!(ask(&redis.endpoint(), b"PING\r\n").is_err());
    redis.thaw();
    assert_eq!(redis.command(&["PING"]).unwrap(), "+PONG\r\n");
    assert_eq!(ask(&Endpoint::Unix(redis.socket()), b"PING\r\n").unwrap(), "+PONG\r\n");
}

#[test]
fn a_restarted_redis_is_found_at_the_same_address() {
    needs!("redis-server");
    let redis = Redis::start_durable().unwrap();
    let address = redis.endpoint();
    redis.command(&["SET", "cart", "1"]).unwrap();
    redis.restart().unwrap();
    assert_eq!(redis.endpoint(), address);
    assert_eq!(redis.command(&["GET", "cart"]).unwrap(), "$1\r\n1\r\n");
}

#[test]
fn memcached_stores_and_forgets_over_a_restart() {
    needs!("memcached");
    let memcached = Memcached::start().unwrap();
    let set = ask(&memcached.endpoint(), b"set a 0 0 1\r\nx\r\n").unwrap();
    assert_eq!(set, "STORED\r\n");
    assert!(ask(&memcached.endpoint(), b"get a\r\n").unwrap().starts_with("VALUE a"));
    memcached.restart().unwrap();
    assert_eq!(ask(&memcached.endpoint(), b"get a\r\n").unwrap(), "END\r\n");
}

#[test]
fn mariadb_keeps_what_it_acknowledged_over_kill_9() {
    needs!("mariadbd");
    let mariadb = Mariadb::start().unwrap();
    let rows = "CREATE TABLE cart (item INT) ENGINE=InnoDB; INSERT INTO cart VALUES (1), (2)";
    mariadb.sql("cloakroom", rows).unwrap();
    mariadb.kill9();
    assert!(mariadb.sql("cloakroom", "SELECT 1").is_err());
    mariadb.start().unwrap();
    assert_eq!(mariadb.sql("cloakroom", "SELECT COUNT(*) FROM cart").unwrap(), "2\n");
    assert!(mariadb.dump("cloakroom").unwrap().contains("INSERT INTO `cart` VALUES"));
}

#[test]
fn two_mariadbs_share_nothing() {
    needs!("mariadbd");
    let (one, other) = (Mariadb::start().unwrap(), Mariadb::start().unwrap());
    let url = one.create_database("shop").unwrap();
    assert!(url.ends_with(&format!(":{}/shop", one.port())), "{url}");
    assert!(one.sql("shop", "SELECT 1").is_ok());
    assert!(other.sql("shop", "SELECT 1").is_err());
}

#[test]
fn a_server_that_can_not_start_says_why() {
    needs!("mariadbd", "redis-server");
    let error = Mariadb::start_with(&["--no-such-option"]).unwrap_err().to_string();
    assert!(error.contains("no-such-option"), "{error}");
    let error = Redis::start_with(&[("no-such-option", "1")]).unwrap_err().to_string();
    assert!(error.contains("no-such-option"), "{error}");
}

#[test]
fn a_dropped_server_leaves_no_process_and_no_folder() {
    needs!("redis-server");
    let redis = Redis::start().unwrap();
    let (pid, socket) = (redis.pid().unwrap(), redis.socket());
    drop(redis);
    assert!(group_members(pid).is_empty());
    assert!(!socket.parent().unwrap().exists());
}

#[test]
fn a_server_ends_although_its_test_panics() {
    needs!("redis-server");
    let (send, receive) = std::sync::mpsc::channel();
    let test = std::thread::spawn(move || {
        let redis = Redis::start().unwrap();
        send.send(redis.pid().unwrap()).unwrap();
        panic!("what a failed test does");
    });
    let pid = receive.recv().unwrap();
    assert!(test.join().is_err());
    assert!(group_members(pid).is_empty());
}

/// Two application servers behind nginx, each saying its name and worker.
fn two_servers() -> (Folder, Fpm, Fpm, Nginx) {
    let root = Folder::new("root").unwrap();
    root.write("index.php", "<?php echo $_SERVER['CLOAKROOM_SERVER'], ' ', getmypid(), ' ', ini_get('precision');")
        .unwrap();
    let server = |name: &str| {
        Fpm::start_with(&FpmOptions {
            server_name: name.into(),
            workers: 2,
            settings: PhpSettings::new().set("precision", "11"),
            ..FpmOptions::default()
        })
        .unwrap()
    };
    let (a, b) = (server("A"), server("B"));
    let nginx = Nginx::start(root.path(), &[a.endpoint(), b.endpoint()]).unwrap();
    (root, a, b, nginx)
}

fn get(nginx: &Nginx) -> String {
    let reply = ask(&nginx.endpoint(), b"GET / HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
    reply.split("\r\n\r\n").nth(1).unwrap_or_default().to_string()
}

#[test]
fn nginx_sends_every_other_request_to_the_other_server() {
    needs!("php-fpm", "nginx");
    let (_root, _a, _b, nginx) = two_servers();
    let names: String = (0..6).map(|_| get(&nginx).chars().next().unwrap()).collect();
    assert!(names == "ABABAB" || names == "BABABA", "{names}");
    assert!(get(&nginx).ends_with(" 11"), "the settings did not reach PHP");
    assert!(nginx.access_log().contains("GET / 200"));
}

#[test]
fn a_killed_worker_is_replaced_and_a_killed_master_can_be_started_again() {
    needs!("php-fpm", "nginx");
    let (_root, a, _b, nginx) = two_servers();
    wait_until("both workers run", Duration::from_secs(10), || a.workers().len() == 2).unwrap();
    let killed = a.kill9_worker().unwrap();
    wait_until("the worker is replaced", Duration::from_secs(10), || {
        let workers = a.workers();
        workers.len() == 2 && !workers.contains(&killed)
    })
    .unwrap();
    assert!(a.log().contains("SIGKILL"), "{}", a.log());

    a.kill9();
    let replies: Vec<String> = (0..4).map(|_| get(&nginx)).collect();
    assert_eq!(replies.iter().filter(|reply| reply.starts_with('B')).count(), 2, "{replies:?}");
    a.start().unwrap();
    let replies: Vec<String> = (0..4).map(|_| get(&nginx)).collect();
    assert_eq!(replies.iter().filter(|reply| reply.starts_with('A')).count(), 2, "{replies:?}");
}

#[test]
fn phps_own_log_is_apart_from_the_masters() {
    needs!("php-fpm", "nginx");
    let root = Folder::new("root").unwrap();
    root.write("index.php", "<?php error_log('one clear line'); echo 'A ';").unwrap();
    let fpm = Fpm::start(PhpSettings::new()).unwrap();
    let nginx = Nginx::start(root.path(), &[fpm.endpoint()]).unwrap();
    assert_eq!(get(&nginx), "A ");
    assert!(fpm.php_log().contains("one clear line"));
    assert!(!fpm.log().contains("one clear line"));
}
