//! Site Health in a real WordPress, and pages that call their own site while a session is open. The demo's plugin starts one
//! on every request, REST and cron included.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::path::Path;
use std::time::Duration;

use cloakroom_system_tests::Shop;
use cloakroom_testbed::{Browser, Chromium, NginxOptions, has_all, project_root, wait_until};
use serde_json::Value;

/// A plugin that calls its own site with the visitor's cookies, as Site Health's checks do, while the session is open.
const CALLER: &str = r"
add_action( 'init', function () {
	if ( isset( $_GET['inner'] ) ) {
		// What the outer page has put in is there before that page ends; what is put in here is merged with it.
		$found = $_SESSION['outer'] ?? null;
		$_SESSION['inner'] = $_GET['inner'];
		wp_send_json( array( 'found' => $found, 'waited' => cloakroom_status()['waited_milliseconds'] ) );
	}
	if ( isset( $_GET['outer'] ) ) {
		$_SESSION['outer'] = $_GET['outer'];
		$locked = cloakroom_status()['locked'];
		$url    = 'rest' === $_GET['outer'] ? rest_url( 'health-test/v1/inner' ) : home_url( '/?inner=' . $_GET['outer'] );
		$reply  = wp_remote_get( $url, array( 'cookies' => wp_unslash( $_COOKIE ), 'timeout' => 20 ) );
		$_SESSION['after'] = $_GET['outer'];
		wp_send_json( array(
			'locked' => $locked,
			'inner'  => is_wp_error( $reply ) ? $reply->get_error_message() : json_decode( wp_remote_retrieve_body( $reply ), true ),
			'open'   => PHP_SESSION_ACTIVE === session_status(),
		) );
	}
	if ( isset( $_GET['all'] ) ) {
		wp_send_json( $_SESSION );
	}
}, 5 );
add_action( 'rest_api_init', function () {
	register_rest_route( 'health-test/v1', '/inner', array(
		'methods'             => 'GET',
		'permission_callback' => '__return_true',
		'callback'            => function () {
			$found = $_SESSION['outer'] ?? null;
			$_SESSION['inner'] = 'rest';
			return array( 'found' => $found, 'waited' => cloakroom_status()['waited_milliseconds'] );
		},
	) );
} );
";

fn shop(settings: &[(&str, &str)]) -> Shop {
    let shop = Shop::new(NginxOptions::default(), settings);
    shop.wordpress.link_plugin(&project_root().join("wordpress/cloakroom")).unwrap();
    shop.wordpress.activate("cloakroom/cloakroom.php").unwrap();
    shop
}

fn json(visitor: &Browser, path: &str) -> Value {
    let reply = visitor.get(path).unwrap();
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    serde_json::from_str(&reply.body).unwrap_or_else(|error| panic!("{path}: {error}: {}", reply.body))
}

/// One page calls another of its own site and waits for its answer; the inner one must be through before the outer goes on.
fn calls(settings: &[(&str, &str)], locked: bool) {
    if !Shop::is_there() {
        return;
    }
    let shop = shop(settings);
    shop.wordpress.plugin("caller", CALLER).unwrap();
    for way in ["page", "rest"] {
        let visitor = shop.wordpress.browser();
        // A new visitor's first request has nobody to call with.
        Shop::act(&visitor, "add&item=3");
        let outer = json(&visitor, &format!("/?outer={way}"));
        assert_eq!(outer["locked"], locked, "{way}: {outer}");
        // Waiting shows as a wait that was counted, or as a call that ran out of time.
        assert_eq!(outer["inner"]["waited"], 0, "{way}: {outer}");
        assert_eq!(outer["inner"]["found"], way, "stored before the call: {outer}");
        assert_eq!(outer["open"], true, "what the page does later is kept: {outer}");
        let all = json(&visitor, "/?all=1");
        assert_eq!((&all["outer"], &all["inner"], &all["after"]), (&way.into(), &way.into(), &way.into()), "{all}");
        assert_eq!(all["cart"]["3"], 1, "{all}");
    }
    assert_eq!(shop.wordpress.site().php_logs(), "");
}

#[test]
fn a_page_with_an_open_session_does_not_wait_for_its_own_site() {
    calls(&[], false);
}

