//! URLs as people may see them: without the password.

/// Engines whose URLs name a server (`scheme://…`), and those whose URLs name a path.
const SERVERS: [&str; 8] =
    ["mysql", "postgres", "redis", "rediss", "redis+cluster", "redis+sentinel", "memcached", "tiered"];
const PATHS: [&str; 5] = ["sqlite", "memory", "redis+unix", "unix", "wordpress"];
/// Parameters whose values are no secret.
const HARMLESS: [&str; 5] = ["table", "db", "prefix", "socket", "connections"];

/// The URL as people may see it: its password, and the values of parameters not known to be harmless, are replaced by
/// `***`. What does not have the form of a store's URL may be a password alone, and is shown up to the engine's name at
/// most.
pub fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once(':') else {
        return "***".to_owned();
    };
    let (place, query) = match rest.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (rest, None),
    };
    let mut out = match (place.strip_prefix("//"), scheme) {
        (Some(place), scheme) if SERVERS.contains(&scheme) => format!("{scheme}://{}", server(place)),
        (_, scheme) if PATHS.contains(&scheme) => format!("{scheme}:{place}"),
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
    // The last @ ends the user information: a password may hold one.
    match place.rsplit_once('@') {
        Some((user_info, host)) => match user_info.split_once(':') {
            Some((user, _)) => format!("{user}:***@{host}"),
            None => format!("{user_info}@{host}"),
        },
        None => place.to_owned(),
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
        assert_eq!(masked("nonsense"), "***");
        // Typing errors that hold a password.
        assert_eq!(masked("user:secret@host/db"), "***");
        assert_eq!(masked("redis:secret@host"), "redis:***");
        assert_eq!(masked("mysql:host=localhost;dbname=x;password=secret"), "mysql:***");
        assert_eq!(masked("sqlite:/tmp/a?password=secret"), "sqlite:/tmp/a?password=***");
        assert_eq!(masked("pw:secret nonsense"), "***");
    }
}
