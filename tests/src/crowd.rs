//! Load: many visitors at once, two clients for each, who put item after item into their carts and note what was
//! acknowledged. Afterwards every acknowledged item must be there, once.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cloakroom_testbed::wait_until;

use crate::{Page, Rig, Visitor};

/// What a crowd has seen.
#[derive(Debug, Default)]
pub struct Record {
    /// Items that were acknowledged, by visitor.
    acknowledged: Vec<Vec<String>>,
    /// The longest that any request took.
    pub longest: Duration,
    /// Requests without a page: their server was killed.
    pub failed: usize,
    /// Pages without their session.
    pub detached: usize,
    /// What no page may show.
    wrong: Vec<String>,
}

/// A crowd on a rig.
#[derive(Debug)]
pub struct Crowd {
    visitors: Vec<Visitor>,
    over: AtomicBool,
    progress: AtomicUsize,
    record: Mutex<Record>,
}

impl Crowd {
    /// So many visitors, each with something in the cart.
    pub fn new(rig: &Rig, visitors: usize) -> Self {
        let visitors: Vec<Visitor> = (0..visitors).map(|_| rig.visitor()).collect();
        for visitor in &visitors {
            visitor.fill(&["first"]);
        }
        let record = Record { acknowledged: vec![vec!["first".into()]; visitors.len()], ..Record::default() };
        Self { visitors, over: AtomicBool::new(false), progress: AtomicUsize::new(0), record: Mutex::new(record) }
    }

    /// Lets the crowd click while `trouble` happens; then looks at every cart and returns what was seen.
    ///
    /// # Panics
    /// When an acknowledged item is missing, an item is there twice, or a page showed what it must not.
    pub fn click_while(self, trouble: impl FnOnce(&Self)) -> Record {
        std::thread::scope(|scope| {
            for number in 0..self.visitors.len() {
                for hand in ["left", "right"] {
                    let crowd = &self;
                    scope.spawn(move || crowd.click(number, hand));
                }
            }
            // Also when the trouble panics: or the crowd would click for ever.
            let _stop = Stop(&self.over);
            trouble(&self);
        });
        self.look()
    }

    /// Waits until so many more items were acknowledged: the survivors are not stuck.
    #[track_caller]
    pub fn await_progress(&self, items: usize) {
        let goal = self.progress.load(Ordering::SeqCst) + items;
        let there = || self.progress.load(Ordering::SeqCst) >= goal;
        wait_until("the crowd gets on", Duration::from_secs(30), there).unwrap();
    }

    fn click(&self, number: usize, hand: &str) {
        let visitor = &self.visitors[number];
        for click in 0.. {
            if self.over.load(Ordering::SeqCst) {
                return;
            }
            let item = format!("{hand}{click}");
            let began = std::time::Instant::now();
            let page = visitor.try_cart(&format!("add={item}"));
            let mut record = self.record.lock().unwrap();
            record.longest = record.longest.max(began.elapsed());
            match page {
                Ok(page) => self.note(&mut record, number, item, &page),
                Err(_) => record.failed += 1,
            }
        }
    }

    fn note(&self, record: &mut Record, number: usize, item: String, page: &Page) {
        if !page.cookies.is_empty() {
            record.wrong.push(format!("a cookie was set or withdrawn: {page:?}"));
        }
        if page.state == "detached" {
            record.detached += 1;
            if page.saved {
                record.wrong.push(format!("a detached page claims to be saved: {page:?}"));
            }
            return;
        }
        if page.cart.first().is_none_or(|first| first != "first") {
            record.wrong.push(format!("a page without what was in the cart: {page:?}"));
        }
        if page.saved {
            record.acknowledged[number].push(item);
            self.progress.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn look(self) -> Record {
        let record = self.record.into_inner().unwrap();
        assert!(record.wrong.is_empty(), "{} wrong pages, such as {}", record.wrong.len(), record.wrong[0]);
        for (visitor, acknowledged) in self.visitors.iter().zip(&record.acknowledged) {
            let page = visitor.live_cart();
            let mut count = BTreeMap::<&str, usize>::new();
            page.cart.iter().for_each(|item| *count.entry(item).or_default() += 1);
            let missing: Vec<&String> = acknowledged.iter().filter(|item| !count.contains_key(item.as_str())).collect();
            assert!(missing.is_empty(), "acknowledged and lost: {missing:?} of {}", acknowledged.len());
            let twice: Vec<&&str> = count.iter().filter(|(_, count)| **count > 1).map(|(item, _)| item).collect();
            assert!(twice.is_empty(), "applied twice: {twice:?}");
        }
        record
    }
}

impl Record {
    /// How many items were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.iter().map(Vec::len).sum()
    }
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
