//! Every statement of a request's path, made once for the table's name and prepared once in each connection.
//!
//! What they rest on:
//! * Assignments of one statement are carried out from left to right, and see what those before them did. State 255,
//!   which is never stored, is the mark that a later assignment reads: "this row is being replaced".
//! * `LAST_INSERT_ID(n)` in an expression puts `n` into the server's reply: how a statement tells what it found.
//! * The connection asks for found rows, not changed rows: a touch that changes nothing still counts.
//! * No literal text but numbers: values are parameters.

/// The verbs that are prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Load,
    Create,
    CreateOwned,
    Swap,
    SwapOwned,
    Touch,
    End,
    Remove,
    Release,
}

/// How many there are.
pub(super) const VERBS: usize = 9;

/// Reply of a create or an end that found nothing: `LAST_INSERT_ID` was not called.
pub(super) const FRESH: u64 = 0;
/// A create took over a row past its deadline; an end made a tombstone of a live or moved record.
pub(super) const DONE: u64 = 1;
/// A create found a record; an end found an ended one.
pub(super) const THERE: u64 = 2;
/// A create or swap found its owner ended.
pub(super) const OWNER_ENDED: u64 = 3;
/// An end found a row past its deadline, which counts as nothing.
pub(super) const EXPIRED: u64 = 4;
/// The gate is missing: nothing was done.
pub(super) const NO_GATE: u64 = 5;

/// When a row may go: the earlier of its deadlines.
pub(super) const EXPIRES: &str = "LEAST(`idle`,COALESCE(`absolute`,`idle`))";

/// The fixed fields but the key, in the order in which they are bound and read.
const FIELDS: [&str; 14] = [
    "incarnation",
    "counter",
    "state",
    "kind",
    "at",
    "created",
    "touched",
    "idle",
    "absolute",
    "owner",
    "format",
    "size",
    "about",
    "envelope",
];

/// The statements, and the names of the tables.
#[derive(Debug)]
pub(super) struct Sql {
    verbs: [String; VERBS],
    /// Records, quoted.
    pub(super) records: String,
    /// Owners whose sessions were ended.
    pub(super) owners: String,
    /// Leases.
    pub(super) leases: String,
    /// Reports.
    pub(super) reports: String,
}

impl Sql {
    /// The statements for tables of this name.
    pub(super) fn new(table: &str) -> Self {
        let records = format!("`{table}`");
        let owners = format!("`{table}_owners`");
        let leases = format!("`{table}_leases`");
        let reports = format!("`{table}_reports`");
        let verbs = [
            load(&records),
            create(&records),
            create_owned(&records, &owners),
            swap(&records),
            swap_owned(&records, &owners),
            touch(&records),
            end(&records),
            format!("DELETE FROM {records} WHERE `k`=? AND `incarnation`=? AND `counter`=?"),
            format!("DELETE FROM {leases} WHERE `name`=? AND `token`=? AND `until`>?"),
        ];
        Self { verbs, records, owners, leases, reports }
    }

    /// The statement of a verb.
    pub(super) fn of(&self, verb: Verb) -> &str {
        &self.verbs[verb as usize]
    }
}

fn names(with: impl Fn(&str) -> String) -> String {
    FIELDS.iter().map(|f| with(f)).collect::<Vec<_>>().join(",")
}

/// The server's time comes along, so that the clock is measured without a trip of its own.
fn load(records: &str) -> String {
    let fields = names(|f| format!("`{f}`"));
    format!("SELECT {fields},UNIX_TIMESTAMP(NOW(3)) FROM {records} WHERE `k`=?")
}

/// Bound: key, fields, `due`; then what `replace` binds.
fn insert(records: &str) -> (String, String) {
    let fields = names(|f| format!("`{f}`"));
    let marks = names(|_| "?".to_owned());
    (format!("INSERT INTO {records} (`k`,{fields},`due`)"), format!("?,{marks},?"))
}

/// What a create does to a row that is there. Bound: now.
fn replace() -> String {
    let mut sets = vec![format!("`state`=IF({EXPIRES}<=?,255,`state`)")];
    for f in FIELDS.iter().chain(&["due"]).filter(|f| **f != "state") {
        sets.push(format!("`{f}`=IF(`state`=255,VALUES(`{f}`),`{f}`)"));
    }
    sets.push(format!(
        "`state`=IF(`state`=255,VALUES(`state`)+0*LAST_INSERT_ID({DONE}),`state`+0*LAST_INSERT_ID({THERE}))"
    ));
    sets.join(",")
}

fn create(records: &str) -> String {
    let (insert, marks) = insert(records);
    format!("{insert} VALUES ({marks}) ON DUPLICATE KEY UPDATE {}", replace())
}

