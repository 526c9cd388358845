//! The requests that are combined: what each does with its session, as a PHP page would.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloakroom::{Budget, Committed, EndKind, Engine, EngineError, Lifetime, Opening, Owner, Session, SessionId};

use super::gate::{Gate, Shared, Verb};
use super::history::{How, Kind, Left, Op, Told};
use super::payload::{Edit, LIST, Vars};

pub(crate) const PHP: u8 = 1;
/// Who is, or becomes, logged in.
pub(crate) const OWNER: &str = "site:42";

/// A request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Page {
    /// `$_SESSION['x'] = …`
    WriteX,
    WriteY,
    /// `$_SESSION['list'][] = …`
    Append,
    /// `unset($_SESSION['user'])`
    UnsetUser,
    /// A write to what another may unset.
    WriteUser,
    /// A log-in: owner, rotation, and writes before and after.
    LogIn,
    /// A rotation that changes nothing else, and a write.
    Rotate,
    /// `session_destroy()`
    Destroy,
    /// `$_SESSION = []`, then the rotation.
    EmptyThenRotate,
    /// The rotation, then `$_SESSION = []`.
    RotateThenEmpty,
    Read,
    /// Closes the session and goes on writing.
    WriteTwice,
    /// Reads, writes, rotates and writes with the oldest id there is.
    Attack,
    /// Opens and rotates with the oldest id, twice.
    AttackAgain,
    /// An operator ends all sessions of the owner.
    EndOwner,
    /// An operator ends the session by its key.
    EndKey,
}

impl Page {
    pub(crate) const ALL: [Page; 16] = [
        Page::WriteX,
        Page::WriteY,
        Page::Append,
        Page::UnsetUser,
        Page::WriteUser,
        Page::LogIn,
        Page::Rotate,
        Page::Destroy,
        Page::EmptyThenRotate,
        Page::RotateThenEmpty,
        Page::Read,
        Page::WriteTwice,
        Page::Attack,
        Page::AttackAgain,
        Page::EndOwner,
        Page::EndKey,
    ];

    pub(crate) fn attacks(self) -> bool {
        matches!(self, Page::Attack | Page::AttackAgain)
    }

    pub(crate) fn sets_owner(self) -> bool {
        matches!(self, Page::LogIn | Page::EmptyThenRotate | Page::RotateThenEmpty)
    }

    /// Takes variables away where it rotates.
    pub(crate) fn empties(self) -> bool {
        matches!(self, Page::EmptyThenRotate | Page::RotateThenEmpty)
    }
}

/// What one request needs.
#[derive(Clone)]
pub(crate) struct Visit {
    pub(crate) who: usize,
    pub(crate) page: Page,
    pub(crate) engine: Arc<Engine>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) shared: Arc<Mutex<Shared>>,
    pub(crate) lifetime: Lifetime,
    /// Index of the id in its cookie, of the one that it rotates to, and of the one it gets where its cookie opens nothing.
    pub(crate) cookie: usize,
    pub(crate) rotates_to: usize,
    pub(crate) fresh: usize,
    /// How often this client has come before.
    pub(crate) round: u32,
}

pub(crate) fn budget() -> Budget {
    // Real time must decide nothing here.
    Budget::of(Duration::from_secs(86_400))
}

/// A request under way.
struct Visitor {
    visit: Visit,
    session: Session,
    vars: Vars,
    unsaved: Vec<Edit>,
    sets_owner: Option<Option<&'static str>>,
    edits: u32,
}

impl Visit {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn id(&self, index: usize) -> SessionId {
        self.lock().ids[index].1.clone()
    }

    fn index(&self, session: &Session) -> usize {
        self.lock().index(session.key())
    }

    fn begin(&self, op: Op) -> usize {
        let mut shared = self.lock();
        shared.log.ops.push(op);
        let index = shared.log.ops.len() - 1;
        shared.slots[self.who].op = Some(index);
        index
    }

    fn finish(&self, op: usize, to: usize, told: Told) {
        let mut shared = self.lock();
        let seq = shared.log.tick();
        let op = &mut shared.log.ops[op];
        (op.to, op.told) = (to, Some(told));
        op.start.get_or_insert(seq);
        op.end = Some(seq);
    }

