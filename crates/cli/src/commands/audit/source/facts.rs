//! What a file's source says: where sessions are used, and what is needed to tell when that code runs.

/// How `$_SESSION` is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// Its value is looked at, `isset` and `empty` included.
    Read,
    /// Something in it is assigned, incremented or destructured into.
    Write,
    /// Something in it is removed.
    Unset,
    /// A reference to it is taken, or it is given to a function of PHP that changes its argument.
    Reference,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A call of one of PHP's session functions, by its name.
    Call(&'static str),
    /// One of PHP's session functions called by way of a string.
    Dynamic(&'static str),
    /// `$_SESSION`.
    Variable(Use),
    /// `ini_set('session.…')`.
    Ini,
    /// A cookie with a session's name is set by hand.
    Cookie,
    /// A session of WordPress plugins: `WC()->session`, `WP_Session`, `wp_session_*`.
    Plugin,
}

impl Kind {
    /// The word for it in JSON, SARIF and the counts of tests.
    pub fn word(self) -> String {
        match self {
            Kind::Call(name) => name.to_owned(),
            Kind::Dynamic(name) => format!("dynamic {name}"),
            Kind::Variable(Use::Read) => "$_SESSION read".to_owned(),
            Kind::Variable(Use::Write) => "$_SESSION write".to_owned(),
            Kind::Variable(Use::Unset) => "$_SESSION unset".to_owned(),
            Kind::Variable(Use::Reference) => "$_SESSION reference".to_owned(),
            Kind::Ini => "ini_set".to_owned(),
            Kind::Cookie => "setcookie".to_owned(),
            Kind::Plugin => "plugin session".to_owned(),
        }
    }

    /// Whether it makes a session begin, so that the visitor gets a cookie.
    pub fn starts(self) -> bool {
        matches!(self, Kind::Call("session_start") | Kind::Dynamic("session_start"))
    }
}

/// A place where a session is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// Line, from 1.
    pub line: usize,
    /// Column in bytes, from 1.
    pub column: usize,
    /// The code, shortened, for people.
    pub code: String,
    /// Which unit of the file it is in.
    pub unit: usize,
    /// What must hold inside the unit for it to run.
    pub conditions: Vec<Condition>,
    /// The full name that comes before PHP's function, where a namespace has one of its own.
    pub unless: Option<String>,
    /// By what way it is called; other than `Direct` only for what a hook calls.
    pub way: Way,
}

/// Something that runs or does not run as a whole: a file's top level, a function, a method, a closure.
#[derive(Debug, Clone, Default)]
pub struct Unit {
    /// The function's name (with its namespace unless it is a method), in lower case; empty for top level and closures.
    pub name: String,
    /// The class it is a method of, with its namespace, in lower case.
    pub class: Option<String>,
    /// As people call it.
    pub label: String,
    /// Line, from 1.
    pub line: usize,
}

/// What must hold for code to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// In words, after "only": "in the admin area".
    pub when: String,
    /// Its line.
    pub line: usize,
}

/// What is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A function: full name, and the global one that PHP falls back to.
    Function(String, Option<String>),
    /// A method of a class.
    Method(String, String),
    /// A file: the end of its path, as far as it is written down.
    File(String),
    /// A closure of this file, by unit.
    Closure(usize),
}

/// By what way a call comes about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// It is called where it stands.
    Direct,
    /// A file is included.
    Include,
    /// WordPress calls it: the hook's name.
    Hook(String),
    /// Something else calls it at times; in words, after "only".
    When(String),
}

/// That one unit makes another run.
#[derive(Debug, Clone)]
pub struct Edge {
    /// The unit where it is written.
    pub from: usize,
    /// What runs then.
    pub to: Target,
    /// How.
    pub way: Way,
    /// What must hold.
    pub conditions: Vec<Condition>,
    /// Line, from 1.
    pub line: usize,
}

/// What was read in one file.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Places where sessions are used, in the file's order.
    pub found: Vec<Found>,
    /// Units; the first is the top level.
    pub units: Vec<Unit>,
    /// Who makes whom run.
    pub edges: Vec<Edge>,
    /// Functions declared in namespaces whose names are those of PHP's session functions: `shop\session_start`.
    pub own_functions: Vec<String>,
    /// Classes, and their parents and traits: methods are looked for there, too.
    pub parents: Vec<(String, String)>,
    /// The plugin's name, where this is its main file.
    pub plugin: Option<String>,
    /// Whether its top level does something else than declaring and including.
    pub acts: bool,
    /// The first line with a syntax error, from 1.
    pub broken: Option<usize>,
}
