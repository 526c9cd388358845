//! The database settings in a `wp-config.php`, read without running it.
//!
//! Only what stands there as a plain string, in a statement of its own that PHP carries out in any case, is taken; as
//! in PHP the first `define` of a constant counts, and the last assignment of `$table_prefix`. Everything else about
//! these names is an error that tells the line, never a guess and never the value.

use super::tokens::{Token, Tokens};

/// The constants that say where the database is, in the order of [`Config`]'s fields.
const CONSTANTS: [&str; 4] = ["DB_NAME", "DB_USER", "DB_PASSWORD", "DB_HOST"];

/// What a configuration file says of the database.
#[derive(Clone, PartialEq, Eq)]
pub struct Config {
    /// `DB_NAME`.
    pub name: String,
    /// `DB_USER`.
    pub user: String,
    /// `DB_PASSWORD`.
    pub password: String,
    /// `DB_HOST`, as it is written.
    pub host: String,
    /// `$table_prefix`, where the file sets it.
    pub prefix: Option<String>,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config").field("name", &self.name).field("user", &self.user).finish_non_exhaustive()
    }
}

/// Why a configuration file does not say it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is set, but not to a plain string.
    #[error("{name} in line {line} is not a plain string in quotes, and nothing in that file is run to find out")]
    NotPlain {
        /// The constant or variable.
        name: &'static str,
        /// The line, from 1.
        line: u32,
    },
    /// It is set only if something else is so.
    #[error(
        "{name} in line {line} is set under a condition or inside other code, and nothing in that file is run to find out"
    )]
    Conditional {
        /// The constant or variable.
        name: &'static str,
        /// The line, from 1.
        line: u32,
    },
    /// It is not UTF-8.
    #[error("{name} in line {line} is not UTF-8")]
    NotText {
        /// The constant or variable.
        name: &'static str,
        /// The line, from 1.
        line: u32,
    },
    /// It is not set there.
    #[error("{name} is not set there{}", .include.map_or(String::new(), |line| format!(", perhaps in the file that line {line} includes")))]
    Missing {
        /// The constant.
        name: &'static str,
        /// Line of the first file that is included, if any.
        include: Option<u32>,
    },
}

/// A name's value as it was found.
type Found = Option<Result<(Vec<u8>, u32), ConfigError>>;

/// Reads the settings. Bytes from outside: never a crash, whatever they are.
///
/// # Errors
/// [`ConfigError`]; it has no values in it.
pub fn parse(file: &[u8]) -> Result<Config, ConfigError> {
    let mut reader = Reader::of(file);
    reader.read();
    let Reader { constants, prefix, include, .. } = reader;
    let mut values = Vec::with_capacity(4);
    for (name, found) in CONSTANTS.into_iter().zip(constants) {
        let (value, line) = found.unwrap_or(Err(ConfigError::Missing { name, include }))?;
        values.push(String::from_utf8(value).map_err(|_| ConfigError::NotText { name, line })?);
    }
    let prefix = match prefix {
        Some(found) => {
            let (value, line) = found?;
            Some(String::from_utf8(value).map_err(|_| ConfigError::NotText { name: PREFIX, line })?)
        }
        None => None,
    };
    let mut values = values.into_iter();
    let mut next = || values.next().unwrap_or_default();
    Ok(Config { name: next(), user: next(), password: next(), host: next(), prefix })
}

/// The variable.
pub(super) const PREFIX: &str = "$table_prefix";

struct Reader<'a> {
    tokens: Tokens<'a>,
    /// Words that were read ahead.
    ahead: std::collections::VecDeque<(Token, u32)>,
    constants: [Found; 4],
    prefix: Found,
    include: Option<u32>,
    /// How many brackets are open, and blocks that end with a word like `endif`.
    open: u32,
    /// The next word begins a statement.
    fresh: bool,
    /// A control structure was begun whose parentheses follow; how many were open then.
    control: Option<u32>,
    namespaced: bool,
}

