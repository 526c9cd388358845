//! Named records from PHP: two that change one, a move, expiry, keys, and what goes wrong.

mod support;

use support::Site;

const KEY: &str = "1111111111111111111111111111111111111111111111111111111111111111";

fn site() -> Site {
    Site::new().set("cloakroom.keys", KEY)
}

#[test]
fn what_was_committed_is_there_in_the_next_request() {
    let site = site();
    site.cli("$h = cloakroom_named_open('shop:42'); var_dump(cloakroom_named_exists($h), cloakroom_named_data($h), cloakroom_named_expires($h));")
        .clean()
        .shows("bool(false)\narray(0) {\n}\nNULL\n");
    site.cli(
        "$h = cloakroom_named_open('shop:42', ['idle' => 3600]);
        echo json_encode([cloakroom_named_commit($h, ['cart' => ['tea' => 2], 7 => 1.5]), cloakroom_named_exists($h),
            cloakroom_named_data($h), abs(cloakroom_named_expires($h) - time() - 3600) < 5, cloakroom_error()]);",
    )
    .clean()
    .shows(r#"[true,true,{"cart":{"tea":2},"7":1.5},true,""]"#);
    site.cli("echo json_encode(cloakroom_named_data(cloakroom_named_open('shop:42')));")
        .clean()
        .shows(r#"{"cart":{"tea":2},"7":1.5}"#);
    // Another name and another namespace are other records.
    site.cli(
        "echo json_encode([cloakroom_named_exists(cloakroom_named_open('shop:43')),
            cloakroom_named_exists(cloakroom_named_open('shop:42', ['namespace' => 'x']))]);",
    )
    .clean()
    .shows("[false,false]");
}

#[test]
fn two_handles_on_one_name_both_keep_what_they_changed() {
    let site = site();
    site.cli("cloakroom_named_commit(cloakroom_named_open('c'), ['cart' => ['tea' => 1, 'mug' => 1], 'seen' => [1]]);")
        .clean();
    site.cli(
        "$a = cloakroom_named_open('c'); $b = cloakroom_named_open('c');
        $da = cloakroom_named_data($a); $db = cloakroom_named_data($b);
        $da['cart']['tea'] = 5; $da['cart']['a'] = 1; $da['seen'][] = 2;
        $db['cart']['b'] = 1; unset($db['cart']['mug']); $db['notices'] = ['hello']; $db['seen'][] = 3;
        echo json_encode([cloakroom_named_commit($a, $da), cloakroom_named_commit($b, $db)]), json_encode(cloakroom_named_data($b));
        $db = cloakroom_named_data($b); $db['x'] = 1; cloakroom_named_commit($b, $db);
        echo json_encode(cloakroom_named_data(cloakroom_named_open('c')));",
    )
    .clean()
    .shows(concat!(
        r#"[true,true]{"cart":{"tea":5,"a":1,"b":1},"seen":[1,2,3],"notices":["hello"]}"#,
        r#"{"cart":{"tea":5,"a":1,"b":1},"seen":[1,2,3],"notices":["hello"],"x":1}"#
    ));
}
