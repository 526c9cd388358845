//! WordPress's hooks: which fire on every request of a visitor, and when the others do.

/// They fire whenever WordPress shows a page.
const EVERY: &[&str] = &[
    "muplugins_loaded",
    "plugins_loaded",
    "sanitize_comment_cookies",
    "setup_theme",
    "after_setup_theme",
    "set_current_user",
    "init",
    "widgets_init",
    "register_sidebar",
    "wp_register_sidebar_widget",
    "wp_default_scripts",
    "wp_loaded",
    "parse_request",
    "send_headers",
    "wp_headers",
    "parse_query",
    "request",
    "query_vars",
    "pre_get_posts",
    "posts_selection",
    "wp",
    "template_redirect",
    "template_include",
    "get_header",
    "wp_enqueue_scripts",
    "wp_print_styles",
    "wp_print_scripts",
    "wp_head",
    "wp_body_open",
    "body_class",
    "get_footer",
    "wp_footer",
    "wp_print_footer_scripts",
    "shutdown",
    "determine_current_user",
    "locale",
    "woocommerce_init",
    "woocommerce_loaded",
    "before_woocommerce_init",
    "bp_init",
    "bp_loaded",
    "bbp_init",
    "rest_url",
    "option_active_plugins",
];

/// Beginnings of hooks' names, and when they fire, to be read after "only".
const AT_TIMES: &[(&str, &str)] = &[
    ("wp_ajax_", "in AJAX calls"),
    ("admin_post_", "when a form is sent to admin-post.php"),
    ("rest_", "in the REST API"),
    ("admin_", "in the admin area"),
    ("network_admin_", "in the admin area"),
    ("load-", "in the admin area"),
    ("in_admin_", "in the admin area"),
    ("current_screen", "in the admin area"),
    ("manage_", "in the admin area"),
    ("save_post", "when a post is saved"),
    ("customize_", "in the customizer"),
    ("login_", "on the log-in page"),
    ("lostpassword", "on the log-in page"),
    ("wp_login", "when somebody logs in"),
    ("authenticate", "when somebody logs in"),
    ("wp_authenticate", "when somebody logs in"),
    ("wp_logout", "when somebody logs out"),
    ("user_register", "when somebody signs up"),
    ("xmlrpc_", "in XML-RPC calls"),
    ("comment_", "with comments"),
    ("activate_", "when the plugin is activated"),
    ("deactivate_", "when the plugin is deactivated"),
    ("upgrader_", "in updates"),
];

/// When a hook fires, to be read after "only"; `None` where it is on every request.
pub(super) fn when(hook: &str) -> Option<String> {
    if EVERY.contains(&hook) {
        return None;
    }
    let known = AT_TIMES.iter().find(|(start, _)| hook.starts_with(start)).map(|(_, when)| (*when).to_owned());
    Some(known.unwrap_or_else(|| format!("when the hook {} fires", crate::out::plain(hook))))
}

#[cfg(test)]
mod tests {
    use super::when;

    #[test]
    fn hooks_are_told_by_when_they_fire() {
        assert_eq!(when("init"), None);
        assert_eq!(when("admin_init").as_deref(), Some("in the admin area"));
        assert_eq!(when("wp_ajax_nopriv_cart").as_deref(), Some("in AJAX calls"));
        assert_eq!(when("wp_login").as_deref(), Some("when somebody logs in"));
        assert_eq!(when("my_hook").as_deref(), Some("when the hook my_hook fires"));
    }
}
