//! A reply cut after the server applied a commit: applied once. A request that never reached it: once or not at all, and the
//! page says which.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::sync::atomic::{AtomicUsize, Ordering};

use cloakroom_system_tests::{Options, Rig, Store, on_each_server};

fn rig(store: Store) -> Rig {
    Rig::with(store, Options { proxied: true, ..Options::default() }.one_worker())
}

/// Whether these bytes to the server are a write of a whole record: a load, a touch and a greeting are shorter.
fn is_write(store: Store) -> impl Fn(&[u8]) -> bool + Send + 'static {
    move |request| match store {
        // COM_STMT_EXECUTE
        Store::Mysql => request.len() > 250 && request.get(4) == Some(&0x17),
        _ => {
            request.len() > 200
                && [&b"EVALSHA"[..], b"SET"].iter().any(|verb| request.windows(verb.len()).any(|w| w == *verb))
        }
    }
}

on_each_server! {
    fn a_commit_whose_reply_is_lost_is_applied_once(store: Store) {
        let rig = rig(store);
        let visitor = rig.visitor();
        visitor.fill(&["first", "second"]);
        let mut expected = vec!["first".to_string(), "second".into()];
        for round in 0..20 {
            rig.proxy().swallow_reply_where(is_write(store));
            let page = visitor.cart(&format!("add=item{round}"));
            expected.push(format!("item{round}"));
            assert_eq!(rig.proxy().sprung(), round + 1, "no reply was lost: this test has shown nothing");
            assert_eq!((page.saved, page.state.as_str()), (true, "live"), "{page:?}: {}", rig.site.php_logs());
            assert_eq!(visitor.cart("").cart, expected);
        }
    }

    fn a_session_whose_creation_was_not_confirmed_is_there(store: Store) {
        let rig = rig(store);
        rig.visitor().fill(&["warm"]);
        for round in 0..5 {
            rig.proxy().swallow_reply_where(is_write(store));
            let visitor = rig.visitor();
            let page = visitor.cart("add=hat");
            assert_eq!(rig.proxy().sprung(), round + 1);
            assert!(page.saved && page.cookies.len() == 1, "{page:?}: {}", rig.site.php_logs());
            assert_eq!(visitor.cart("").cart, ["hat"]);
        }
    }

    fn a_rotation_whose_replies_are_lost_keeps_cart_and_user(store: Store) {
        let rig = rig(store);
        let visitor = rig.visitor();
        visitor.fill(&["hat", "scarf"]);
        for (round, lost) in [1_usize, 2, 1, 2].into_iter().enumerate() {
            // The successor is made first, then the old record moves: each of the two replies in turn.
            let (is_write, seen) = (is_write(store), AtomicUsize::new(0));
            rig.proxy().swallow_reply_where(move |request| {
                is_write(request) && seen.fetch_add(1, Ordering::SeqCst) + 1 == lost
            });
            let before = visitor.ticket();
            let page = visitor.cart("rotate=true&login=ada");
            assert_eq!(rig.proxy().sprung(), round as u64 + 1);
            assert!(page.saved, "{page:?}: {}", rig.site.php_logs());
            assert_ne!(visitor.ticket(), before);
            let page = visitor.cart("");
            assert_eq!((page.cart, page.user.as_deref()), (vec!["hat".into(), "scarf".into()], Some("ada")));
        }
    }

    fn a_log_out_whose_reply_is_lost_stands(store: Store) {
        let rig = rig(store);
        let visitor = rig.visitor();
        visitor.fill(&["hat", "scarf"]);
        let ticket = visitor.ticket();
        // The page loads, then ends: the second request.
        let seen = AtomicUsize::new(0);
        rig.proxy().swallow_reply_where(move |_| seen.fetch_add(1, Ordering::SeqCst) == 1);
        let page = visitor.cart("logout=1");
        assert_eq!(rig.proxy().sprung(), 1);
        assert!(page.saved, "{page:?}: {}", rig.site.php_logs());
        visitor.hold(&ticket);
        let page = visitor.cart("");
        assert_eq!(page.cart, Vec::<String>::new());
    }

    fn a_commit_that_never_arrived_is_applied_once_or_not_at_all_as_the_page_says(store: Store) {
        let rig = rig(store);
        let visitor = rig.visitor();
        visitor.fill(&["first", "second"]);
        let mut expected = visitor.cart("").cart;
        for round in 0..10 {
            rig.proxy().lose_request_where(is_write(store));
            let page = visitor.cart(&format!("add=item{round}"));
            assert_eq!(rig.proxy().sprung(), round + 1);
            if page.saved {
                expected.push(format!("item{round}"));
            }
            assert_eq!(visitor.live_cart().cart, expected, "{page:?}");
        }
    }
}
