//! The main job: two servers, one visitor, 50 clicks through the balancer; the cart is complete, and one cookie is set once.
//! (With the real WordPress and the demo's plugin: `crates/testbed/tests/up.rs`.)
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use cloakroom_system_tests::{Options, Rig, Store, on_each_store};
use cloakroom_testbed::needs;

/// Clicks 50 times; returns the cart as it was shown at each click, how many cookies were set, and the servers' names.
fn click(rig: &Rig) -> (Vec<Vec<String>>, usize, String) {
    let visitor = rig.visitor();
    let pages: Vec<_> = (1..=50).map(|item| visitor.cart(&format!("add=item{item}"))).collect();
    let cookies = pages.iter().map(|page| page.cookies.len()).sum();
    let servers: BTreeSet<String> = pages.iter().map(|page| page.server.clone()).collect();
    (pages.into_iter().map(|page| page.cart).collect(), cookies, servers.into_iter().collect())
}

on_each_store! {
    fn fifty_clicks_on_two_servers_fill_one_cart_and_set_one_cookie(store: Store) {
        let rig = Rig::new(store);
        let (carts, cookies, servers) = click(&rig);
        for (click, cart) in carts.iter().enumerate() {
            let expected: Vec<String> = (1..=click + 1).map(|item| format!("item{item}")).collect();
            assert_eq!(cart, &expected, "after click {}", click + 1);
        }
        assert_eq!((cookies, servers.as_str()), (1, "AB"));
        rig.assert_quiet();
    }

    fn a_hundred_visitors_at_once_see_their_own_carts(store: Store) {
        let rig = Rig::new(store);
        std::thread::scope(|scope| {
            for part in 0..10 {
                let rig = &rig;
                scope.spawn(move || {
                    for number in 0..10 {
                        let visitor = rig.visitor();
                        let items: Vec<String> = (0..3).map(|n| format!("v{part}-{number}-{n}")).collect();
                        for item in &items {
                            let page = visitor.cart(&format!("add={item}"));
                            assert!(page.saved, "{page:?}: {}", rig.site.php_logs());
                        }
                        assert_eq!(visitor.cart("").cart, items);
                    }
                });
            }
        });
        rig.assert_quiet();
    }
}

/// `extension` and `save_handler`, nothing else, on top of the distribution's php.ini.
#[test]
fn with_two_lines_in_php_ini_sessions_work_in_a_file_that_nobody_else_may_read() {
    needs!("php-fpm", "nginx");
    let rig = Rig::with(Store::Sqlite, Options { unset: true, ..Options::default() });
    let (carts, cookies, servers) = click(&rig);
    assert_eq!((carts[49].len(), cookies, servers.as_str()), (50, 1, "AB"), "{}", rig.site.php_logs());
    rig.assert_quiet();
    let place = rig.backend.file().parent().unwrap().to_path_buf();
    let entries: Vec<_> = std::fs::read_dir(&place).unwrap().map(Result::unwrap).collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert!(entries[0].file_name().to_string_lossy().starts_with("cloakroom-"), "{entries:?}");
    assert_eq!(entries[0].metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

/// That the tests above can fail: the same clicks with PHP's own files.
#[test]
fn without_cloakroom_the_same_clicks_leave_half_a_cart_on_each_server() {
    needs!("php-fpm", "nginx");
    let (carts, _, servers) = click(&Rig::with_files(2, Options::default()));
    assert_eq!((carts[49].len(), servers.as_str()), (25, "AB"));
}
