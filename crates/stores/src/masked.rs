//! URLs as people may see them: without the password.

/// Engines whose URLs name a server (`scheme://…`), and those whose URLs name a path.
const SERVERS: [&str; 8] =
    ["mysql", "postgres", "redis", "rediss", "redis+cluster", "redis+sentinel", "memcached", "tiered"];
const PATHS: [&str; 5] = ["sqlite", "memory", "redis+unix", "unix", "wordpress"];
/// Parameters whose values are no secret.
const HARMLESS: [&str; 6] = ["table", "db", "prefix", "socket", "connections", "config"];

/// The URL as people may see it: its password, and the values of parameters not known to be harmless, are replaced by
/// `***`. What does not have the form of a store's URL may be a password alone, and is shown up to the engine's name at
/// most.
pub fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once(':') else {
        return "***".to_owned();
    };
    // The last @ ends the user information, whatever the password holds, a question mark included.
    let host_at = rest.rfind('@').unwrap_or(0);
    let (place, query) = match rest[host_at..].find('?').map(|at| rest.split_at(host_at + at)) {
        Some((place, query)) => (place, Some(&query[1..])),
        None => (rest, None),
    };
    let mut out = match (place.strip_prefix("//"), scheme) {
        (Some(place), scheme) if SERVERS.contains(&scheme) => format!("{scheme}://{}", server(place)),
        (None, scheme) if PATHS.contains(&scheme) => format!("{scheme}:{place}"),
        (Some(path), scheme) if PATHS.contains(&scheme) && !path.contains('@') => format!("{scheme}://{path}"),
        (Some(_), scheme) if PATHS.contains(&scheme) => return format!("{scheme}:***"),
        (_, scheme) if SERVERS.contains(&scheme) => return format!("{scheme}:***"),
        _ => return "***".to_owned(),
    };
    if let Some(query) = query {
        let shown = query.split('&').map(|pair| match pair.split_once('=') {
            Some((name, _)) if HARMLESS.contains(&name) => pair.to_owned(),
            Some((name, _)) => format!("{name}=***"),
            None => "***".to_owned(),
        });
        out.push('?');
        out.push_str(&shown.collect::<Vec<_>>().join("&"));
    }
    out
}

fn server(place: &str) -> String {
    match place.rsplit_once('@') {
        Some((user_info, host)) => match user_info.split_once(':') {
            Some((user, _)) => format!("{user}:***@{}", host_of(host)),
            // Redis takes a password alone, too.
            None => format!("***@{}", host_of(host)),
        },
        None => host_of(place),
    }
}

/// Host, port and path; what stands where a port should and is no number may be a password whose host is missing.
fn host_of(place: &str) -> String {
    let (host, path) = place.split_once('/').map_or((place, ""), |(host, path)| (host, path));
    let slash = if place.contains('/') { "/" } else { "" };
    match host.rsplit_once(':') {
        Some((name, port)) if !host.starts_with('[') && !port.bytes().all(|b| b.is_ascii_digit()) => {
            format!("{name}:***")
        }
        _ => format!("{host}{slash}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn no_password_is_shown() {
        assert_eq!(masked("mysql://u:p@ss:w@h:1/db"), "mysql://u:***@h:1/db");
        assert_eq!(masked("redis://:secret@h/0?auth=x&a=b"), "redis://:***@h/0?auth=***&a=***");
        assert_eq!(masked("mysql://u:p@h/db?table=x"), "mysql://u:***@h/db?table=x");
        assert_eq!(masked("sqlite:/var/x.db"), "sqlite:/var/x.db");
        assert_eq!(masked("wordpress:/srv/a?config=/etc/b&x=y"), "wordpress:/srv/a?config=/etc/b&x=***");
        assert_eq!(masked("nonsense"), "***");
        // Typing errors that hold a password.
        assert_eq!(masked("user:secret@host/db"), "***");
        assert_eq!(masked("redis:secret@host"), "redis:***");
        assert_eq!(masked("mysql:host=localhost;dbname=x;password=secret"), "mysql:***");
        assert_eq!(masked("sqlite:/tmp/a?password=secret"), "sqlite:/tmp/a?password=***");
        assert_eq!(masked("pw:secret nonsense"), "***");
        for url in [
            "mysql://u:secret?more@h/x",
            "mysql://u:more?secret@h/x",
            "redis://:secret?more@h/0",
            "redis://secret@h/0",
            "mysql://u:secret/x",
            "sqlite://u:secret@h/x",
        ] {
            assert!(!masked(url).contains("secret"), "{url}: {}", masked(url));
        }
        assert_eq!(masked("mysql://[::1]:3306/db"), "mysql://[::1]:3306/db");
        assert_eq!(masked("sqlite:/var/a@b/x.db"), "sqlite:/var/a@b/x.db");
    }
}
