//! `make up`, as its command does it: in a folder and on ports of its own.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::process::Command;
use std::time::Duration;

use cloakroom_testbed::{Browser, Folder, Identity, PortLease, group_members, needs, wait_until, workers_of};

/// Everything that `up` starts, ended on drop.
struct Up {
    folder: Folder,
    ports: Vec<(&'static str, PortLease)>,
}

impl Up {
    fn new() -> Self {
        let names = ["HTTP", "DB", "REDIS", "FPM_A", "FPM_B"];
        Self {
            folder: Folder::new("up").unwrap(),
            ports: names.into_iter().map(|name| (name, PortLease::take().unwrap())).collect(),
        }
    }

    fn run(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cloakroom-testbed"));
        command.args(arguments).env("CLOAKROOM_UP", self.folder.path());
        for (name, lease) in &self.ports {
            command.env(format!("CLOAKROOM_{name}_PORT"), lease.number().to_string());
        }
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    fn up(&self, options: &[&str]) -> String {
        let (good, text) = self.run(&[&["up"], options].concat());
        assert!(good, "{text}");
        text
    }

    fn visitor(&self) -> Browser {
        Browser::new(&format!("http://127.0.0.1:{}", self.ports[0].1.number()))
    }

    /// The first process of a server.
    fn pid(&self, server: &str) -> i32 {
        let text = std::fs::read_to_string(self.folder.join(format!("run/{server}.pid"))).unwrap();
        text.split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        self.run(&["down"]);
    }
}

/// Sends a signal to one process; after SIGKILL, waits until it is gone.
fn signal(pid: i32, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap().success());
    if name == "KILL" {
        wait_until("it is gone", Duration::from_secs(10), || Identity::of(pid).is_none()).unwrap();
    }
}

fn action(visitor: &Browser, query: &str) -> String {
    let reply = visitor.get(&format!("/?cloakroom_demo={query}")).unwrap();
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body
}

#[test]
fn two_servers_with_files_split_a_cart_and_a_second_up_repairs_what_is_down() {
    needs!("mariadbd", "php-fpm", "nginx", "wordpress");
    let up = Up::new();
    let first = up.up(&["--handler", "files"]);
    assert!(first.contains("mariadb: started") && first.contains("nginx: started"), "{first}");

    // Two servers answer in turn, each with half of the cart.
    let visitor = up.visitor();
    let states: Vec<String> = (1..=10).map(|item| action(&visitor, &format!("add&item={item}"))).collect();
    assert!(states[8].contains(r#""count":5"#) && states[9].contains(r#""count":5"#), "{states:?}");
    let page = visitor.get("/").unwrap();
    assert!(page.body.contains("There are 5 items in your cart"), "{}", page.body);
    assert!(!page.body.contains(&visitor.cookie("PHPSESSID").unwrap()), "the page shows the session's id");

    // Nothing to do: nothing is done.
    let again = up.up(&["--handler", "files"]);
    assert!(!again.contains("started"), "{again}");

    // A dead master whose workers live on, a dead database: both are repaired, and nothing else is touched.
    let (nginx, master) = (up.pid("nginx"), up.pid("php-fpm-a"));
    let orphans = workers_of(master);
    assert!(!orphans.is_empty());
    signal(master, "KILL");
    signal(up.pid("mariadb"), "KILL");
    let (good, status) = up.run(&["status"]);
    assert!(!good && status.contains("does not run"), "{status}");
    let repaired = up.up(&["--handler", "files"]);
    assert!(repaired.contains("mariadb: started") && repaired.contains("php-fpm-a: started"), "{repaired}");
    assert!(!repaired.contains("php-fpm-b") && !repaired.contains("nginx: "), "{repaired}");
    assert_eq!(up.pid("nginx"), nginx);
    assert!(orphans.iter().all(|pid| Identity::of(*pid).is_none()), "workers of the dead master live on");
    let page = up.visitor().get("/").unwrap();
    assert!(page.body.contains("There are 0 items"), "{} {:?}\n{}", page.status, page.headers, page.body);

    // A frozen server is as good as a dead one.
    let frozen = up.pid("php-fpm-b");
    group_members(frozen).into_iter().for_each(|pid| signal(pid, "STOP"));
    let thawed = up.up(&["--handler", "files"]);
    assert!(thawed.contains("php-fpm-b: started again"), "{thawed}");

    let (good, status) = up.run(&["status"]);
    assert!(good, "{status}");
    let pids: Vec<i32> = ["nginx", "php-fpm-a", "php-fpm-b", "mariadb"].map(|name| up.pid(name)).to_vec();
    let (good, down) = up.run(&["down"]);
    assert!(good && down.contains("mariadb"), "{down}");
    assert!(pids.iter().all(|pid| group_members(*pid).is_empty()), "something of {pids:?} still runs");
    assert_eq!(up.run(&["status"]), (true, "Nothing is up. `make up` starts it.\n".into()));
}

#[test]
fn a_port_that_is_taken_is_said_and_the_one_instead_is_kept() {
    needs!("mariadbd", "php-fpm", "nginx", "wordpress");
    let up = Up::new();
    // The lease keeps other tests away from the port; this listener is somebody else on it.
    let wanted = up.ports[0].1.number();
    let _somebody = std::net::TcpListener::bind(("127.0.0.1", wanted)).unwrap();
    let first = up.up(&["--handler", "files"]);
    let sentence = format!("nginx: port {wanted} is taken; using ");
    let instead = first.split(&sentence).nth(1).unwrap_or_else(|| panic!("{first}"));
    let instead = instead.lines().next().unwrap().to_string();
    assert!(first.contains(&format!("A and B:  http://127.0.0.1:{instead}/")), "{first}");
    let again = up.up(&["--handler", "files"]);
    assert!(again.contains(&format!("{sentence}{instead}\n")) && !again.contains("started"), "{again}");
}

#[test]
fn what_make_up_is_told_is_judged_before_anything_is_built() {
    let check = |words: &[&str], port: (&str, &str)| {
        let script = cloakroom_testbed::project_root().join("scripts/check-up.sh");
        let output = Command::new(script).args(words).env(port.0, port.1).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let fine = ("CLOAKROOM_HTTP_PORT", "8095");
    for store in ["sqlite", "mysql", "mariadb", "redis"] {
        assert_eq!(check(&[store, "cloakroom"], fine), (true, String::new()));
    }
    assert_eq!(check(&["sqlite", "files"], ("CLOAKROOM_HTTP_PORT", "65535")), (true, String::new()));
    for (words, port, said) in [
        (["oracle", "cloakroom"], fine, "STORE=oracle"),
        (["sqlite", "redis"], fine, "HANDLER=redis"),
        (["sqlite", "files"], ("CLOAKROOM_HTTP_PORT", "http"), "CLOAKROOM_HTTP_PORT=http"),
        (["sqlite", "files"], ("CLOAKROOM_FPM_A_PORT", "0"), "CLOAKROOM_FPM_A_PORT=0"),
        (["sqlite", "files"], ("CLOAKROOM_DB_PORT", "65536"), "CLOAKROOM_DB_PORT=65536"),
        (["sqlite", "files"], ("CLOAKROOM_REDIS_PORT", ""), "CLOAKROOM_REDIS_PORT="),
    ] {
        let (good, text) = check(&words, port);
        assert!(!good && text.contains(said), "{words:?} {port:?}: {text}");
    }
}

#[test]
fn the_forms_of_the_page_work_and_refuse_a_foreign_one() {
    needs!("mariadbd", "php-fpm", "nginx", "wordpress");
    let up = Up::new();
    up.up(&["--handler", "files"]);
    // One server is enough here, since files on two would split the cart.
    let visitor = up.visitor();
    // The master goes first, or it would replace the workers.
    let (master, workers) = (up.pid("php-fpm-b"), workers_of(up.pid("php-fpm-b")));
    signal(master, "KILL");
    workers.into_iter().for_each(|pid| signal(pid, "KILL"));
    let answered_by_a = || visitor.get("/").is_ok_and(|page| page.body.contains("Server <strong>A</strong>"));
    wait_until("A answers", Duration::from_secs(20), answered_by_a).unwrap();

    let page = visitor.get("/").unwrap().body;
    let nonce = page.split("name=\"_wpnonce\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_string();
    let send = |fields: &[(&str, &str)]| visitor.submit("/", &[&[("_wpnonce", nonce.as_str())], fields].concat());
    assert_eq!(visitor.post("/", &[("cloakroom_demo", "add"), ("item", "1")]).unwrap().status, 403);
    assert!(send(&[("cloakroom_demo", "add"), ("item", "1")]).unwrap().body.contains("There is 1 item"));
    let before = visitor.cookie("PHPSESSID");
    let welcome = send(&[("cloakroom_demo", "login"), ("user", "<b>Ada & Co</b> \"x\"")]).unwrap().body;
    assert!(welcome.contains("You are logged in as Ada &amp; Co &quot;x&quot;."), "{welcome}");
    assert!(welcome.contains("There is 1 item"), "the log-in lost the cart");
    assert_ne!(visitor.cookie("PHPSESSID"), before, "the log-in kept the session's id");
    let farewell = send(&[("cloakroom_demo", "logout")]).unwrap().body;
    assert!(!farewell.contains("You are logged in") && farewell.contains("There are 0 items"), "{farewell}");
}

#[test]
fn a_recycled_process_number_is_never_killed() {
    let up = Up::new();
    let mut stranger = Command::new("sleep").arg("300").spawn().unwrap();
    let identity = Identity::of(stranger.id() as i32).unwrap();
    std::fs::create_dir_all(up.folder.join("run")).unwrap();
    // What a pid file says after a reboot, when the number belongs to somebody else.
    let stale = format!("{} {} 1\n", identity.pid, identity.started - 1);
    std::fs::write(up.folder.join("run/nginx.pid"), stale).unwrap();
    let (good, text) = up.run(&["down"]);
    assert!(good && text.contains("Nothing was up"), "{text}");
    assert!(identity.is_alive());
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[test]
fn a_port_that_is_taken_is_passed_by() {
    needs!("mariadbd", "php-fpm", "nginx", "wordpress");
    let up = Up::new();
    let taken = std::net::TcpListener::bind(("127.0.0.1", up.ports[0].1.number())).unwrap();
    let text = up.up(&["--handler", "files"]);
    assert!(!text.contains(&format!(":{}/", taken.local_addr().unwrap().port())), "{text}");
    let address = text.split("A and B:").nth(1).unwrap().split_whitespace().next().unwrap();
    assert_eq!(Browser::new(address).get("/").unwrap().status, 200);
}

/// The main job: one visitor, two servers, 50 clicks, and the cart is complete; on each store, one after the other.
#[test]
fn fifty_clicks_keep_the_cart_on_every_store() {
    needs!("mariadbd", "redis-server", "php-fpm", "nginx", "wordpress", "extension");
    let up = Up::new();
    for store in ["sqlite", "mysql", "redis", "sqlite"] {
        let text = up.up(&["--store", store]);
        assert!(!text.contains("mysql://cloakroom:") || text.contains("mysql://cloakroom:***@"), "{text}");
        let visitor = up.visitor();
        let (mut servers, mut cookies) = (std::collections::BTreeSet::new(), 0);
        for click in 1..=50 {
            let reply = visitor.get(&format!("/?cloakroom_demo=add&item={click}")).unwrap();
            assert!(reply.body.contains(&format!("\"count\":{click},")), "{store}, click {click}: {}", reply.body);
            servers.insert(reply.body.split('"').nth(3).unwrap().to_string());
            cookies += reply.set_cookies().iter().filter(|line| line.starts_with("PHPSESSID=")).count();
        }
        assert_eq!(servers.into_iter().collect::<String>(), "AB", "{store}");
        assert_eq!(cookies, 1, "{store}: the session's cookie was set more than once");
        let again = up.up(&["--store", store]);
        assert!(!again.contains("started"), "{again}");
    }
}

/// Restarts of everything but the machine do not cost a visitor their cart.
#[test]
fn a_cart_outlives_down_and_up_on_every_store() {
    needs!("mariadbd", "redis-server", "php-fpm", "nginx", "wordpress", "extension");
    for store in ["sqlite", "mysql", "redis"] {
        let up = Up::new();
        up.up(&["--store", store]);
        let visitor = up.visitor();
        action(&visitor, "add&item=7");
        assert!(up.run(&["down"]).0);
        up.up(&["--store", store]);
        assert!(action(&visitor, "show").contains(r#""cart":{"7":1}"#), "{store}");
    }
}

/// The demo's plugin starts a session for everyone, and its page comes out of the page cache all the same.
#[test]
fn the_demos_page_is_a_hit_until_there_is_a_cart_and_again_when_it_is_empty() {
    needs!("mariadbd", "php-fpm", "nginx", "wordpress", "extension");
    let up = Up::new();
    up.up(&[]);
    let state = |visitor: &Browser| visitor.get("/").unwrap().header("x-cache").unwrap_or_default().to_string();
    state(&up.visitor());
    let visitor = up.visitor();
    assert_eq!(state(&visitor), "HIT");
    action(&visitor, "add&item=3");
    assert_eq!(state(&visitor), "BYPASS");
    assert_eq!(state(&up.visitor()), "HIT");
    action(&visitor, "clear");
    assert_eq!(state(&visitor), "BYPASS", "the one more request");
    assert_eq!((state(&visitor).as_str(), visitor.cookie("PHPSESSID")), ("HIT", None));
}
