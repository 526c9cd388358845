//! Which site's records are meant, and whether named ones (a shop's carts) are among them. Stores know neither, so the
//! commands look at each record.

use cloakroom::store::Summary;

/// What a command looks at, beside what the store's own filter says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pick<'a> {
    /// Only of this site (`cloakroom.namespace`); the empty one is the default one.
    pub(super) namespace: Option<&'a str>,
    /// Only named records, or none of them.
    pub(super) named: Option<bool>,
}

impl Pick<'_> {
    /// Whether a record is meant.
    pub(super) fn takes(&self, record: &Summary) -> bool {
        self.of_site(record) && self.named.is_none_or(|named| record.about.named == named)
    }

    /// Whether a record is of the site that is meant.
    pub(super) fn of_site(&self, record: &Summary) -> bool {
        let Some(site) = self.namespace.map(str::as_bytes) else { return true };
        let namespace = record.about.namespace.as_slice();
        // In PHP, the namespace of a named record is the site's with its length before it, then the application's.
        let within = namespace.split_first().and_then(|(length, rest)| rest.get(..usize::from(*length)));
        namespace == site || (record.about.named && within == Some(site))
    }
}

/// ` of the site "shop"`, for sentences.
pub(super) fn of(namespace: Option<&str>) -> String {
    match namespace {
        None => String::new(),
        Some("") => " of the default site".into(),
        Some(site) => format!(" of the site \"{}\"", crate::out::plain(site)),
    }
}
