//! Sweeping and counting: work that grows with the store, cut into pieces that hold the lock for a moment each.

use std::time::Duration;

use cloakroom::store::{Counts, Swept, TALLY_HOURS};
use cloakroom::{Budget, Time};
use rusqlite::{Connection, Result, params};

use super::rows::time;
use super::verbs::transaction;

/// The most records of one sweep.
const SWEEP_MOST: u32 = 200;
/// Records of one transaction of a sweep: a third of a millisecond.
const SWEEP_PIECE: usize = 25;
/// Between two pieces, so that those who wait for the lock get it.
const SWEEP_GAP: Duration = Duration::from_micros(200);
/// Rows that a count reads at once.
const COUNT_PIECE: u32 = 4000;

/// Removes what is past its deadline, oldest first. A record whose deadline has moved ahead since its place in the index
/// was set gets a new place instead: that is the price of leaving the index alone at every commit.
pub(super) fn sweep(db: &Connection, now: Time, limit: u32, budget: Budget) -> Result<Swept> {
    let limit = limit.min(SWEEP_MOST);
    let due: Vec<i64> = {
        let mut stmt = db.prepare_cached("SELECT id FROM record WHERE sweep_at<=?1 ORDER BY sweep_at LIMIT ?2")?;
        stmt.query_map(params![time(now), limit], |row| row.get(0))?.collect::<Result<_>>()?
    };
    let mut swept = Swept { removed: 0, more: due.len() == limit as usize };
    for (n, piece) in due.chunks(SWEEP_PIECE).enumerate() {
        if n > 0 {
            std::thread::sleep(SWEEP_GAP);
        }
        if budget.is_spent() {
            swept.more = true;
            return Ok(swept);
        }
        swept.removed += transaction(db, |db| sweep_piece(db, now, piece))?;
    }
    sweep_others(db, now, limit)?;
    Ok(swept)
}

fn sweep_piece(db: &Connection, now: Time, ids: &[i64]) -> Result<u64> {
    let mut delete = db.prepare_cached("DELETE FROM record WHERE id=?1 AND min(idle,ifnull(absolute,idle))<=?2")?;
    let mut move_on = db.prepare_cached("UPDATE record SET sweep_at=min(idle,ifnull(absolute,idle)) WHERE id=?1")?;
    let mut removed = 0;
    for id in ids {
        if delete.execute(params![id, time(now)])? == 1 {
            removed += 1;
        } else {
            move_on.execute([id])?;
        }
    }
    Ok(removed)
}

/// Leases, owner tombstones and counters that have run out. Looks before it takes the write lock.
fn sweep_others(db: &Connection, now: Time, limit: u32) -> Result<()> {
    let oldest = i64::try_from(now.seconds() / 3600).unwrap_or(i64::MAX).saturating_sub(i64::from(TALLY_HOURS));
    let run_out = [
        ("lease", "name", "until<=?1", time(now)),
        ("ended_owner", "owner", "until<=?1", time(now)),
        ("tally", "(kind,hour,label)", "hour<?1", oldest),
    ];
    for (table, key, condition, bound) in run_out {
        let any = format!("SELECT 1 FROM {table} WHERE {condition} LIMIT 1");
        if !db.prepare_cached(&any)?.exists([bound])? {
            continue;
        }
        let columns = key.trim_matches(['(', ')']);
        let sql =
            format!("DELETE FROM {table} WHERE {key} IN (SELECT {columns} FROM {table} WHERE {condition} LIMIT ?2)");
        db.prepare_cached(&sql)?.execute(params![bound, limit])?;
    }
    Ok(())
}

/// Counts row by row. Ids are spread evenly, so where the budget ends first, what was counted in the part that was read
/// tells what the whole holds.
pub(super) fn count(db: &Connection, now: Time, budget: Budget) -> Result<Counts> {
    let reserve = budget.left() / 5;
    let mut counts = Counts::default();
    let mut after = i64::MIN;
    let mut stmt = db.prepare_cached(
        "SELECT id,state,owner IS NOT NULL,size,min(idle,ifnull(absolute,idle))>?2 FROM record WHERE id>?1 ORDER BY id LIMIT ?3",
    )?;
    loop {
        let mut rows = stmt.query(params![after, time(now), COUNT_PIECE])?;
        let mut read = 0;
        while let Some(row) = rows.next()? {
            read += 1;
            after = row.get(0)?;
            if !row.get::<_, bool>(4)? {
                continue;
            }
            match row.get::<_, i64>(1)? {
                0 => {
                    counts.live += 1;
                    counts.owned += u64::from(row.get::<_, bool>(2)?);
                    counts.bytes += u64::try_from(row.get::<_, i64>(3)?).unwrap_or(0);
                }
                1 => counts.moved += 1,
                2 => counts.ended += 1,
                _ => {}
            }
        }
        if read < COUNT_PIECE {
            return Ok(counts);
        }
        if budget.left() <= reserve {
            return Ok(extrapolated(counts, after));
        }
    }
}

/// `counts` of all records up to the id `reached`, taken as a sample of the whole.
fn extrapolated(counts: Counts, reached: i64) -> Counts {
    let reached = u128::try_from(reached).unwrap_or(0).max(1);
    let whole = |part: u64| {
        u64::try_from(u128::from(part).saturating_mul(i64::MAX.cast_unsigned().into()) / reached).unwrap_or(u64::MAX)
    };
    Counts {
        live: whole(counts.live),
        owned: whole(counts.owned),
        moved: whole(counts.moved),
        ended: whole(counts.ended),
        bytes: whole(counts.bytes),
        estimate: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_cut_short_tells_of_the_whole() {
        let part = Counts { live: 1000, owned: 10, moved: 0, ended: 4, bytes: 1 << 40, estimate: true };
        let whole = extrapolated(part, i64::MAX / 4);
        assert_eq!((whole.live, whole.owned, whole.moved, whole.ended), (4000, 40, 0, 16));
        assert_eq!(extrapolated(part, i64::MAX), part);
    }
}
