//! The session's cookie: its name, and the attributes that PHP does not know or that belong together.
//!
//! `__Host-` and `__Secure-` are the prefixes of RFC 6265bis (section 4.1.3): browsers refuse a `__Host-` cookie unless it is
//! Secure, has Path=/ and no Domain, so a neighbouring host name can't plant one. `Partitioned` is CHIPS; PHP has it from 8.5 on.

use std::fmt::Write as _;
use std::net::IpAddr;

use sha2::{Digest, Sha256};

use crate::settings::Raw;

/// The cookie that says that this visitor's browser keeps cookies; it has no value.
pub(crate) const MARKER: &[u8] = b"cloakroom_visit";

/// What PHP calls the session's cookie where nobody has said otherwise.
const PHP_NAME: &[u8] = b"PHPSESSID";

/// A prefix of the cookie's name that tells browsers to insist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Prefix {
    /// None.
    #[default]
    None,
    /// `__Secure-`: only by HTTPS.
    Secure,
    /// `__Host-`: only by HTTPS, and from this very host.
    Host,
}

impl Prefix {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "none" => Some(Self::None),
            "secure" => Some(Self::Secure),
            "host" => Some(Self::Host),
            _ => None,
        }
    }

    fn text(self) -> &'static [u8] {
        match self {
            Self::None => b"",
            Self::Secure => b"__Secure-",
            Self::Host => b"__Host-",
        }
    }
}

/// A host whose page cache goes by cookies' names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Preset {
    /// None, or one that knows PHP's own name (WordPress VIP passes `PHPSESSID`).
    #[default]
    Php,
    /// `SESS…` and `SSESS…` of letters and digits: Pantheon, Acquia (`S?SESS[a-zA-Z0-9]*`), and what else is made for Drupal.
    Sess,
}

impl Preset {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "none" | "wpvip" => Some(Self::Php),
            "pantheon" | "acquia" => Some(Self::Sess),
            _ => None,
        }
    }
}

/// A block of addresses, such as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    address: IpAddr,
    bits: u8,
}

impl Block {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address.parse::<IpAddr>().ok()?, Some(bits.parse::<u8>().ok()?)),
            None => (text.parse::<IpAddr>().ok()?, None),
        };
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { address, bits })
    }

    fn holds(self, other: IpAddr) -> bool {
        let same = |ours: u128, theirs: u128, width: u8| {
            self.bits == 0 || ours >> (width - self.bits) == theirs >> (width - self.bits)
        };
        match (self.address, other) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => same(u32::from(ours).into(), u32::from(theirs).into(), 32),
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => same(ours.into(), theirs.into(), 128),
            _ => false,
        }
    }
}

/// Whom the site believes what they say of the visitor's connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Proxies(Vec<Block>);

