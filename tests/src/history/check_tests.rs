//! Histories made up by hand: good ones pass, and of each kind of bad one it is told what is bad about it.

use super::check::check;
use super::log::{History, How, Op, Told, What};
use super::vars::{Change, Edit, Value, Vars};

/// A history in the making: each step takes one tick, and its answer comes one tick later.
#[derive(Default)]
struct Made {
    history: History,
    now: u64,
    request: u64,
}

fn change(tag: &str, edit: Edit) -> Change {
    Change { tag: tag.into(), edit }
}

fn list(elements: &[&str]) -> Vars {
    Vars(vec![("list".into(), Value::List(elements.iter().map(|e| (*e).to_owned()).collect()))])
}

fn opened(how: How, vars: Vars) -> Told {
    Told::Opened { how, vars, owner: None }
}

impl Made {
    /// A step of a request under a key.
    fn step(&mut self, who: &str, key: &str, what: What, told: Option<(Told, &str)>) -> &mut Self {
        self.now += 10;
        let told = told.map(|(told, key)| (self.now + 5, told, key.to_owned()));
        let (client, key) = (who.to_owned(), key.to_owned());
        let request = self.request;
        self.history.ops.push(Op { client, request, group: 0, begin: self.now, key, what, told });
        self
    }

    /// A new request that reads this.
    fn read(&mut self, who: &str, key: &str, vars: Vars) -> &mut Self {
        self.request += 1;
        self.step(who, key, What::Open, Some((opened(How::Live, vars), key)))
    }

    fn absent(&mut self, who: &str, key: &str, why: &str) -> &mut Self {
        self.request += 1;
        self.step(who, key, What::Open, Some((opened(How::Absent(why.into()), Vars::default()), key)))
    }

    fn commit(&mut self, key: &str, change: Change, told: Told) -> &mut Self {
        self.step("c", key, What::Commit(vec![change]), Some((told, key)))
    }

    fn append(&mut self, key: &str, tag: &str) -> &mut Self {
        self.commit(key, change(tag, Edit::Append), Told::Written)
    }

    fn rotate(&mut self, key: &str, to: &str, follow: bool, told: Option<Told>) -> &mut Self {
        let owner = None;
        let what = What::Rotate { key: to.into(), id: to.into(), changes: Vec::new(), owner, follow };
        let after = if matches!(told, Some(Told::Moved)) { to } else { key };
        self.step("c", key, what, told.map(|told| (told, after)))
    }

    fn end(&mut self, key: &str) -> &mut Self {
        self.step("c", key, What::End { live: true, frozen: false }, Some((Told::Ended, key)))
    }

    #[track_caller]
    fn is_fine(&mut self) {
        let broken = check(&self.history);
        assert!(broken.is_empty(), "{broken:?}");
    }

    #[track_caller]
    fn breaks(&mut self, rule: &str) {
        let broken = check(&self.history);
        assert!(broken.iter().any(|b| b.rule == rule), "{rule} was not found: {broken:?}");
        assert!(broken.iter().all(|b| b.rule == rule), "more than {rule}: {broken:?}");
    }
}

#[test]
fn what_was_acknowledged_is_there() {
    let both = || {
        let mut made = Made::default();
        made.append("k", "a").read("c", "k", list(&["a"])).append("k", "b");
        made
    };
    both().read("judge", "k", list(&["a", "b"])).is_fine();
    both().read("judge", "k", list(&["a"])).breaks("no change is lost");
    both().read("d", "k", Vars::default()).read("judge", "k", list(&["a", "b"])).breaks("no change is lost");
    both().absent("judge", "k", "Unknown").breaks("no session is lost");
    both().absent("judge", "k", "Ended").breaks("no session is lost");
    both().absent("judge", "k", "Unreadable").breaks("no session is lost");
}

#[test]
fn what_was_removed_is_gone_and_stays_so() {
    let removed = |told| {
        let mut made = Made::default();
        made.append("k", "a").read("c", "k", list(&["a"]));
        made.commit("k", change("b", Edit::Remove("a".into())), told);
        made
    };
    removed(Told::Written).read("judge", "k", list(&[])).is_fine();
    removed(Told::Written).read("judge", "k", list(&["a"])).breaks("no change is lost");
    let unknown = || Told::Failed { unknown: true, text: String::new() };
    removed(unknown()).read("judge", "k", list(&["a"])).is_fine();
    removed(unknown()).read("judge", "k", list(&[])).is_fine();
    let failed = || Told::Failed { unknown: false, text: String::new() };
    removed(failed()).read("judge", "k", list(&["a"])).is_fine();
    removed(failed()).read("judge", "k", list(&[])).breaks("no change is lost");
}

