//! What a cookie's name tells: a session, analytics, a content delivery network's own, or nothing.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::out::plain;

/// What a cookie is for, as far as its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It names a session or a log-in; the text says whose.
    Session(&'static str),
    /// It counts visits; the page is the same for everybody.
    Analytics,
    /// A proxy or CDN in front of the site adds it after its cache.
    Proxy,
    /// Nothing that is known here; it may well be a session.
    Other,
}

/// Names of sessions and log-ins; `*` at the end stands for anything. The first that fits counts.
const SESSIONS: &[(&str, &str)] = &[
    ("PHPSESSID", "PHP"),
    ("wp_woocommerce_session_*", "WooCommerce"),
    ("woocommerce_*", "WooCommerce"),
    ("_wp_session*", "WP Session Manager"),
    ("wp_session*", "WP Session Manager"),
    ("edd_wp_session*", "Easy Digital Downloads"),
    ("wordpress_*", "WordPress"),
    ("wp-postpass_*", "WordPress"),
    ("comment_author_*", "WordPress"),
    ("laravel_session", "Laravel"),
    ("XSRF-TOKEN", "Laravel"),
    ("ci_session*", "CodeIgniter"),
    ("CAKEPHP", "CakePHP"),
    ("PrestaShop-*", "PrestaShop"),
    ("fe_typo_user*", "TYPO3"),
    ("be_typo_user*", "TYPO3"),
    ("X-Magento-Vary", "Magento"),
    ("private_content_version", "Magento"),
    ("roundcube_sess*", "Roundcube"),
    ("phpMyAdmin*", "phpMyAdmin"),
    ("JSESSIONID", "Java"),
    ("ASP.NET_SessionId", "ASP.NET"),
    ("connect.sid", "Node.js"),
    ("MoodleSession*", "Moodle"),
    ("SimpleSAML*", "SimpleSAMLphp"),
    ("cacti*", "Cacti"),
];

const ANALYTICS: &[&str] = &[
    "_ga",
    "_ga_*",
    "_gid",
    "_gat*",
    "_gcl_*",
    "_gac_*",
    "__utm*",
    "_fbp",
    "_fbc",
    "_hj*",
    "_pk_*",
    "mtm_*",
    "matomo_*",
    "_clck",
    "_clsk",
    "ajs_*",
    "amplitude_*",
    "mp_*",
    "hubspotutk",
    "__hs*",
    "_uet*",
    "_ttp",
    "_pin_unauth",
    "_li_*",
    "optimizely*",
    "_vwo*",
    "_vis_opt_*",
    "nmstat",
    "_ym_*",
    "sbjs_*",
];

const PROXY: &[&str] = &[
    "__cf*",
    "_cfuvid",
    "cf_clearance",
    "AWSALB*",
    "AWSELB*",
    "incap_ses_*",
    "visid_incap_*",
    "nlbi_*",
    "ak_bmsc",
    "bm_*",
    "_abck",
    "BIGipServer*",
    "SERVERID",
    "TS01*",
    "ARRAffinity*",
    "GCLB",
];

/// What the cookie of this name is for.
pub fn purpose(name: &str) -> Purpose {
    // WordPress asks with it whether the browser takes cookies; every visitor of the log-in page has the same.
    if name == "wordpress_test_cookie" {
        return Purpose::Other;
    }
    let bare = name.strip_prefix("__Host-").or_else(|| name.strip_prefix("__Secure-")).unwrap_or(name);
    if let Some((_, whose)) = SESSIONS.iter().find(|(pattern, _)| fits(bare, pattern)) {
        return Purpose::Session(whose);
    }
    if drupal(bare) {
        return Purpose::Session("Drupal");
    }
    if ANALYTICS.iter().any(|pattern| fits(bare, pattern)) {
        return Purpose::Analytics;
    }
    if PROXY.iter().any(|pattern| fits(bare, pattern)) {
        return Purpose::Proxy;
    }
    // Names people give to sessions of their own: shop_session, MYSESSID, app.sid.
    let lower = bare.to_ascii_lowercase();
    if lower.contains("sess") || lower == "sid" || lower.ends_with("_sid") || lower.ends_with(".sid") {
        return Purpose::Session("an application");
    }
    Purpose::Other
}

