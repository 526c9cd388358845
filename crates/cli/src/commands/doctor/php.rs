//! What PHP's settings say: is the extension there, is it in charge, and are the settings around it safe.

use cloakroom::{KeyRing, Namespace};

use super::check::{Level, Section};
use super::fits::Trials;
use super::settings as ours;
use crate::php::{Php, Sapi, Scope, Site};
use crate::place::{self, Where};
use crate::{Surroundings, units};

/// Which PHPs there are, and which of them use Cloakroom. Where the operator names a store, it may be that of another host.
pub(super) fn overview(
    phps: &[Php],
    sites: &[Site],
    store_named: bool,
    trials: &Trials,
    around: &Surroundings,
) -> Vec<Section> {
    let mut section = Section::new("PHP on this machine");
    let mut last = String::new();
    for site in sites.iter().filter(|s| s.scope == Scope::All) {
        let handler = site.value("session.save_handler");
        let text = match (site.uses_cloakroom(), site.extension().is_some()) {
            (true, true) => format!("{} keeps its sessions with Cloakroom.", site.name),
            (true, false) => format!("{} is told to use Cloakroom, see below.", site.name),
            (false, true) => format!("{} loads Cloakroom and uses the handler {handler}, see below.", site.name),
            (false, false) => format!("{} does not use Cloakroom (session.save_handler = {handler}).", site.name),
        };
        if text != last {
            section.ok("php", text.clone());
        }
        last = text;
    }
    if !sites.iter().any(|s| s.uses_cloakroom() || s.extension().is_some()) {
        let level = if store_named { Level::Warning } else { Level::Problem };
        section.push(
            "php",
            level,
            "None of them uses Cloakroom. To a file in the folder conf.d of the PHP that serves your sites, add the lines \
             `extension=cloakroom` and `session.save_handler=cloakroom`, and restart it. If Cloakroom is set up elsewhere, \
             say where with --php-ini."
                .to_owned(),
        );
    }
    for php in phps {
        for (path, line) in &php.reading.broken {
            section.problem(
                "syntax",
                format!(
                    "{} has a syntax error in line {line}: PHP ignores the rest of the line and of the file. A value \
                     with = ; | & ( ) ! in it, such as a store's URL, must stand in double quotes.",
                    around.shown(path)
                ),
            );
        }
        for (path, line) in &php.reading.computed {
            section.problem(
                "syntax",
                format!(
                    "{}, line {line}: PHP computes a number from | & ^ ~ ! outside quotes. Put the value in double quotes.",
                    around.shown(path)
                ),
            );
        }
        for (path, error) in &php.reading.unreadable {
            section.warning(
                "readable",
                format!(
                    "{} could not be read ({error}), so what it says is missing here. Run doctor as root.",
                    path.display()
                ),
            );
        }
    }
    trials.check(sites, around, &mut section);
    vec![section]
}

/// Everything about one site. Where others use Cloakroom, one that does not may mean it so.
pub(super) fn site(site: &Site, others_use_it: bool, trials: &Trials, around: &Surroundings) -> Section {
    let title = match &site.user {
        Some(user) => format!("{} (runs as {user})", site.name),
        None => site.name.clone(),
    };
    let mut section = Section::new(title);
    if site.uses_cloakroom() || !others_use_it {
        extension(site, around, &mut section);
    }
    handler(site, others_use_it, &mut section);
    if !site.uses_cloakroom() {
        return section;
    }
    settings(site, around, &mut section);
    ours::check(site, trials, around, &mut section);
    if site.sapi != Sapi::Cli {
        ids(site, &mut section);
        cookie(site, &mut section);
        life(site, &mut section);
    }
    section
}

fn extension(site: &Site, around: &Surroundings, section: &mut Section) {
    let Some(entry) = site.extension() else {
        section.problem(
            "extension",
            "session.save_handler is cloakroom and nothing loads the extension: PHP can't start a session. Add the line \
             `extension=cloakroom` to a file in its folder conf.d and restart it.",
        );
        return;
    };
    match site.extension_file(&entry.value) {
        Some(file) if around.at(&file).is_file() => {
            section.ok("extension", format!("{} is there, loaded by {}.", file.display(), entry.origin));
        }
        Some(file) => section.problem(
            "extension",
            format!(
                "{} loads {}, which is not there: put cloakroom.so there, or write its full path after `extension=`.",
                entry.origin,
                file.display()
            ),
        ),
        None => section.warning(
            "extension",
            format!(
                "{} loads {} without its folder, and where this PHP looks is not known here: whether the file is there was \
                 not seen. Write its full path after `extension=`, or see that this PHP's `php -m` lists cloakroom.",
                entry.origin, entry.value
            ),
        ),
    }
}