impl<'a> Reader<'a> {
    fn of(file: &'a [u8]) -> Self {
        Self {
            tokens: Tokens::of(file),
            ahead: std::collections::VecDeque::new(),
            constants: [None, None, None, None],
            prefix: None,
            include: None,
            open: 0,
            fresh: true,
            control: None,
            namespaced: false,
        }
    }

    fn next(&mut self) -> Option<(Token, u32)> {
        self.ahead.pop_front().or_else(|| self.tokens.next())
    }

    fn peek(&mut self, ahead: usize) -> Option<&(Token, u32)> {
        while self.ahead.len() <= ahead {
            let token = self.tokens.next()?;
            self.ahead.push_back(token);
        }
        self.ahead.get(ahead)
    }

    fn is(&mut self, ahead: usize, mark: u8) -> bool {
        self.peek(ahead).is_some_and(|(token, _)| *token == Token::Mark(mark))
    }

    fn read(&mut self) {
        // The two marks before a word.
        let mut before = [0u8; 2];
        while let Some((token, line)) = self.next() {
            let plain = self.fresh && self.open == 0;
            self.fresh = false;
            let (mut last, mut goes_on) = (0, true);
            match token {
                Token::Word(word, _) => goes_on = self.word(&word, plain, line, before),
                Token::Variable(name) if name == b"table_prefix" => self.variable(plain, line, before),
                Token::Variable(name) if name == b"GLOBALS" => self.globals(line),
                Token::Close => self.fresh = true,
                Token::Mark(mark) => {
                    self.mark(mark, plain);
                    last = mark;
                }
                _ => {}
            }
            if !goes_on {
                return;
            }
            before = [before[1], last];
        }
    }

    fn mark(&mut self, mark: u8, plain: bool) {
        match mark {
            b';' => self.fresh = true,
            b'{' => {
                self.open += 1;
                self.fresh = true;
            }
            b'}' => {
                self.open = self.open.saturating_sub(1);
                self.fresh = true;
            }
            b'(' | b'[' => self.open += 1,
            b')' | b']' => {
                self.open = self.open.saturating_sub(1);
                if mark == b')' && self.control == Some(self.open) {
                    self.control = None;
                    if self.is(0, b':') && !self.is(1, b':') {
                        self.next();
                        self.open += 1;
                        self.fresh = true;
                    }
                }
            }
            // Errors silenced: still a statement of its own.
            b'@' => self.fresh = plain,
            _ => {}
        }
    }

    /// Whether to read on.
    fn word(&mut self, word: &str, plain: bool, line: u32, before: [u8; 2]) -> bool {
        // `->define`, `::define` and `?->define` are other things.
        let member = matches!(&before, b"->" | b"::");
        match word {
            _ if member => {}
            "define" | "\\define" => self.define(plain, line),
            "const" => self.constant(plain && !self.namespaced, line),
            "if" | "for" | "foreach" | "while" | "switch" | "declare" => self.control = Some(self.open),
            "endif" | "endfor" | "endforeach" | "endwhile" | "endswitch" | "enddeclare" => {
                self.open = self.open.saturating_sub(1);
            }
            "namespace" if plain => self.namespaced = true,
            "include" | "include_once" | "require" | "require_once" => self.include = self.include.or(Some(line)),
            "__halt_compiler" => return false,
            "return" | "exit" | "die" if plain => return false,
            _ => {}
        }
        true
    }

    /// `define( 'NAME', 'value' )`.
    fn define(&mut self, plain: bool, line: u32) {
        if !self.is(0, b'(') {
            return;
        }
        let Some((Token::Plain(name), _)) = self.peek(1) else { return };
        let Some(which) = CONSTANTS.iter().position(|c| name == c.as_bytes()) else { return };
        if !self.is(2, b',') {
            return;
        }
        let value = match self.peek(3) {
            Some((Token::Plain(value), _)) => Some(value.clone()),
            _ => None,
        };
        let ends = self.is(4, b')') || self.is(4, b',');
        self.found(which, value.filter(|_| ends), plain, line);
    }

