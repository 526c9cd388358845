//! Names of the keys in Redis. What stands in braces decides in which slot of a cluster a key is; all keys of a record,
//! and all keys of an owner, share one.

use cloakroom::store::LeaseName;
use cloakroom::{Key, Owner};

/// Names that begin with a site's prefix.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// A record: a string, the record as `wire` lays it out. The key is in hexadecimal digits, as operators see it.
    pub(super) fn record(&self, key: &Key) -> Vec<u8> {
        let mut name = Vec::with_capacity(self.prefix.len() + 66);
        name.extend_from_slice(self.prefix.as_bytes());
        name.push(b'{');
        name.extend_from_slice(&hex(key.as_bytes()));
        name.push(b'}');
        name
    }

    /// Where a large record is laid down for the moment before it takes its place; in the same slot.
    pub(super) fn laid_down(&self, key: &Key, unique: u64) -> Vec<u8> {
        [&self.record(key)[..], b":new:", &hex(&unique.to_be_bytes())].concat()
    }

    /// The key of a record's name; `None` where it is another's.
    pub(super) fn key(&self, name: &[u8]) -> Option<Key> {
        let digits = name.strip_prefix(self.prefix.as_bytes())?.strip_prefix(b"{")?.strip_suffix(b"}")?;
        // In capitals it would be another name.
        let lower = !digits.iter().any(u8::is_ascii_uppercase);
        std::str::from_utf8(digits).ok().filter(|_| lower).and_then(Key::from_hex)
    }

    /// A glob that matches the records whose keys begin with these bytes, and little else.
    pub(super) fn records(&self, key_prefix: &[u8]) -> Vec<u8> {
        let mut glob = Vec::new();
        for byte in self.prefix.bytes() {
            if b"*?[]\\^-".contains(&byte) {
                glob.push(b'\\');
            }
            glob.push(byte);
        }
        glob.push(b'{');
        glob.extend_from_slice(&hex(key_prefix));
        glob.extend_from_slice(b"*}");
        glob
    }

    /// What the names of an owner's keys begin with. The sign in front keeps the braces from being empty.
    pub(super) fn owners(&self) -> Vec<u8> {
        format!("{}owner:{{=", self.prefix).into_bytes()
    }

    /// An owner's sessions: a sorted set of keys (hexadecimal) by deadline.
    pub(super) fn sessions(&self, owner: &Owner) -> Vec<u8> {
        [&self.owners(), owner.as_bytes(), b"}:sessions"].concat()
    }

    /// An owner's tombstone.
    pub(super) fn ended(&self, owner: &Owner) -> Vec<u8> {
        [&self.owners(), owner.as_bytes(), b"}:ended"].concat()
    }

    /// A lease.
    pub(super) fn lease(&self, name: &LeaseName) -> Vec<u8> {
        [self.prefix.as_bytes(), b"lease:{", &hex(name.as_bytes()), b"}"].concat()
    }

    /// Which reports there are: a sorted set of `kind:hour` by hour.
    pub(super) fn reports(&self) -> Vec<u8> {
        format!("{}report:{{reports}}", self.prefix).into_bytes()
    }

    /// What the names of reports begin with; `kind:hour` follows.
    pub(super) fn report(&self) -> Vec<u8> {
        format!("{}report:{{reports}}:", self.prefix).into_bytes()
    }
}

/// Hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_key_and_no_other_name_does() {
        let names = Names::new("a[*]:");
        let key = Key::from_bytes(std::array::from_fn(|n| n as u8 * 7));
        let name = names.record(&key);
        assert_eq!(names.key(&name), Some(key));
        assert_eq!(names.key(&name.to_ascii_uppercase()), None);
        assert_eq!(names.key(&names.lease(&LeaseName::of(&key, b"x"))), None);
        assert_eq!(names.key(&names.reports()), None);
        assert_eq!(names.key(&names.laid_down(&key, 7)), None);
        assert_eq!(names.records(&[0xab]), b"a\\[\\*\\]:{ab*}");
    }
}