fn handler(site: &Site, others_use_it: bool, section: &mut Section) {
    let origin = site.setting("session.save_handler").map_or("PHP's default", |s| s.origin.as_str());
    if site.uses_cloakroom() {
        section.ok("handler", format!("session.save_handler is cloakroom ({origin})."));
    } else if site.sapi == Sapi::Cli {
        section.ok("handler", "The command line does not use it for sessions; nothing needs it to.");
    } else if others_use_it {
        let handler = site.value("session.save_handler");
        section.warning(
            "handler",
            format!("It keeps its sessions elsewhere: session.save_handler is {handler} ({origin}). If that is not meant, set it to cloakroom."),
        );
    } else {
        section.problem(
            "handler",
            format!(
                "The extension is loaded and does nothing: session.save_handler is {} ({origin}). Set it to cloakroom; files \
                 later in the alphabet win, and what a pool sets wins over them.",
                site.value("session.save_handler")
            ),
        );
    }
}

fn settings(site: &Site, around: &Surroundings, section: &mut Section) {
    let place = place::of_site(site, around);
    match &place {
        Err(error) => section.problem("store", error.clone()),
        Ok(Where::Default(folder, _)) => {
            section.ok("store", format!("No store is named: the default one, SQLite in {}.", folder.display()));
        }
        Ok(Where::Url(_)) => section.ok("store", format!("Kept in {}.", place::shown(&place))),
    }
    if let Err(error) = KeyRing::parse(site.value("cloakroom.keys")) {
        section.problem("keys", format!("cloakroom.keys: {error}"));
    }
    if let Err(error) = Namespace::new(site.value("cloakroom.namespace")) {
        section.problem("namespace", format!("cloakroom.namespace: {error}"));
    }
    match site.value("session.serialize_handler") {
        "php" | "php_serialize" | "php_binary" => {}
        other => section.warning(
            "serializer",
            format!(
                "session.serialize_handler is {other}, which Cloakroom can't take apart: of two requests that change one \
                 session at once, the later wins whole. Set it to php_serialize."
            ),
        ),
    }
}

/// Who makes ids, and which are taken.
fn ids(site: &Site, section: &mut Section) {
    if site.value("cloakroom.strict").eq_ignore_ascii_case("php") && !site.on("session.use_strict_mode") {
        section.problem(
            "strict",
            "cloakroom.strict is php and session.use_strict_mode is off: an id that a stranger planted in a visitor's \
             browser is taken as the visitor's own. Remove cloakroom.strict, or set session.use_strict_mode=1.",
        );
    } else if !ours::refuses(site, "cloakroom.strict") {
        let which = if site.value("cloakroom.strict").eq_ignore_ascii_case("php") {
            "session.use_strict_mode is on"
        } else if site.on("session.use_strict_mode") {
            "session.use_strict_mode is on, and cloakroom.strict too"
        } else {
            "cloakroom.strict is on, whatever session.use_strict_mode says"
        };
        section.ok("strict", format!("Only ids that were issued are taken: {which}."));
    }
    let number = |name: &str| site.value(name).parse::<u64>().unwrap_or(0);
    let bits = match site.value("cloakroom.id_bits") {
        "php" => number("session.sid_length").saturating_mul(number("session.sid_bits_per_character")),
        // What is no number is refused as such.
        own => own.parse().unwrap_or(u64::MAX),
    };
    if bits < 128 {
        section.problem(
            "id",
            format!("Session ids would have {bits} random bits, and less than 128 can be guessed; PHP does not start so. Set cloakroom.id_bits=256."),
        );
    }
    let theirs = site.value("cloakroom.cookies_only").eq_ignore_ascii_case("php");
    if theirs && (!site.on("session.use_only_cookies") || site.on("session.use_trans_sid")) {
        section.problem(
            "urls",
            "Session ids may travel in addresses, from where they get into logs, bookmarks and links to other sites. Remove \
             cloakroom.cookies_only, or set session.use_only_cookies=1 and session.use_trans_sid=0.",
        );
    }
}