    fn op(&self, kind: Kind, from: usize) -> Op {
        Op {
            who: self.who,
            kind,
            start: None,
            end: None,
            from,
            to: from,
            target: None,
            edits: Vec::new(),
            sets_owner: None,
            live: false,
            told: None,
        }
    }

    fn left(&self, left: Left) {
        let mut shared = self.lock();
        let seq = shared.log.tick();
        shared.log.left[self.who] = Some(Left { seq, ..left });
    }

    async fn open(self) -> Visitor {
        let op = self.begin(self.op(Kind::Open, self.cookie));
        let cookie = self.id(self.cookie);
        let (how, session) = match self.engine.open(budget(), &cookie, self.lifetime).await {
            Opening::Live(session) => (How::Live, session),
            Opening::Follow(session) => (How::Follow, session),
            Opening::Frozen(session) => (How::Frozen, session),
            Opening::Detached(session, _) => (How::Detached, session),
            Opening::Absent(why) => (How::Absent(why), self.engine.fresh(self.id(self.fresh), self.lifetime)),
        };
        let vars = Vars::decode(session.payload());
        let owner = session.owner().map(ToString::to_string);
        let to = self.index(&session);
        self.finish(op, to, Told::Opened { how, vars: vars.clone(), owner });
        Visitor { visit: self, session, vars, unsaved: Vec::new(), sets_owner: None, edits: 0 }
    }

    /// Runs the page to its end.
    pub(crate) async fn run(self) {
        match self.page {
            Page::EndOwner => self.end_owner().await,
            Page::EndKey => self.end_key().await,
            Page::AttackAgain => {
                let again = Visit { rotates_to: self.rotates_to + 1, round: 1, ..self.clone() };
                for visit in [self, again] {
                    let mut visitor = visit.open().await;
                    visitor.rotate().await;
                    visitor.set("evil");
                    visitor.save().await;
                    visitor.leave();
                }
            }
            page => {
                let mut visitor = self.open().await;
                visitor.show(page).await;
                visitor.leave();
            }
        }
    }

    async fn end_owner(&self) {
        let op = self.begin(self.op(Kind::EndOwner, self.cookie));
        let owner = Owner::new(OWNER).expect("short");
        let told = match self.engine.end_owner(budget(), &owner, None).await {
            Ok(_) => Told::Ended,
            Err(error) => failed(&error),
        };
        self.finish(op, self.cookie, told);
    }

    async fn end_key(&self) {
        let op = self.begin(Op { live: true, ..self.op(Kind::End, self.cookie) });
        let key = self.lock().ids[self.cookie].2;
        let told = match self.engine.end_key(budget(), &key, EndKind::Operator).await {
            Ok(true) => Told::Ended,
            Ok(false) => Told::Committed(Committed::Nothing),
            Err(error) => failed(&error),
        };
        self.finish(op, self.cookie, told);
    }
}

fn failed(error: &EngineError) -> Told {
    Told::Failed { unknown: matches!(error, EngineError::OutcomeUnknown(_)), text: error.to_string() }
}

impl Visitor {
    async fn show(&mut self, page: Page) {
        match page {
            Page::WriteX => self.set("x"),
            Page::WriteY => self.set("y"),
            Page::Append => self.append(),
            Page::UnsetUser => self.edit(Edit::Remove("user".into())),
            Page::WriteUser => {
                if self.vars.get("user").is_some() {
                    self.set("user");
                }
            }
            Page::LogIn => {
                self.set_owner(Some(OWNER));
                self.set("user");
                self.rotate().await;
                self.set("x");
            }
            Page::Rotate => {
                self.rotate().await;
                self.set("y");
            }
            Page::Destroy => return self.end().await,
            Page::EmptyThenRotate => {
                self.set_owner(None);
                self.clear();
                self.rotate().await;
            }
            Page::RotateThenEmpty => {
                self.rotate().await;
                self.set_owner(None);
                self.clear();
            }
            Page::Read => {}
            Page::WriteTwice => {
                self.append();
                self.save().await;
                self.append();
                self.set("x");
            }
            Page::Attack => {
                self.set("user");
                self.append();
                self.save().await;
                self.rotate().await;
                self.set("evil");
            }
            Page::AttackAgain | Page::EndOwner | Page::EndKey => {}
        }
        self.save().await;
    }