#[test]
fn a_removal_explains_only_what_its_request_could_remove() {
    let mut made = Made::default();
    made.append("k", "a").read("c", "k", list(&["a"]));
    made.commit("k", change("b", Edit::Unset("list".into())), Told::Written);
    // Begun after the removal was over: this list is another one.
    made.read("c", "k", Vars::default()).append("k", "d").read("judge", "k", Vars::default());
    made.breaks("no change is lost");
}

#[test]
fn nothing_is_there_twice_or_out_of_nothing() {
    let one = || {
        let mut made = Made::default();
        made.append("k", "a");
        made
    };
    one().read("judge", "k", list(&["a", "a"])).breaks("nothing twice");
    one().read("judge", "k", list(&["a", "z"])).breaks("value out of nothing");
    one().append("other", "b").read("judge", "k", list(&["a", "b"])).breaks("value out of nothing");
    one().read("d", "k", list(&["a", "b"])).append("k", "b").breaks("value out of nothing");
    let refused = Told::Refused("Dropped".into());
    one()
        .commit("k", change("b", Edit::Append), refused)
        .read("judge", "k", list(&["a", "b"]))
        .breaks("value out of nothing");
    let failed = Told::Failed { unknown: false, text: String::new() };
    one()
        .commit("k", change("b", Edit::Append), failed)
        .read("judge", "k", list(&["a", "b"]))
        .breaks("value out of nothing");
    let odd = Vars(vec![("list".into(), Value::List(vec!["a".into()])), ("odd".into(), Value::Int(1))]);
    one().read("judge", "k", odd).breaks("value out of nothing");
}

#[test]
fn what_nobody_knows_the_outcome_of_may_be_either_but_not_twice() {
    let killed = || {
        let mut made = Made::default();
        made.append("k", "a");
        made.step("d", "k", What::Commit(vec![change("b", Edit::Append)]), None);
        made
    };
    killed().read("judge", "k", list(&["a"])).is_fine();
    killed().read("judge", "k", list(&["a", "b"])).is_fine();
    killed().read("judge", "k", list(&["a", "b", "b"])).breaks("nothing twice");
}

#[test]
fn every_increment_counts_once() {
    let counted = |number| {
        let mut made = Made::default();
        made.commit("k", change("a", Edit::Add(3)), Told::Written);
        made.commit("k", change("b", Edit::Add(4)), Told::Merged(Vec::new()));
        made.step("d", "k", What::Commit(vec![change("c", Edit::Add(5))]), None);
        made.read("judge", "k", Vars(vec![("counter".into(), Value::Int(number))]));
        made
    };
    counted(7).is_fine();
    counted(12).is_fine();
    counted(4).breaks("no change is lost");
    counted(15).breaks("nothing twice");
}

#[test]
fn the_last_assignment_stands() {
    let shared = |tag: &str| Vars(vec![("shared".into(), Value::Text(tag.into()))]);
    let assigned = || {
        let mut made = Made::default();
        made.commit("k", change("a", Edit::Assign), Told::Written).read("c", "k", shared("a"));
        made.commit("k", change("b", Edit::Assign), Told::Written);
        made
    };
    assigned().read("judge", "k", shared("b")).is_fine();
    assigned().read("judge", "k", shared("a")).breaks("no change is lost");
    assigned().read("judge", "k", Vars::default()).breaks("no change is lost");
}

