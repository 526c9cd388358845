//! When code runs: on every request, only at times, or not to be told.
//!
//! Units (top levels, functions, methods, closures) are joined by who calls, includes or hooks whom. From the files that
//! run by themselves the shortest ways lead to everything that they make run; on each way the conditions are collected. Calls
//! that can't be followed by their text alone (methods of unknown objects, computed names) are not followed: then the answer
//! is "unknown", never "every request".

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::facts::{Condition, Facts, Target, Way};
use super::hooks;

/// When something runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Reach {
    /// On every request of a visitor.
    Every {
        /// How it comes about, the nearest cause first.
        by: Vec<String>,
    },
    /// Only at times.
    When {
        /// What must hold, each to be read after "only".
        when: Vec<String>,
        /// How it comes about, the nearest cause first.
        by: Vec<String>,
    },
    /// Nothing was found that makes it run.
    #[default]
    Unknown,
}

impl Reach {
    /// `every request`, `only when` or `unknown`.
    pub fn word(&self) -> &'static str {
        match self {
            Reach::Every { .. } => "every request",
            Reach::When { .. } => "only when",
            Reach::Unknown => "unknown",
        }
    }

    /// As a sentence's part.
    pub fn told(&self) -> String {
        let by = |by: &[String]| if by.is_empty() { String::new() } else { format!(": {}", by.join(", ")) };
        match self {
            Reach::Every { by: causes } => format!("on every request{}", by(causes)),
            Reach::When { when, by: causes } => format!("only {}{}", when.join(", and "), by(causes)),
            Reach::Unknown => "unknown: nothing was found that calls it".to_owned(),
        }
    }

    /// What runs when this runs, by a way and where conditions hold.
    fn then(&self, way: &Way, conditions: &[Condition], cause: Option<String>) -> Reach {
        let (when, by) = match self {
            Reach::Every { by } => (&[][..], by),
            Reach::When { when, by } => (&when[..], by),
            Reach::Unknown => return Reach::Unknown,
        };
        let mut when = when.to_vec();
        let narrowed = match way {
            Way::Direct | Way::Include => None,
            Way::Hook(name) => hooks::when(name),
            Way::When(text) => Some(text.clone()),
        };
        for new in narrowed.into_iter().chain(conditions.iter().map(|c| c.when.clone())) {
            if !when.contains(&new) {
                when.push(new);
            }
        }
        // Three causes tell the way; a chain of twenty calls would hide it.
        let by: Vec<String> = cause.into_iter().chain(by.iter().cloned()).take(3).collect();
        if when.is_empty() { Reach::Every { by } } else { Reach::When { when, by } }
    }

    fn rank(&self) -> (u8, usize) {
        match self {
            Reach::Every { .. } => (0, 0),
            Reach::When { when, .. } => (1, when.len()),
            Reach::Unknown => (2, 0),
        }
    }
}

/// The units of all files and who makes whom run.
#[derive(Debug)]
pub struct Reaches {
    /// By file, then by unit.
    units: Vec<Vec<Reach>>,
}

/// A file as the analysis sees it.
#[derive(Debug)]
pub struct Seen<'a> {
    /// Its path as shown.
    pub shown: &'a str,
    /// What it says.
    pub facts: &'a Facts,
    /// Whether WordPress includes it by itself, and as what.
    pub runs_as: Option<&'static str>,
}

type Place = (usize, usize);

