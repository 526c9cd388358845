//! Walks through everything that can happen in a case, each state once. Requests are futures, which can't be copied, so
//! the walk goes back by beginning anew and taking the same steps again.

use std::collections::HashSet;
use std::sync::Arc;

use super::oracle;
use super::world::{Action, Case, World, prepare};

/// What a walk saw.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) states: u64,
    pub(crate) ends: u64,
    pub(crate) runs: u64,
}

/// A promise that was broken, and how to get there.
#[derive(Debug)]
pub(crate) struct Broke {
    pub(crate) rule: &'static str,
    pub(crate) text: String,
}

/// More steps than any run here takes; more means that a request never ends.
const LONGEST: usize = 150;

struct Fork {
    state: u64,
    actions: Vec<Action>,
    taken: usize,
}

/// Explores a case to its end, or to the first broken promise.
pub(crate) async fn explore(case: Case) -> (Seen, Option<Broke>) {
    let case = Arc::new(case);
    let prepared = prepare(&case).await;
    let mut visited = HashSet::new();
    let mut path: Vec<Fork> = Vec::new();
    let mut seen = Seen::default();
    loop {
        seen.runs += 1;
        let mut world = World::new(&case, &prepared).await;
        for fork in &path {
            assert_eq!(world.state(), fork.state, "the same steps lead to the same state");
            world.take(fork.actions[fork.taken]).await;
        }
        loop {
            let state = world.state();
            if !visited.insert(state) {
                break;
            }
            seen.states += 1;
            let actions = world.actions().await;
            if actions.is_empty() {
                seen.ends += 1;
                if let Err(broke) = oracle::judge(&mut world, &prepared).await {
                    return (seen, Some(told(&world, &path, broke)));
                }
                break;
            }
            if path.len() >= LONGEST {
                let broke = Broke { rule: "ends", text: "a request did not end".into() };
                return (seen, Some(told(&world, &path, broke)));
            }
            let action = actions[0];
            path.push(Fork { state, actions, taken: 0 });
            world.take(action).await;
        }
        loop {
            let Some(fork) = path.last_mut() else { return (seen, None) };
            fork.taken += 1;
            if fork.taken < fork.actions.len() {
                break;
            }
            path.pop();
        }
    }
}

fn told(world: &World, path: &[Fork], broke: Broke) -> Broke {
    let shared = world.lock();
    let mut text = format!("{}\n  {:?} with {:?}\n", broke.text, world.case.pages, world.case.start);
    for fork in path {
        text.push_str(&format!("  - {:?}\n", fork.actions[fork.taken]));
    }
    for op in &shared.log.ops {
        text.push_str(&format!(
            "  {:>3}..{:<3} request {} {:?} {}->{} {:?}: {:?}\n",
            op.start.unwrap_or_default(),
            op.end.unwrap_or_default(),
            op.who,
            op.kind,
            shared.ids[op.from].0,
            shared.ids[op.to].0,
            op.edits,
            op.told
        ));
    }
    for event in &shared.log.events {
        text.push_str(&format!(
            "  {:>3} {:?} {:?} {}: {:?}\n",
            event.seq,
            event.who,
            event.what,
            shared.ids[event.id].0,
            event.after.as_ref().map(|r| (r.state, r.version.counter, r.owner.clone()))
        ));
    }
    Broke { rule: broke.rule, text }
}