/// `SESS` or `SSESS` and 32 hexadecimal digits.
fn drupal(name: &str) -> bool {
    let rest = name.strip_prefix("SSESS").or_else(|| name.strip_prefix("SESS"));
    rest.is_some_and(|hash| hash.len() == 32 && hash.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn fits(name: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

/// A `Set-Cookie` header without its value, which is a secret.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SetCookie {
    /// The cookie's name.
    pub name: String,
    /// Whether only HTTPS carries it.
    pub secure: bool,
    /// Whether scripts can't read it.
    pub http_only: bool,
    /// `SameSite` as it was written, if it was.
    pub same_site: Option<String>,
    /// `Domain`, if there is one.
    pub domain: Option<String>,
    /// Whether it is taken back: an empty value, or `Max-Age` of 0 or less.
    pub deleted: bool,
    /// A hash of the value, to see whether two answers carry the same one.
    pub(super) value: u64,
}

impl SetCookie {
    /// Reads a header's value. `None` where there is no name.
    pub fn parse(header: &str) -> Option<Self> {
        let mut parts = header.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        let mut cookie = Self {
            name: name.to_owned(),
            value: hasher.finish(),
            deleted: value.is_empty() || value.eq_ignore_ascii_case("deleted"),
            ..Self::default()
        };
        for part in parts {
            let (key, value) = part.split_once('=').map_or((part.trim(), ""), |(k, v)| (k.trim(), v.trim()));
            match key.to_ascii_lowercase().as_str() {
                "secure" => cookie.secure = true,
                "httponly" => cookie.http_only = true,
                "samesite" => cookie.same_site = Some(value.to_owned()),
                "domain" if !value.is_empty() => cookie.domain = Some(value.trim_start_matches('.').to_owned()),
                "max-age" => cookie.deleted |= value.parse::<i64>().is_ok_and(|age| age <= 0),
                _ => {}
            }
        }
        Some(cookie)
    }

    /// What is to be said about a session's cookie, each to be read after its name. `https` is how the page was fetched.
    pub fn advice(&self, https: bool) -> Vec<String> {
        let mut said: Vec<String> = Vec::new();
        // PHP's settings are for PHP's own cookie; what code sets by itself has its attributes from there.
        let php = matches!(purpose(&self.name), Purpose::Session("PHP"));
        let mut missing = |what: &str, setting: &str| {
            let mend = if php { format!(" Set {setting} = 1.") } else { String::new() };
            said.push(format!("{what}{mend}"));
        };
        if !self.http_only {
            missing("has no HttpOnly: a script that gets into a page can read it.", "session.cookie_httponly");
        }
        if https && !self.secure {
            missing("has no Secure: the first address without https gives it away.", "session.cookie_secure");
        }
        said.push(
            match self.same_site.as_deref().map(str::to_ascii_lowercase).as_deref() {
                None => {
                    "has no SameSite: browsers take it for Lax, some with two minutes of grace. Say what is meant: Lax; or \
                     \"None\" where a payment page sends visitors back by POST."
                }
                Some("none") if !self.secure => "has SameSite=None without Secure: browsers refuse such a cookie.",
                Some("none") => {
                    "has SameSite=None: every other site can make requests with it. Right where a payment page sends \
                     visitors back by POST, or the site is shown in frames; else Lax is safer."
                }
                Some("lax") => {
                    "has SameSite=Lax: right for most sites. Where a payment page sends visitors back by POST, they come \
                     back without their session; such a site needs \"None\" with Secure."
                }
                Some("strict") => {
                    "has SameSite=Strict: who follows a link from a mail or another site arrives without a session. Lax \
                     lets links through."
                }
                Some(_) => "has a SameSite that browsers don't know, and ignore.",
            }
            .into(),
        );
        if self.name.starts_with("__Host-") && (!self.secure || self.domain.is_some()) {
            said.push("is named __Host- but is not Secure, or has a Domain: browsers refuse it.".into());
        }
        if let Some(domain) = &self.domain {
            said.push(format!("goes to every host below {}: a weak one among them can read it.", plain(domain)));
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_cookies_are_known_by_name() {
        for name in [
            "PHPSESSID",
            "__Host-PHPSESSID",
            "SESS0123456789abcdef0123456789abcdef",
            "SSESS0123456789abcdef0123456789abcdef",
            "wp_woocommerce_session_abc",
            "_wp_session",
            "wordpress_logged_in_x",
            "shop_session",
            "MYSESSID",
            "connect.sid",
        ] {
            assert!(matches!(purpose(name), Purpose::Session(_)), "{name}");
        }
        assert_eq!(purpose("wordpress_test_cookie"), Purpose::Other);
        assert_eq!(purpose("_ga"), Purpose::Analytics);
        assert_eq!(purpose("_ga_ABC"), Purpose::Analytics);
        assert_eq!(purpose("__cf_bm"), Purpose::Proxy);
        assert_eq!(purpose("colour"), Purpose::Other);
        assert_eq!(purpose("_gallery"), Purpose::Other);
    }

    #[test]
    fn a_set_cookie_header_is_read_without_regard_to_case_and_order() {
        let cookie =
            SetCookie::parse("PHPSESSID=abc; path=/; SECURE; httponly; sameSite=Lax; Domain=.shop.test").expect("one");
        assert!(cookie.secure && cookie.http_only && !cookie.deleted);
        assert_eq!(cookie.same_site.as_deref(), Some("Lax"));
        assert_eq!(cookie.domain.as_deref(), Some("shop.test"));
        assert!(SetCookie::parse("a=; path=/").expect("one").deleted);
        assert!(SetCookie::parse("a=x; Max-Age=0").expect("one").deleted);
        assert_eq!(SetCookie::parse("no name"), None);
        assert_eq!(SetCookie::parse("=x"), None);
    }

    #[test]
    fn what_is_missing_on_a_session_cookie_is_said() {
        let bare = SetCookie::parse("PHPSESSID=x; path=/").expect("one");
        let said = bare.advice(true).join("\n");
        for word in ["HttpOnly", "no Secure", "no SameSite"] {
            assert!(said.contains(word), "{word}: {said}");
        }
        assert!(!bare.advice(false).join("\n").contains("no Secure"));
        assert!(bare.advice(true).join("\n").contains("Set session.cookie_httponly = 1."));
        let shops = SetCookie::parse("wp_woocommerce_session_x=x; path=/").expect("one").advice(true).join("\n");
        assert!(
            shops.contains("has no HttpOnly") && !shops.contains("session."),
            "PHP's settings are not for it: {shops}"
        );
        let none = SetCookie::parse("PHPSESSID=x; SameSite=None; HttpOnly").expect("one");
        assert!(none.advice(true).join("\n").contains("refuse"));
        let lax = SetCookie::parse("PHPSESSID=x; SameSite=Lax; HttpOnly; Secure").expect("one");
        assert!(lax.advice(true).join("\n").contains("payment"));
    }
}