impl Reaches {
    /// Works out when everything runs.
    pub fn of(files: &[Seen<'_>]) -> Self {
        let index = Index::of(files);
        let mut included = HashSet::new();
        let mut edges: HashMap<Place, Vec<(Place, usize)>> = HashMap::new();
        for (f, file) in files.iter().enumerate() {
            for (e, edge) in file.facts.edges.iter().enumerate() {
                for to in index.targets(f, &edge.to) {
                    if edge.way == Way::Include {
                        included.insert(to.0);
                    }
                    edges.entry((f, edge.from)).or_default().push((to, e));
                }
            }
        }
        let mut reaches = Self { units: files.iter().map(|f| vec![Reach::Unknown; f.facts.units.len()]).collect() };
        let wordpress = files.iter().any(|f| f.runs_as.is_some());
        let mut starts = Vec::new();
        for (f, file) in files.iter().enumerate() {
            if let Some(what) = file.runs_as {
                starts.push((f, Reach::Every { by: vec![what.to_owned()] }));
            } else if !included.contains(&f) && file.facts.acts {
                let when = format!("when {} is requested or included", file.shown);
                starts.push((f, Reach::When { when: vec![when], by: Vec::new() }));
            }
        }
        let pages: Vec<usize> = starts.iter().map(|(f, _)| *f).collect();
        reaches.spread(files, &edges, starts);
        if !wordpress && pages.len() > 1 {
            reaches.on_all_pages(files, &edges, &pages);
        }
        reaches
    }

    /// When a unit of a file runs.
    pub fn unit(&self, file: usize, unit: usize) -> &Reach {
        static UNKNOWN: Reach = Reach::Unknown;
        self.units.get(file).and_then(|u| u.get(unit)).unwrap_or(&UNKNOWN)
    }

    /// When a place inside a unit runs.
    pub fn place(&self, file: usize, unit: usize, way: &Way, conditions: &[Condition]) -> Reach {
        let cause = match way {
            Way::Hook(name) => Some(format!("hooked on {}", crate::out::plain(name))),
            _ => None,
        };
        self.unit(file, unit).then(way, conditions, cause)
    }

    /// Shortest ways first: fewest conditions, then fewest steps.
    fn spread(&mut self, files: &[Seen<'_>], edges: &HashMap<Place, Vec<(Place, usize)>>, starts: Vec<(usize, Reach)>) {
        let mut best: HashMap<Place, (u8, usize, usize)> = HashMap::new();
        let mut queue = BinaryHeap::new();
        for (file, reach) in starts {
            let (rank, many) = reach.rank();
            best.insert((file, 0), (rank, many, 0));
            queue.push(Reverse(((rank, many, 0_usize), (file, 0_usize))));
            self.units[file][0] = reach;
        }
        while let Some(Reverse((key, at))) = queue.pop() {
            if best.get(&at) != Some(&key) {
                continue;
            }
            for (to, edge) in edges.get(&at).into_iter().flatten() {
                let edge = &files[at.0].facts.edges[*edge];
                let cause = cause(files, at, edge.line, &edge.way);
                let reach = self.units[at.0][at.1].then(&edge.way, &edge.conditions, Some(cause));
                let (rank, many) = reach.rank();
                let key = (rank, many, key.2 + 1);
                // Who runs by itself keeps its own reason.
                if rank < 2 && best.get(to).is_none_or(|old| key < *old) {
                    best.insert(*to, key);
                    self.units[to.0][to.1] = reach;
                    queue.push(Reverse((key, *to)));
                }
            }
        }
    }

    /// Outside WordPress each file that can be requested is a page: what all of them make run without a condition runs on
    /// every request.
    fn on_all_pages(&mut self, files: &[Seen<'_>], edges: &HashMap<Place, Vec<(Place, usize)>>, pages: &[usize]) {
        let mut counts: HashMap<Place, usize> = HashMap::new();
        // Bounded: an application with more pages than this is not read page by page.
        if pages.len() > 2000 {
            return;
        }
        for page in pages {
            let mut seen = HashSet::from([(*page, 0)]);
            let mut open = vec![(*page, 0)];
            while let Some(at) = open.pop() {
                *counts.entry(at).or_default() += 1;
                for (to, edge) in edges.get(&at).into_iter().flatten() {
                    let edge = &files[at.0].facts.edges[*edge];
                    let plain = edge.conditions.is_empty() && matches!(edge.way, Way::Direct | Way::Include);
                    if plain && seen.insert(*to) {
                        open.push(*to);
                    }
                }
            }
        }
        for ((file, unit), count) in counts {
            if count == pages.len() {
                let by = vec![format!("all {count} files that can be requested lead to it")];
                self.units[file][unit] = Reach::Every { by };
            } else if count > 1
                && let Reach::When { when, .. } = &mut self.units[file][unit]
            {
                when[0] = format!("on {count} of {} pages, such as {}", pages.len(), page_of(&when[0]));
            }
        }
    }
}

/// The page out of "when PAGE is requested or included".
fn page_of(when: &str) -> String {
    when.trim_start_matches("when ").trim_end_matches(" is requested or included").to_owned()
}

fn cause(files: &[Seen<'_>], at: Place, line: usize, way: &Way) -> String {
    let file = &files[at.0];
    let place = format!("{}:{line}", file.shown);
    match way {
        Way::Hook(name) => format!("hooked on {} ({place})", crate::out::plain(name)),
        Way::Include => format!("included by {place}"),
        Way::When(_) => format!("registered in {place}"),
        Way::Direct => match file.facts.units.get(at.1).filter(|_| at.1 > 0) {
            Some(unit) => format!("called by {} ({place})", unit.label),
            None => format!("called in {place}"),
        },
    }
}

/// Where names are declared.
struct Index<'a> {
    files: &'a [Seen<'a>],
    functions: HashMap<&'a str, Vec<Place>>,
    methods: HashMap<(&'a str, &'a str), Vec<Place>>,
    parents: HashMap<&'a str, Vec<&'a str>>,
    children: HashMap<&'a str, Vec<&'a str>>,
    names: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Index<'a> {
    fn of(files: &'a [Seen<'a>]) -> Self {
        let mut index = Self {
            files,
            functions: HashMap::new(),
            methods: HashMap::new(),
            parents: HashMap::new(),
            children: HashMap::new(),
            names: HashMap::new(),
        };
        for (f, file) in files.iter().enumerate() {
            index.names.entry(last(file.shown)).or_default().push(f);
            for (u, unit) in file.facts.units.iter().enumerate().filter(|(_, unit)| !unit.name.is_empty()) {
                match &unit.class {
                    Some(class) => index.methods.entry((class, &unit.name)).or_default().push((f, u)),
                    None => index.functions.entry(&unit.name).or_default().push((f, u)),
                }
            }
            for (class, parent) in &file.facts.parents {
                index.parents.entry(class).or_default().push(parent);
                index.children.entry(parent).or_default().push(class);
            }
        }
        index
    }

    fn targets(&self, from: usize, target: &Target) -> Vec<Place> {
        let found = match target {
            Target::Closure(unit) => return vec![(from, *unit)],
            Target::Function(full, fallback) => self
                .functions
                .get(full.as_str())
                .or_else(|| self.functions.get(fallback.as_deref()?))
                .cloned()
                .unwrap_or_default(),
            Target::Method(class, name) => self.method(class, name),
            Target::File(path) => self.file(path),
        };
        self.nearest(from, found)
    }

    /// In the class, its parents and traits; else in those that extend it.
    fn method(&self, class: &str, name: &str) -> Vec<Place> {
        for family in [&self.parents, &self.children] {
            let mut open = vec![class];
            let mut seen = HashSet::new();
            while let Some(class) = open.pop() {
                if let Some(found) = self.methods.get(&(class, name)) {
                    return found.clone();
                }
                if seen.insert(class) && seen.len() < 50 {
                    open.extend(family.get(class).into_iter().flatten());
                }
            }
        }
        Vec::new()
    }

    fn file(&self, path: &str) -> Vec<Place> {
        let path = path.trim_start_matches("./");
        // What goes up can only be told by its end.
        let path = path.rsplit("../").next().unwrap_or(path).trim_start_matches('/');
        let candidates = self.names.get(last(path)).into_iter().flatten();
        candidates
            .filter(|f| {
                let shown = self.files[**f].shown;
                shown == path || shown.strip_suffix(path).is_some_and(|rest| rest.ends_with('/'))
            })
            .map(|f| (*f, 0))
            .collect()
    }

    /// Of several things with one name, those that share most of the path with whoever asks.
    fn nearest(&self, from: usize, mut found: Vec<Place>) -> Vec<Place> {
        if found.len() > 1 {
            let here = self.files[from].shown;
            let shared = |place: &Place| {
                let there = self.files[place.0].shown;
                here.split('/').zip(there.split('/')).take_while(|(a, b)| a == b).count()
            };
            let most = found.iter().map(shared).max().unwrap_or(0);
            found.retain(|place| shared(place) == most);
        }
        found
    }
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
