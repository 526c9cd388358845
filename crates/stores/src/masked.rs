//! URLs as people may see them: without the password.

/// The URL with its password, and the values of parameters that name one, replaced by `***`. What can't be taken
/// apart is shown by its scheme alone.
pub fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once(':') else {
        return "***".to_owned();
    };
    let (before_query, query) = match rest.split_once('?') {
        Some((before, query)) => (before, Some(query)),
        None => (rest, None),
    };
    let mut out = format!("{scheme}:");
    // The last @ ends the user information: a password may hold one.
    match before_query.rsplit_once('@') {
        Some((user_info, place)) => {
            let user = user_info.trim_start_matches('/').split(':').next().unwrap_or_default();
            out.push_str(if before_query.starts_with("//") { "//" } else { "" });
            out.push_str(user);
            out.push_str(if user_info.contains(':') { ":***@" } else { "@" });
            out.push_str(place);
        }
        None => out.push_str(before_query),
    }
    if let Some(query) = query {
        let shown = query.split('&').map(|pair| match pair.split_once('=') {
            Some((name, _)) if ["password", "pass", "auth", "secret", "key"].contains(&name) => format!("{name}=***"),
            _ => pair.to_owned(),
        });
        out.push('?');
        out.push_str(&shown.collect::<Vec<_>>().join("&"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn no_password_is_shown() {
        assert_eq!(masked("mysql://u:p@ss:w@h:1/db"), "mysql://u:***@h:1/db");
        assert_eq!(masked("redis://:secret@h/0?auth=x&a=b"), "redis://:***@h/0?auth=***&a=b");
        assert_eq!(masked("sqlite:/var/x.db"), "sqlite:/var/x.db");
        assert_eq!(masked("nonsense"), "***");
    }
}