    /// A point where the request does something else, so that time can pass.
    async fn think(&self) {
        if self.visit.lock().thinks {
            self.visit.gate.turn(Verb::Think, 0).await;
        }
    }

    fn edit(&mut self, edit: Edit) {
        self.vars.apply(&edit);
        self.unsaved.push(edit);
    }

    /// No two writes of one run write the same number.
    fn number(&mut self) -> u32 {
        self.edits += 1;
        let base = u32::try_from(self.visit.who + 1).expect("few") * 100;
        base + self.edits + 50 * self.visit.round
    }

    fn set(&mut self, name: &'static str) {
        let number = self.number();
        self.edit(Edit::Set(name, number));
    }

    fn append(&mut self) {
        let number = self.number();
        self.edit(Edit::Append(number));
    }

    fn clear(&mut self) {
        let names: Vec<String> = self.vars.0.iter().map(|(name, _)| name.clone()).collect();
        for name in names {
            self.edit(Edit::Remove(name));
        }
    }

    fn set_owner(&mut self, owner: Option<&'static str>) {
        self.sets_owner = Some(owner);
        self.session.set_owner(owner.map(|o| Owner::new(o).expect("short")));
    }

    fn op(&self, kind: Kind) -> Op {
        Op {
            edits: self.unsaved.clone(),
            sets_owner: self.sets_owner,
            live: self.session.is_stored(),
            ..self.visit.op(kind, self.visit.index(&self.session))
        }
    }

    fn finish(&mut self, op: usize, told: Told) {
        let to = self.visit.index(&self.session);
        self.visit.finish(op, to, told);
        if self.visit.lock().log.ops[op].acknowledged() {
            self.unsaved.clear();
        }
    }

    async fn save(&mut self) {
        self.think().await;
        let op = self.visit.begin(self.op(Kind::Commit));
        let payload = self.vars.encode();
        let told = match self.session.commit(&self.visit.engine, budget(), &payload, PHP).await {
            Ok(committed) => Told::Committed(committed),
            Err(error) => failed(&error),
        };
        self.finish(op, told);
    }

    async fn rotate(&mut self) {
        self.think().await;
        let target = self.visit.rotates_to;
        let op = self.visit.begin(Op { target: Some(target), ..self.op(Kind::Rotate) });
        let payload = self.vars.encode();
        let id = self.visit.id(target);
        let told = match self.session.rotate(&self.visit.engine, budget(), id, &payload, PHP).await {
            Ok(rotated) => Told::Rotated(rotated),
            Err(error) => failed(&error),
        };
        let failed = matches!(told, Told::Failed { .. });
        self.finish(op, told);
        if failed {
            // As the PHP door does: the page believes that it has a new id, so nothing it writes may land anywhere.
            let id = self.visit.id(self.visit.index(&self.session));
            self.session = self.visit.engine.detached(id, self.visit.lifetime);
        }
    }

    async fn end(&mut self) {
        self.think().await;
        let op = self.visit.begin(self.op(Kind::End));
        let told = match self.session.end(&self.visit.engine, budget(), EndKind::Destroyed).await {
            Ok(()) => Told::Ended,
            Err(error) => failed(&error),
        };
        self.finish(op, told);
    }

    fn leave(&self) {
        let id = self.visit.index(&self.session);
        let fresh = !self.session.is_stored() && self.session.over().is_none() && !self.session.is_detached();
        self.visit.left(Left {
            seq: 0,
            id,
            stored: self.session.is_stored(),
            fresh,
            detached: self.session.is_detached(),
        });
    }
}

/// What is in the session when the run begins.
pub(crate) fn first_vars() -> Vars {
    Vars::decode(format!("x|i:1;y|i:2;user|i:3;{LIST}|a:2:{{i:0;i:10;i:1;i:11;}}").as_bytes())
}
