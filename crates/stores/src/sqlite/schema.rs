//! The tables, and the statements that every request runs. `docs/stores/sqlite.md` explains the layout.

/// "CkRm", so that a file of another application is told from ours.
pub(super) const APPLICATION_ID: i64 = 0x436b_526d;
/// Raised when a release changes the tables; a file with a higher one is left alone.
pub(super) const SCHEMA_VERSION: i64 = 1;
/// Measured: a page larger than this makes small sessions dearer, a smaller one large sessions.
pub(super) const PAGE_SIZE: u32 = 4096;

/// Makes what is missing. `sweep_at` is never later than the record's deadline and is left behind when the deadline
/// moves ahead, so that a touch or a commit rewrites one row and no index. `filler` is zeros: see [`super::rows`].
pub(super) const CREATE: &str = "
CREATE TABLE IF NOT EXISTS record(
  id INTEGER PRIMARY KEY,
  k BLOB NOT NULL,
  incarnation INTEGER NOT NULL,
  counter INTEGER NOT NULL,
  state INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  at INTEGER NOT NULL,
  created INTEGER NOT NULL,
  touched INTEGER NOT NULL,
  idle INTEGER NOT NULL,
  absolute INTEGER,
  format INTEGER NOT NULL,
  size INTEGER NOT NULL,
  owner BLOB,
  sweep_at INTEGER NOT NULL,
  about BLOB NOT NULL,
  envelope BLOB NOT NULL,
  filler BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS record_sweep ON record(sweep_at);
CREATE INDEX IF NOT EXISTS record_owner ON record(owner) WHERE owner IS NOT NULL;
CREATE TABLE IF NOT EXISTS ended_owner(
  owner BLOB PRIMARY KEY NOT NULL,
  at INTEGER NOT NULL,
  until INTEGER NOT NULL,
  except_k BLOB
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lease(
  name BLOB PRIMARY KEY NOT NULL,
  token INTEGER NOT NULL,
  host BLOB NOT NULL,
  pid INTEGER NOT NULL,
  started INTEGER NOT NULL,
  since INTEGER NOT NULL,
  until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tally(
  kind INTEGER NOT NULL,
  hour INTEGER NOT NULL,
  label TEXT NOT NULL,
  count INTEGER NOT NULL,
  sum INTEGER NOT NULL,
  sample TEXT NOT NULL,
  PRIMARY KEY(kind, hour, label)
) STRICT, WITHOUT ROWID;
";

/// Columns of a record in the order in which [`super::rows`] reads them; the envelope last.
macro_rules! columns {
    () => {
        "id,k,incarnation,counter,state,kind,at,created,touched,idle,absolute,format,size,owner,about"
    };
}

pub(super) const LOAD: &str = concat!("SELECT ", columns!(), ",envelope FROM record WHERE id=?1");
/// A record whose place was taken by a key with the same 63 bits has a negative id. There never is one, in practice.
pub(super) const LOAD_DISPLACED: &str = concat!("SELECT ", columns!(), ",envelope FROM record WHERE id<0 AND k=?1");
pub(super) const PAGE_BY_ID: &str =
    concat!("SELECT ", columns!(), " FROM record WHERE id>?1 AND id<=?2 ORDER BY id LIMIT ?3");
pub(super) const PAGE_BY_OWNER: &str =
    concat!("SELECT ", columns!(), " FROM record WHERE owner=?4 AND id>?1 AND id<=?2 ORDER BY id LIMIT ?3");

pub(super) const DISPLACED_ID: &str = "SELECT id FROM record WHERE id<0 AND k=?1";
/// What decides about a write, without the blobs.
pub(super) const FIND: &str = "\
SELECT id,incarnation,counter,min(idle,ifnull(absolute,idle)) FROM record WHERE id=?1 AND k=?2 \
UNION ALL \
SELECT id,incarnation,counter,min(idle,ifnull(absolute,idle)) FROM record WHERE id<0 AND k=?2";
pub(super) const OWNER_ENDED: &str = "SELECT 1 FROM ended_owner WHERE owner=?1 AND at>=?2 AND except_k IS NOT ?3";

macro_rules! insert {
    ($verb:literal, $key:literal) => {
        concat!(
            $verb,
            " INTO record(id,k,incarnation,counter,state,kind,at,created,touched,idle,absolute,format,size,owner,",
            "sweep_at,about,envelope,filler) VALUES(?1,",
            $key,
            ",?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,zeroblob(?18))"
        )
    };
}

/// Inserts if the place is free; the key turns NULL, which the table refuses and `OR IGNORE` passes over, where the key
/// lives elsewhere.
pub(super) const CREATE_RECORD: &str =
    insert!("INSERT OR IGNORE", "CASE WHEN EXISTS(SELECT 1 FROM record WHERE id<0 AND k=?2) THEN NULL ELSE ?2 END");
/// The same for a record with an owner: refused too where all of the owner's sessions were ended since `?19`.
pub(super) const CREATE_OWNED: &str = insert!(
    "INSERT OR IGNORE",
    "CASE WHEN EXISTS(SELECT 1 FROM record WHERE id<0 AND k=?2) \
     OR EXISTS(SELECT 1 FROM ended_owner WHERE owner=?14 AND at>=?19 AND except_k IS NOT ?2) THEN NULL ELSE ?2 END"
);
/// Writes all of a record into its place, indexes too.
pub(super) const PUT: &str = insert!("INSERT OR REPLACE", "?2");

/// The usual swap: owner as before, deadline not before `sweep_at`; so no index changes.
pub(super) const SWAP: &str = "\
UPDATE record SET incarnation=?3,counter=?4,state=?5,kind=?6,at=?7,created=?8,touched=?9,idle=?10,absolute=?11,\
format=?12,size=?13,about=?16,envelope=?17,filler=zeroblob(?18) \
WHERE id=?1 AND k=?2 AND incarnation=?19 AND counter=?20 AND owner IS ?14 AND sweep_at<=?15";
/// The same for a record with an owner.
pub(super) const SWAP_OWNED: &str = "\
UPDATE record SET incarnation=?3,counter=?4,state=?5,kind=?6,at=?7,created=?8,touched=?9,idle=?10,absolute=?11,\
format=?12,size=?13,about=?16,envelope=?17,filler=zeroblob(?18) \
WHERE id=?1 AND k=?2 AND incarnation=?19 AND counter=?20 AND owner=?14 AND sweep_at<=?15 \
AND NOT EXISTS(SELECT 1 FROM ended_owner WHERE owner=?14 AND at>=?21 AND except_k IS NOT ?2)";
pub(super) const TOUCH: &str = "\
UPDATE record SET touched=?5,idle=max(idle,?6) WHERE id=?1 AND k=?2 AND incarnation=?3 AND counter=?4 AND state=0";
pub(super) const REMOVE: &str = "DELETE FROM record WHERE id=?1 AND k=?2 AND incarnation=?3 AND counter=?4";
