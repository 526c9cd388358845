//! A real WordPress with the demo's shop, whose plugin starts a session for everyone; two servers, sessions in MariaDB.

use cloakroom_testbed::{Browser, Mariadb, NginxOptions, PhpSettings, Reply, Wordpress, WordpressOptions, has_all};

use crate::extension;

/// Where sessions are, beside WordPress's own database.
const SESSIONS: &str = "sessions";

/// The shop.
#[derive(Debug)]
pub struct Shop {
    /// WordPress, its servers and its database.
    pub wordpress: Wordpress,
}

impl Shop {
    /// Whether this machine has what it needs; see `needs!`.
    #[track_caller]
    pub fn is_there() -> bool {
        has_all(&["mariadbd", "php-fpm", "nginx", "wordpress"])
    }

    /// One behind this web server, with these settings of PHP on top of the distribution's and Cloakroom's.
    pub fn new(nginx: NginxOptions, settings: &[(&str, &str)]) -> Self {
        let database = Mariadb::start().unwrap();
        let url = database.create_database(SESSIONS).unwrap();
        let ours = PhpSettings::new()
            .extension(extension())
            .set("session.save_handler", "cloakroom")
            .set("cloakroom.store", &url);
        let settings = settings.iter().fold(ours, |settings, (name, value)| settings.set(name, value));
        let options = WordpressOptions { settings, nginx, ..WordpressOptions::default() };
        Self { wordpress: Wordpress::start(database, &options).unwrap() }
    }

    /// How many records there are, tombstones included.
    pub fn records(&self) -> usize {
        // Before the first request that stores something there is no table.
        let count = self.wordpress.database().sql(SESSIONS, "SELECT COUNT(*) FROM cloakroom").unwrap_or_default();
        count.trim().parse().unwrap_or(0)
    }

    /// Does one of the demo's actions, such as `add&item=3`, and returns its answer in JSON.
    #[track_caller]
    pub fn act(visitor: &Browser, action: &str) -> Reply {
        let reply = visitor.get(&format!("/?cloakroom_demo={action}")).unwrap();
        assert_eq!(reply.status, 200, "{action}: {}", reply.body);
        reply
    }
}