    /// `const NAME = 'value', …;`
    fn constant(&mut self, plain: bool, line: u32) {
        let mut at = 0;
        loop {
            let Some((Token::Word(_, name), _)) = self.peek(at) else { return };
            let which = CONSTANTS.iter().position(|c| name == c.as_bytes());
            if !self.is(at + 1, b'=') {
                return;
            }
            let value = match self.peek(at + 2) {
                Some((Token::Plain(value), _)) => Some(value.clone()),
                _ => None,
            };
            let more = self.is(at + 3, b',');
            let ends = more || self.is(at + 3, b';') || self.closed(at + 3);
            if let Some(which) = which
                && (plain || self.open == 0)
            {
                self.found(which, value.clone().filter(|_| ends), plain, line);
            }
            // Behind a value that is none, another constant can't be told from a part of it.
            if !more || value.is_none() {
                return;
            }
            at += 4;
        }
    }

    fn closed(&mut self, ahead: usize) -> bool {
        self.peek(ahead).is_none_or(|(token, _)| matches!(token, Token::Close | Token::Echo))
    }

    fn found(&mut self, which: usize, value: Option<Vec<u8>>, plain: bool, line: u32) {
        let name = CONSTANTS[which];
        let found = &mut self.constants[which];
        // The first one counts; after one that may or may not be carried out, nobody knows which is the first.
        if found.is_none() {
            *found = Some(match value {
                _ if !plain => Err(ConfigError::Conditional { name, line }),
                Some(value) => Ok((value, line)),
                None => Err(ConfigError::NotPlain { name, line }),
            });
        }
    }

    /// `$table_prefix = 'value';`, or somebody who reads it.
    fn variable(&mut self, plain: bool, line: u32, before: [u8; 2]) {
        let name = PREFIX;
        let assigned = self.is(0, b'=') && !self.is(1, b'=') && !self.is(1, b'>');
        if assigned {
            let value = match self.peek(1) {
                Some((Token::Plain(value), _)) => Some(value.clone()),
                _ => None,
            };
            let ends = self.is(2, b';') || self.closed(2);
            let found = match value.filter(|_| ends) {
                _ if !plain => Err(ConfigError::Conditional { name, line }),
                Some(value) => Ok((value, line)),
                None => Err(ConfigError::NotPlain { name, line }),
            };
            // The last one counts, unless one before it already leaves it open which that is.
            if plain || self.prefix.as_ref().is_none_or(Result::is_ok) {
                self.prefix = Some(found);
            }
            return;
        }
        // `.=`, `??=`, `+=`, `[…] =`, `&$table_prefix`, `$$table_prefix`, `++`: changed by other means.
        let dotted = self.is(1, b'=') && (b".+-*/%&|^".iter().any(|mark| self.is(0, *mark)));
        let coalesced = self.is(0, b'?') && self.is(1, b'?') && self.is(2, b'=');
        let counted = [b'+', b'-'].iter().any(|mark| self.is(0, *mark) && self.is(1, *mark));
        if dotted || coalesced || counted || self.is(0, b'[') || matches!(before, [last, b'&'] if last != b'&') {
            self.prefix = Some(Err(ConfigError::NotPlain { name, line }));
        }
    }

    /// `$GLOBALS['table_prefix'] = …`.
    fn globals(&mut self, line: u32) {
        let ours = self.is(0, b'[') && matches!(self.peek(1), Some((Token::Plain(name), _)) if name == b"table_prefix");
        if ours && self.is(2, b']') && self.is(3, b'=') && !self.is(4, b'=') {
            self.prefix = Some(Err(ConfigError::NotPlain { name: PREFIX, line }));
        }
    }
}
