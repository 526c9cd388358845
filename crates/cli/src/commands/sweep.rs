//! `cloakroom sweep`.

use serde::Serialize;

use crate::desk::Desk;
use crate::out::Out;
use crate::{Failure, Outcome, units};

/// Records removed at a time: short enough that no request waits.
const BATCH: u32 = 200;

#[derive(Debug, Serialize)]
struct SweepJson {
    removed: u64,
    more: bool,
}

pub(super) fn run(desk: &Desk, limit: Option<u64>, out: &mut Out<'_>) -> Result<Outcome, Failure> {
    let (mut removed, mut more) = (0, true);
    while more && limit.is_none_or(|limit| removed < limit) {
        let room = limit.map_or(BATCH, |limit| u32::try_from(limit - removed).unwrap_or(BATCH).min(BATCH));
        let swept = desk.wait(desk.engine.sweep(desk.budget(), room)).map_err(|error| {
            let failure = Failure::from(error);
            if removed == 0 {
                return failure;
            }
            Failure {
                text: format!("{} Removed before that: {}.", failure.text, units::counted(removed, "record")),
                ..failure
            }
        })?;
        removed += swept.removed;
        more = swept.more;
    }
    if out.json {
        out.document(&SweepJson { removed, more })?;
    } else {
        let rest = if more { " There may be more; run it again." } else { "" };
        match removed {
            0 => out.prose(&format!("Nothing had expired.{rest}"))?,
            n => out.prose(&format!("Removed {}.{rest}", units::counted(n, "expired record")))?,
        }
    }
    Ok(Outcome::Fine)
}