#[test]
fn what_is_ended_stays_ended() {
    let ended = || {
        let mut made = Made::default();
        made.append("k", "a").rotate("k", "l", true, Some(Told::Moved)).end("l");
        made
    };
    ended().absent("judge", "k", "Ended").absent("judge", "l", "Ended").is_fine();
    ended().read("judge", "l", list(&["a"])).breaks("ended stays ended");
    let frozen = opened(How::Frozen, list(&["a"]));
    ended().step("judge", "k", What::Open, Some((frozen, "k"))).breaks("ended stays ended");
    ended().append("l", "late").breaks("ended stays ended");
    // Ended under the old id by one who may follow, in a request that had begun before.
    let mut made = Made::default();
    made.append("k", "a").rotate("k", "l", true, Some(Told::Moved)).end("k").read("judge", "l", list(&["a"]));
    made.breaks("ended stays ended");
    // Who may not follow ends what it has.
    let mut made = Made::default();
    made.append("k", "a").rotate("k", "l", false, Some(Told::Moved)).end("k").read("judge", "l", list(&["a"]));
    made.is_fine();
}

#[test]
fn all_of_an_owner_are_ended() {
    let mut made = Made::default();
    let (owner, changes) = (Some("u".to_owned()), vec![change("a", Edit::Append)]);
    made.append("k", "b");
    let what = What::Rotate { key: "l".into(), id: "l".into(), changes, owner, follow: false };
    made.step("c", "k", what, Some((Told::Moved, "l")));
    made.step("d", "", What::EndOwner("u".into()), Some((Told::Ended, "")));
    let told = Told::Opened { how: How::Live, vars: list(&["b", "a"]), owner: Some("u".into()) };
    made.step("judge", "l", What::Open, Some((told, "l"))).breaks("ended stays ended");
}

#[test]
fn a_session_moves_to_one_id_and_takes_everything_along() {
    let moved = || {
        let mut made = Made::default();
        made.append("k", "a").rotate("k", "l", false, Some(Told::Moved));
        made
    };
    moved().read("judge", "l", list(&["a"])).is_fine();
    moved().read("judge", "l", list(&[])).breaks("no change is lost");
    moved().read("judge", "k", list(&["a"])).breaks("moved stays moved");
    moved().rotate("k", "m", false, Some(Told::Moved)).breaks("two successors");
    // What overlapped the rotation was acknowledged under the old id.
    moved().append("k", "b").read("judge", "l", list(&["a", "b"])).is_fine();
    moved().append("k", "b").read("judge", "l", list(&["a"])).breaks("no change is lost");
}

#[test]
fn a_rotation_of_which_nobody_knows_is_judged_by_what_is_found() {
    let killed = || {
        let mut made = Made::default();
        made.append("k", "a").rotate("k", "l", false, None);
        made
    };
    // It did not happen; what it left behind is nobody's.
    killed().read("judge", "k", list(&["a"])).read("judge", "l", list(&[])).is_fine();
    let frozen = || opened(How::Frozen, list(&["a"]));
    killed().step("judge", "k", What::Open, Some((frozen(), "k"))).read("judge", "l", list(&["a"])).is_fine();
    let mut made = killed();
    made.step("judge", "k", What::Open, Some((frozen(), "k"))).read("judge", "l", list(&[]));
    made.breaks("no change is lost");
    let failed = Told::Failed { unknown: false, text: String::new() };
    let mut made = Made::default();
    made.append("k", "a").rotate("k", "l", false, Some(failed));
    made.step("judge", "k", What::Open, Some((frozen(), "k"))).breaks("moved stays moved");
}

#[test]
fn who_logged_in_is_logged_in() {
    let login = |owner: Option<&str>| {
        let mut made = Made::default();
        made.append("k", "a");
        let owner_asked = Some("u".to_owned());
        let what = What::Rotate { key: "l".into(), id: "l".into(), changes: vec![], owner: owner_asked, follow: false };
        made.step("c", "k", what, Some((Told::Moved, "l")));
        let told = Told::Opened { how: How::Live, vars: list(&["a"]), owner: owner.map(String::from) };
        made.step("judge", "l", What::Open, Some((told, "l")));
        made
    };
    login(Some("u")).is_fine();
    login(None).breaks("no change is lost");
    login(Some("w")).breaks("value out of nothing");
}

#[test]
fn half_a_line_of_one_who_was_killed_is_no_line() {
    let begin = r#"{"Begin":{"request":1,"at":5,"key":"k","what":"Open"}}"#;
    let mut history = History::default();
    history.add("c", &format!("{begin}\n{{\"End\":{{\"at\":6,")).unwrap();
    assert_eq!(history.ops.len(), 1);
    assert_eq!(history.ops[0].told, None);
    assert!(history.add("c", "nonsense\n").is_err());
}