impl Proxies {
    /// Addresses and blocks, separated by commas or spaces. `Err` names the one that is none.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        text.split([',', ' '])
            .filter(|item| !item.is_empty())
            .map(|item| Block::parse(item).ok_or_else(|| item.to_owned()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    fn trust(&self, peer: &[u8]) -> bool {
        let Some(peer) = std::str::from_utf8(peer).ok().and_then(|text| text.parse::<IpAddr>().ok()) else {
            return false;
        };
        // A socket that takes both families says `::ffff:10.0.0.1`.
        let peer = peer.to_canonical();
        self.0.iter().any(|block| block.holds(peer))
    }

    /// Whether the visitor came by HTTPS: to this server, or to a proxy that is trusted and says so. Where several have
    /// passed the request on, the last one's word counts, as only that one is known.
    pub(crate) fn is_https(&self, raw: &Raw<'_>) -> bool {
        let last = raw.forwarded.rsplit(|byte| *byte == b',').next().unwrap_or_default();
        raw.https || (last.trim_ascii().eq_ignore_ascii_case(b"https") && self.trust(raw.peer))
    }
}

/// What the session's cookie is to be called instead of `name`, by the site's settings.
pub(crate) fn name_instead(raw: &Raw<'_>, name: &[u8]) -> Option<Vec<u8>> {
    let (proxies, prefix, preset) = crate::settings::cookie_words(raw)?;
    let https = proxies.is_https(raw);
    let mut out = Vec::new();
    // A browser takes no cookie with a prefix by HTTP.
    if https && !name.starts_with(b"__") {
        out.extend_from_slice(prefix.text());
    }
    if preset == Preset::Sess && name == PHP_NAME && !raw.host.is_empty() {
        out.extend_from_slice(&sess(raw.host, https));
    } else {
        out.extend_from_slice(name);
    }
    (out != name).then_some(out)
}

/// `SESS` (`SSESS` by HTTPS) and 32 hexadecimal digits of the host's name, without its port.
fn sess(host: &[u8], https: bool) -> Vec<u8> {
    let host = host.to_ascii_lowercase();
    let end = host.iter().position(|byte| *byte == b':').unwrap_or(host.len());
    let mut out = String::from(if https { "SSESS" } else { "SESS" });
    for byte in &Sha256::digest(&host[..end])[..16] {
        let _infallible = write!(out, "{byte:02x}");
    }
    out.into_bytes()
}

/// A `Set-Cookie` line of the session's cookie with what its name's prefix demands and `Partitioned` where that is wished
/// for; `None` where it is so already. Browsers refuse `Partitioned` without `Secure`.
pub(crate) fn dressed(line: &[u8], partitioned: bool) -> Option<Vec<u8>> {
    let mut parts = line.split(|byte| *byte == b';');
    let pair = parts.next()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    let name = pair[colon + 1..].trim_ascii_start();
    let (host, secure) = (name.starts_with(b"__Host-"), name.starts_with(b"__Secure-"));
    let (mut has_path, mut has_secure, mut has_partitioned) = (false, false, false);
    let mut out = pair.to_vec();
    for attribute in parts {
        let text = attribute.trim_ascii();
        let what = text.split(|byte| *byte == b'=').next().unwrap_or_default().to_ascii_lowercase();
        match what.as_slice() {
            b"domain" if host => continue,
            b"path" if host => {
                has_path = true;
                out.extend_from_slice(b"; path=/");
                continue;
            }
            b"secure" => has_secure = true,
            b"partitioned" => has_partitioned = true,
            _ => {}
        }
        out.extend_from_slice(b"; ");
        out.extend_from_slice(text);
    }
    if host && !has_path {
        out.extend_from_slice(b"; path=/");
    }
    if (host || secure) && !has_secure {
        has_secure = true;
        out.extend_from_slice(b"; secure");
    }
    if partitioned && has_secure && !has_partitioned {
        out.extend_from_slice(b"; Partitioned");
    }
    (out != line).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw<'a>(peer: &'a str, forwarded: &'a str) -> Raw<'a> {
        Raw { peer: peer.as_bytes(), forwarded: forwarded.as_bytes(), ..Raw::default() }
    }

    #[test]
    fn only_a_trusted_proxys_word_makes_a_request_https() {
        let proxies = Proxies::parse("10.0.0.0/8, 2001:db8::/32 192.0.2.7").expect("addresses");
        for (peer, forwarded, https) in [
            ("10.1.2.3", "https", true),
            ("10.1.2.3", "http", false),
            ("10.1.2.3", "https, http", false),
            ("10.1.2.3", "http, HTTPS ", true),
            ("11.1.2.3", "https", false),
            ("192.0.2.7", "https", true),
            ("192.0.2.8", "https", false),
            ("2001:db8:1::9", "https", true),
            ("::ffff:10.1.2.3", "https", true),
            ("", "https", false),
            ("unix:", "https", false),
        ] {
            assert_eq!(proxies.is_https(&raw(peer, forwarded)), https, "{peer} {forwarded}");
        }
        assert!(Proxies::default().is_https(&Raw { https: true, ..Raw::default() }));
        assert_eq!(Proxies::parse("10.0.0.0/33"), Err("10.0.0.0/33".into()));
        assert_eq!(Proxies::parse("10.0.0.1, proxy"), Err("proxy".into()));
        assert!(Proxies::parse("0.0.0.0/0").expect("all").is_https(&raw("203.0.113.9", "https")));
    }

    #[test]
    fn a_prefix_gets_what_browsers_demand_of_it() {
        for (line, partitioned, out) in [
            (
                "Set-Cookie: __Host-A=x; path=/shop; domain=example.org; HttpOnly",
                false,
                Some("Set-Cookie: __Host-A=x; path=/; HttpOnly; secure"),
            ),
            ("Set-Cookie: __Host-A=x; secure", false, Some("Set-Cookie: __Host-A=x; secure; path=/")),
            ("Set-Cookie: __Host-A=x; path=/; secure", false, None),
            (
                "Set-Cookie: __Secure-A=x; path=/shop; domain=example.org",
                false,
                Some("Set-Cookie: __Secure-A=x; path=/shop; domain=example.org; secure"),
            ),
            ("Set-Cookie: A=x; path=/; secure", true, Some("Set-Cookie: A=x; path=/; secure; Partitioned")),
            ("Set-Cookie: A=x; path=/", true, None),
            ("Set-Cookie: A=x; secure; Partitioned", true, None),
        ] {
            let text = dressed(line.as_bytes(), partitioned).map(|text| String::from_utf8(text).expect("ASCII"));
            assert_eq!(text.as_deref(), out, "{line}");
        }
    }

    #[test]
    fn a_hosts_preset_names_phps_own_cookie_and_no_other() {
        assert_eq!(sess(b"Shop.Example.org:8443", true), sess(b"shop.example.org", true));
        let name = sess(b"shop.example.org", false);
        assert!(name.len() == 36 && name.starts_with(b"SESS"), "{name:?}");
        assert!(sess(b"shop.example.org", true).starts_with(b"SSESS"));
    }
}