/// Whether an owner was ended after this request had loaded. A locking read: it sees what was committed a moment ago,
/// and waits for an end that is being committed. Bound: owner, seen, key.
fn owner_ended(owners: &str, is_owner: &str) -> String {
    format!(
        "EXISTS(SELECT 1 FROM {owners} AS `o` WHERE `o`.`owner`={is_owner} AND `o`.`at`>=? AND (`o`.`except` IS NULL OR `o`.`except`<>?) LOCK IN SHARE MODE)"
    )
}

/// The same behind the gate, for a row that is not the owner's yet: the gate is a row that this statement shares until
/// it has committed, and that an end of any owner must have for itself while it writes its tombstone. So the tombstone
/// is either seen here, or our row is there when the end looks for it. The gate's owner is empty; joining it to the
/// owner makes every server read it first. Bound: owner, seen, key, and what `ended` binds.
fn behind_the_gate(owners: &str, ended: &str) -> String {
    let owner_ended = owner_ended(owners, "CONCAT(?,`g`.`owner`)");
    format!(
        "COALESCE((SELECT IF({owner_ended},{ended},1) FROM {owners} AS `g` WHERE `g`.`owner`='' LOCK IN SHARE MODE),LAST_INSERT_ID({NO_GATE})=0)"
    )
}

/// Bound: as `create`, with owner, seen, key, key, now in between. A record that is there answers first.
fn create_owned(records: &str, owners: &str) -> String {
    let (insert, marks) = insert(records);
    let ended =
        format!("IF(EXISTS(SELECT 1 FROM {records} WHERE `k`=? AND {EXPIRES}>?),1,LAST_INSERT_ID({OWNER_ENDED})=0)");
    let guard = behind_the_gate(owners, &ended);
    format!("{insert} SELECT {marks} FROM DUAL WHERE {guard} ON DUPLICATE KEY UPDATE {}", replace())
}

/// `due` is a lower bound of the deadline: lowered here where it must be, raised by the sweep. A swap that only moves
/// the deadline on leaves the index alone.
fn update(records: &str) -> String {
    let sets = names(|f| format!("`{f}`=?"));
    format!("UPDATE {records} SET {sets},`due`=LEAST(`due`,?) WHERE `k`=?")
}

/// Bound: fields, due, key, incarnation, counter.
fn swap(records: &str) -> String {
    format!("{} AND `incarnation`=? AND `counter`=?", update(records))
}

/// Bound: as `swap`, then owner, and twice owner, seen, key. The owner is looked up only for a row whose version matches,
/// so that a stale swap is told as stale. A row that is the owner's already needs no gate: an end waits for its lock.
fn swap_owned(records: &str, owners: &str) -> String {
    let ended = format!("LAST_INSERT_ID({OWNER_ENDED})=0");
    let known = owner_ended(owners, "?");
    let new = behind_the_gate(owners, &ended);
    format!("{} AND IF(`incarnation`=? AND `counter`=?,IF(`owner`=?,IF({known},{ended},1),{new}),0)", update(records))
}

fn touch(records: &str) -> String {
    format!(
        "UPDATE {records} SET `touched`=?,`idle`=GREATEST(`idle`,?) WHERE `k`=? AND `incarnation`=? AND `counter`=? AND `state`=0"
    )
}

/// What makes a tombstone of a row, after `state` was marked: 2 leaves it, 255 forgets what was there. Bound: nothing.
fn end(records: &str) -> String {
    let (insert, _) = insert(records);
    let mut sets = vec![format!("`state`=IF({EXPIRES}<=?,255,IF(`state`=2,2,254))")];
    for f in ["incarnation", "counter", "kind", "at", "touched", "idle", "absolute", "format", "size", "envelope"] {
        sets.push(format!("`{f}`=IF(`state`=2,`{f}`,VALUES(`{f}`))"));
    }
    for f in ["created", "owner", "about"] {
        sets.push(format!("`{f}`=IF(`state`=255,VALUES(`{f}`),`{f}`)"));
    }
    sets.push("`due`=IF(`state`=2,`due`,IF(`state`=255,VALUES(`due`),LEAST(`due`,VALUES(`due`))))".to_owned());
    sets.push(format!("`state`=2+0*LAST_INSERT_ID(IF(`state`=2,{THERE},IF(`state`=255,{EXPIRED},{DONE})))"));
    // Key, incarnation, counter, state 2, kind, at, created, touched, idle, no deadline, no owner, empty; due, now.
    format!("{insert} VALUES (?,?,?,2,?,?,?,?,?,NULL,NULL,0,0,'','',?) ON DUPLICATE KEY UPDATE {}", sets.join(","))
}
