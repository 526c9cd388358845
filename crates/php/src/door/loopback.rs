//! Whether a connection that a page opens leads to its own site, where a request of the same visitor would wait for the
//! lock that this page holds.

/// What a page connects to, and what is known of its own site.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Call<'a> {
    /// `host:port`, or an address with its scheme.
    pub(crate) target: &'a [u8],
    /// `HTTP_HOST`: what the visitor asked for, who may ask for anything.
    pub(crate) http_host: &'a [u8],
    /// `SERVER_NAME`.
    pub(crate) server_name: &'a [u8],
    /// `SERVER_ADDR`.
    pub(crate) server_addr: &'a [u8],
    /// `SERVER_PORT`.
    pub(crate) server_port: &'a [u8],
    /// `session.cookie_domain`: hosts that the visitor's ticket is sent to.
    pub(crate) cookie_domain: &'a [u8],
}

impl Call<'_> {
    /// Whether it leads to this site: one of its names or addresses, or this machine, at a port where a site is served.
    /// Databases and caches on this machine have other ports.
    pub(crate) fn is_to_own_site(&self) -> bool {
        let Some((host, port)) = host_and_port(self.target) else { return false };
        let port = port.unwrap_or(80);
        let own_port = matches!(port, 80 | 443) || Some(port) == number(self.server_port);
        own_port && (is_this_machine(&host) || self.names().any(|name| name == host) || self.gets_the_cookie(&host))
    }

    fn names(&self) -> impl Iterator<Item = String> {
        [self.asked_host(), self.server_name, self.server_addr]
            .into_iter()
            .filter_map(|text| host_and_port(text).map(|(host, _)| host))
    }

    /// `HTTP_HOST` is the visitor's word: it counts only as a name, and only where the web server answers to any name
    /// (`server_name _;`). Elsewhere `SERVER_NAME` says which name it answers to.
    fn asked_host(&self) -> &[u8] {
        let any_name = self.server_name.is_empty() || self.server_name == b"_";
        let is_name = host_and_port(self.http_host).is_some_and(|(host, _)| host.parse::<std::net::IpAddr>().is_err());
        if any_name && is_name { self.http_host } else { b"" }
    }

    fn gets_the_cookie(&self, host: &str) -> bool {
        let Ok(domain) = std::str::from_utf8(self.cookie_domain) else { return false };
        let domain = domain.trim_start_matches('.').to_ascii_lowercase();
        !domain.is_empty() && host.strip_suffix(&domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

fn number(text: &[u8]) -> Option<u16> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// Host in small letters, and the port where one is named or the scheme implies it.
fn host_and_port(text: &[u8]) -> Option<(String, Option<u16>)> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let place = place.rsplit('@').next().unwrap_or_default();
    let implied = match scheme.to_ascii_lowercase().as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    let (host, port) = if let Some(six) = place.strip_prefix('[') {
        let (host, rest) = six.split_once(']')?;
        (host, rest.strip_prefix(':'))
    } else if place.matches(':').count() > 1 {
        (place, None)
    } else {
        place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port)))
    };
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if host.is_empty() {
        return None;
    }
    Some((host, port.and_then(|p| number(p.as_bytes())).or(implied)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(target: &str) -> bool {
        Call {
            target: target.as_bytes(),
            http_host: b"Shop.example:8080",
            server_name: b"Shop.example",
            server_addr: b"10.0.0.7",
            server_port: b"8081",
            cookie_domain: b"",
        }
        .is_to_own_site()
    }

    #[test]
    fn calls_of_the_own_site_are_known_by_name_address_and_port() {
        for target in [
            "http://shop.example/wp-json/",
            "https://user:x@SHOP.example./?a=b://c",
            "shop.example:443",
            "shop.example:8081",
            "10.0.0.7:80",
            "http://localhost/wp-cron.php",
            "127.0.0.1:8081",
            "[::1]:8081",
            "::1",
            "http://[::ffff:127.0.0.1]:8081",
        ] {
            assert!(own(target), "{target}");
        }
        for target in [
            "127.0.0.1:3306",
            "localhost:6379",
            "http://127.0.0.1:9200/_search",
            "https://api.example/",
            "http://shop.example.evil/",
            "http://www.shop.example/",
            "10.0.0.8:80",
            "",
            "http://",
        ] {
            assert!(!own(target), "{target}");
        }
    }

    #[test]
    fn a_visitor_can_t_name_another_site_as_this_one() {
        let call = |target: &'static str, host: &'static str, server: &'static str| {
            Call {
                target: target.as_bytes(),
                http_host: host.as_bytes(),
                server_name: server.as_bytes(),
                ..Call::default()
            }
            .is_to_own_site()
        };
        assert!(!call("192.0.2.1:443", "192.0.2.1", "_"), "an address is nobody's name");
        assert!(!call("https://api.example/", "api.example", "shop.example"));
        assert!(!call("127.0.0.1:3306", "127.0.0.1:3306", "_"), "nor is its port");
        // Where the web server answers to any name, the one that was asked for is all there is to go by.
        assert!(call("https://shop.example/", "shop.example", "_"));
        assert!(call("https://shop.example/", "shop.example", ""));
    }

    #[test]
    fn hosts_that_share_the_ticket_are_the_same_site() {
        let call = |target: &'static str| Call {
            target: target.as_bytes(),
            http_host: b"www.shop.example",
            cookie_domain: b".shop.example",
            ..Call::default()
        };
        assert!(call("https://shop.example/").is_to_own_site());
        assert!(call("https://api.shop.example/").is_to_own_site());
        assert!(!call("https://workshop.example/").is_to_own_site());
    }
}