fn cookie(site: &Site, section: &mut Section) {
    if site.value("cloakroom.httponly").eq_ignore_ascii_case("php") && !site.on("session.cookie_httponly") {
        section.problem(
            "httponly",
            "cloakroom.httponly is php and session.cookie_httponly is off: any script in a page can read the session's \
             cookie. Remove cloakroom.httponly, or set session.cookie_httponly=1.",
        );
    } else if !ours::refuses(site, "cloakroom.httponly") {
        section.ok("httponly", "Scripts in pages can not read the cookie.");
    }
    let always = site.on("session.cookie_secure");
    let secure = always || !site.value("cloakroom.cookie_secure").eq_ignore_ascii_case("php");
    if always {
        section.ok("secure", "The cookie travels over HTTPS alone (session.cookie_secure=1).");
    } else if secure {
        section.ok(
            "secure",
            "Visitors who come by HTTPS have a cookie that travels over HTTPS alone. Where a proxy ends HTTPS, name it in \
             cloakroom.trusted_proxies.",
        );
    } else {
        section.warning(
            "secure",
            "cloakroom.cookie_secure is php and session.cookie_secure is off: the cookie also travels over plain HTTP, where others on the way can read it. If \
             the whole site is on HTTPS, set it to 1; or remove cloakroom.cookie_secure.",
        );
    }
    match site.value("session.cookie_samesite").to_ascii_lowercase().as_str() {
        "" => section.ok("samesite", "session.cookie_samesite is not set: browsers decide, and returns from payment pages work."),
        "none" if secure => section.ok(
            "samesite",
            "session.cookie_samesite is None: the cookie comes along from other sites too, by HTTPS; by plain HTTP browsers refuse it.",
        ),
        "none" => section.problem(
            "samesite",
            "session.cookie_samesite is None and session.cookie_secure is off: browsers refuse such a cookie, so nobody \
             keeps a session. Set session.cookie_secure=1, or leave samesite empty.",
        ),
        "lax" => section.warning(
            "samesite",
            "session.cookie_samesite is Lax: a visitor who comes back from a payment page by a POST comes without the cookie, \
             and finds an empty cart. Where the site takes such payments, leave it empty.",
        ),
        "strict" => section.warning(
            "samesite",
            "session.cookie_samesite is Strict: visitors who follow a link from another site or a mail, or come back from \
             paying, come without the cookie and seem logged out. Leave it empty, unless that is meant.",
        ),
        other => section.problem(
            "samesite",
            format!("session.cookie_samesite is {other:?}, which no browser knows; leave it empty, or set None, Lax or Strict."),
        ),
    }
}

/// How long sessions live, who clears away, and who starts them.
fn life(site: &Site, section: &mut Section) {
    let idle = match site.value("cloakroom.idle") {
        "" | "0" => ("session.gc_maxlifetime", site.value("session.gc_maxlifetime")),
        own => ("cloakroom.idle", own),
    };
    let seconds = idle.1.parse::<f64>().ok().filter(|s| s.is_finite() && (0.0..1e10).contains(s)).unwrap_or(0.0);
    let span = units::span(std::time::Duration::from_secs_f64(seconds));
    let absolute = match site.value("cloakroom.absolute") {
        "" | "0" => "there is no absolute deadline".to_owned(),
        own => format!("and in any case {own} s after it began"),
    };
    if seconds < 60.0 {
        section.problem(
            "expiry",
            format!("A session would end after {span} without a visit ({}); set 1440 (24 min) or more.", idle.0),
        );
    } else {
        section.ok(
            "expiry",
            format!(
                "A session ends {span} after its last use ({}); {absolute}. session.gc_probability decides nothing.",
                idle.0
            ),
        );
    }
    if site.on("session.auto_start") {
        section.warning(
            "auto_start",
            "session.auto_start is on: every page starts a session, before any code can decide. Unless the site was built on \
             it, set it to 0.",
        );
    }
    if site.value("session.cache_limiter") == "public" {
        section.warning(
            "caches",
            "session.cache_limiter is public: pages with a session may be kept by caches and shown to other visitors. Set it \
             to nocache.",
        );
    }
}