/// The wait is far longer than the call may take: had the page to wait for itself, the call would end without an answer.
#[test]
fn with_locks_a_page_with_an_open_session_does_not_wait_for_its_own_site() {
    calls(&[("cloakroom.concurrency", "lock"), ("cloakroom.lock_wait", "60"), ("cloakroom.lock_lease", "120")], true);
}

/// What the screen shows: status and headline of each check.
fn checks(screen: &Chromium) -> Vec<(String, String)> {
    let script = "return Object.entries({critical: '#health-check-issues-critical', recommended: \
        '#health-check-issues-recommended', good: '#health-check-issues-good'}).flatMap(([status, place]) => \
        [...document.querySelectorAll(place + ' .health-check-accordion-heading .title')] \
        .map((title) => [status, title.innerText.trim()]));";
    serde_json::from_value(screen.run(script, &[]).unwrap()).unwrap()
}

fn log_in(shop: &Shop) -> Chromium {
    let screen = Chromium::start_with(&["--window-size=1200,3000"]).unwrap();
    screen.open(&format!("{}/wp-login.php", shop.wordpress.url())).unwrap();
    screen.fill("#user_login", "admin").unwrap();
    screen.fill("#user_pass", shop.wordpress.admin_password()).unwrap();
    screen.follow("#wp-submit").unwrap();
    screen
}

/// Opens Site Health and waits until every check of the screen, those over REST included, has answered.
fn open_health(shop: &Shop, screen: &Chromium) -> Vec<(String, String)> {
    screen.open(&format!("{}/wp-admin/site-health.php", shop.wordpress.url())).unwrap();
    wait_until("all checks have answered", Duration::from_secs(120), || {
        let done = "return document.querySelector('.site-health-progress-wrapper') !== null && \
                !document.querySelector('.site-health-progress-wrapper').classList.contains('loading') && \
                SiteHealth.site_status.async.every((check) => check.completed)";
        screen.run(done, &[]).unwrap() == Value::Bool(true)
    })
    .unwrap();
    checks(screen)
}

fn headlines<'a>(checks: &'a [(String, String)], status: &str) -> Vec<&'a str> {
    checks.iter().filter(|(of, _)| of == status).map(|(_, title)| title.as_str()).collect()
}

