//! Tagged fields: one byte tag, three bytes length (big-endian), content. A reader skips and keeps tags it does not know.

use crate::key::Key;
use crate::record::{About, TRAIL_KEPT};
use crate::version::{CommitId, CommitLog};
use crate::wire::Damaged;

const COMMITS: u8 = 1;
const TRAIL: u8 = 2;
const DEVICE: u8 = 3;
const ADDRESS: u8 = 4;
const NAMESPACE: u8 = 5;
const NAMED: u8 = 6;
const ASKED: u8 = 7;

impl About {
    /// The tagged fields as bytes; see `docs/format.md`.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8 + 8 * self.commits.ids().len() + 36 * self.trail.len());
        if !self.commits.ids().is_empty() {
            let ids = self.commits.ids().iter().flat_map(|c| c.0.to_be_bytes());
            field(&mut out, COMMITS, 8 * self.commits.ids().len(), ids);
        }
        if !self.trail.is_empty() {
            let kept = &self.trail[..self.trail.len().min(TRAIL_KEPT)];
            field(&mut out, TRAIL, 32 * kept.len(), kept.iter().flat_map(|k| *k.as_bytes()));
        }
        for (tag, text) in [(DEVICE, &self.device), (ADDRESS, &self.address)] {
            if let Some(text) = text {
                field(&mut out, tag, text.len(), text.bytes());
            }
        }
        if !self.namespace.is_empty() {
            field(&mut out, NAMESPACE, self.namespace.len(), self.namespace.iter().copied());
        }
        if self.named {
            field(&mut out, NAMED, 0, std::iter::empty());
        }
        if self.asked {
            field(&mut out, ASKED, 0, std::iter::empty());
        }
        for (tag, content) in &self.unknown {
            field(&mut out, *tag, content.len(), content.iter().copied());
        }
        out
    }

    /// Reads tagged fields.
    ///
    /// # Errors
    /// [`Damaged`] where lengths do not fit or a known field is malformed.
    pub fn decode(mut bytes: &[u8]) -> Result<Self, Damaged> {
        let mut about = About::default();
        while let Some((head, rest)) = bytes.split_first_chunk::<4>() {
            let len =
                usize::try_from(u32::from_be_bytes([0, head[1], head[2], head[3]])).map_err(|_| Damaged::Field)?;
            let content = rest.get(..len).ok_or(Damaged::Field)?;
            bytes = &rest[len..];
            match head[0] {
                COMMITS => {
                    let (ids, odd) = content.as_chunks::<8>();
                    if !odd.is_empty() {
                        return Err(Damaged::Field);
                    }
                    about.commits = CommitLog::from_ids(ids.iter().map(|id| CommitId(u64::from_be_bytes(*id))));
                }
                TRAIL => {
                    let (keys, odd) = content.as_chunks::<32>();
                    if !odd.is_empty() || keys.len() > TRAIL_KEPT {
                        return Err(Damaged::Field);
                    }
                    about.trail = keys.iter().map(|k| Key::from_bytes(*k)).collect();
                }
                DEVICE => about.device = Some(String::from_utf8_lossy(content).into_owned()),
                ADDRESS => about.address = Some(String::from_utf8_lossy(content).into_owned()),
                NAMESPACE => about.namespace = content.to_vec(),
                NAMED => about.named = true,
                ASKED => about.asked = true,
                tag => about.unknown.push((tag, content.to_vec())),
            }
        }
        if bytes.is_empty() { Ok(about) } else { Err(Damaged::Field) }
    }
}

fn field(out: &mut Vec<u8>, tag: u8, len: usize, content: impl Iterator<Item = u8>) {
    // Fields are bounded far below 16 MiB: 16 commits, 16 keys, short texts, and what a decoder took from such a field.
    let len = u32::try_from(len).unwrap_or(0x00ff_ffff).to_be_bytes();
    out.extend_from_slice(&[tag, len[1], len[2], len[3]]);
    out.extend(content);
}