fn health_screen(settings: &[(&str, &str)], picture: Option<&Path>) {
    if !Shop::is_there() || !has_all(&["chromium", "chromedriver"]) {
        return;
    }
    let mut all = vec![("cloakroom.blame", "1")];
    all.extend_from_slice(settings);
    let shop = shop(&all);
    let tracker = "add_action( 'init', function () {\n\tif ( PHP_SESSION_NONE === session_status() ) {\n\
                   \t\tsession_start();\n\t}\n}, 0 );\n\
                   add_action( 'admin_footer', function () {\n\t$_SESSION['late'] = get_current_screen()->id;\n} );";
    shop.wordpress.plugin("tracker", tracker).unwrap();
    let screen = log_in(&shop);
    // The dashboard, without the news that it could not fetch.
    assert_eq!(screen.texts("#dashboard_right_now").unwrap().len(), 1);
    assert_eq!(screen.texts("#dashboard_primary").unwrap(), Vec::<String>::new());
    // A cart, so that there is a session to be open.
    screen.open(&format!("{}/?cloakroom_demo=add&item=2", shop.wordpress.url())).unwrap();
    wait_until("the plugin is counted", Duration::from_secs(60), || {
        shop.wordpress.browser().get("/").unwrap();
        // So many empty ones that the few of the administrator's own pages do not matter.
        let query = "SELECT coalesce(sum(count), 0) FROM cloakroom_reports WHERE label LIKE 'empty | plugin tracker%'";
        let seen = shop.wordpress.database().sql("sessions", query).unwrap_or_default();
        seen.trim().parse().is_ok_and(|seen: u64| seen >= 30)
    })
    .unwrap();

    let found = open_health(&shop, &screen);
    let ours = |titles: Vec<&str>| -> Vec<String> {
        titles.into_iter().filter(|title| title.to_lowercase().contains("session")).map(String::from).collect()
    };
    assert_eq!(ours(headlines(&found, "critical")), Vec::<String>::new(), "{found:?}");
    // The demo's plugin leaves out what can only fail without the Internet.
    for offline in ["WordPress.org", "HTTP requests", "ackground updates"] {
        assert!(!found.iter().any(|(_, title)| title.contains(offline)), "{offline}: {found:?}");
    }
    let good = headlines(&found, "good");
    for wanted in [
        "Cloakroom keeps this site's sessions",
        "Sessions can be stored",
        "A PHP session is open on this page, and nothing waits for it",
        "The REST API is available",
        "Your site can perform loopback requests",
    ] {
        assert!(good.contains(&wanted), "{wanted}: {found:?}");
    }
    assert!(
        headlines(&found, "recommended").contains(&"Sessions are started that nobody uses"),
        "the plugin that starts sessions for nothing: {found:?}"
    );
    let advice = screen.html().unwrap();
    assert!(advice.contains("plugin tracker") && advice.contains("wp-content/plugins/tracker/tracker.php:"), "blame");
    if let Some(picture) = picture {
        screen
            .run(
                "document.querySelectorAll('.health-check-accordion-trigger').forEach((button) => { \
                 if (/session/i.test(button.innerText)) button.click(); }); \
                 document.querySelector('.site-health-view-passed')?.click();",
                &[],
            )
            .unwrap();
        screen.screenshot(picture).unwrap();
    }
    // For the checks the session was closed; for the rest of the page it was open again.
    shop.wordpress
        .plugin(
            "all",
            "add_action( 'init', function () {\n\tisset( $_GET['all'] ) && wp_send_json( $_SESSION );\n}, 9 );",
        )
        .unwrap();
    screen.open(&format!("{}/?all=1", shop.wordpress.url())).unwrap();
    let all: Value = serde_json::from_str(&screen.text("body").unwrap()).unwrap();
    assert_eq!((&all["cart"]["2"], &all["late"]), (&1.into(), &"site-health".into()), "{all}");

    screen.open(&format!("{}/wp-admin/site-health.php?tab=debug", shop.wordpress.url())).unwrap();
    let facts = screen.property("#health-check-accordion-block-cloakroom", "textContent").unwrap();
    let facts = facts.as_str().unwrap();
    assert!(facts.contains("MariaDB") && facts.contains("cloakroom.concurrency"), "{facts}");
    assert!(!facts.contains(shop.wordpress.database().password()), "{facts}");
    let logs = shop.wordpress.site().php_logs();
    // The screen asks WordPress.org, which this site may not.
    let complaints: Vec<&str> = logs.lines().filter(|line| !line.contains("connection to WordPress.org")).collect();
    assert_eq!(complaints, Vec::<&str>::new());
}

#[test]
fn site_health_says_what_is_true_and_has_no_critical_finding() {
    let folder = std::env::var_os("CLOAKROOM_SCREENS").map(|folder| Path::new(&folder).join("site-health.png"));
    health_screen(&[], folder.as_deref());
}

#[test]
fn with_locks_site_health_waits_for_nothing_and_has_no_critical_finding() {
    health_screen(
        &[("cloakroom.concurrency", "lock"), ("cloakroom.lock_wait", "60"), ("cloakroom.lock_lease", "120")],
        None,
    );
}

/// The plugin without the extension: the site works as before, WordPress's own check is untouched, and ours says which line.
#[test]
fn without_the_extension_site_health_says_which_line_is_missing() {
    if !Shop::is_there() {
        return;
    }
    let shop = Shop::new(NginxOptions::default(), &[("session.save_handler", "files")]);
    shop.wordpress.link_plugin(&project_root().join("wordpress/cloakroom")).unwrap();
    shop.wordpress.activate("cloakroom/cloakroom.php").unwrap();
    let admin = shop.wordpress.browser();
    admin.get("/wp-login.php").unwrap();
    let form = [("log", "admin"), ("pwd", shop.wordpress.admin_password()), ("testcookie", "1")];
    assert_eq!(admin.post("/wp-login.php", &form).unwrap().status, 302);
    let page = admin.get("/wp-admin/site-health.php").unwrap();
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains("Cloakroom does not keep this site"), "{}", page.body);
    assert!(page.body.contains("session.save_handler=cloakroom"), "{}", page.body);
    assert!(page.body.contains("An active PHP session was detected"), "{}", page.body);
}
