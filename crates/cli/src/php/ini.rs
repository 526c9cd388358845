//! One ini file, read as PHP reads it: quotes, comments, sections, and where PHP stops at an error.
//!
//! Checked against PHP 8.2: a backslash in double quotes escapes a quote and a backslash and stands for itself otherwise;
//! single quotes take everything as it is; quoted and bare parts are joined; a bare `=` or `!` in a value is a syntax error:
//! what stood before it counts, the rest of the file does not; bare `|`, `&`, `^`, `~` are operators, parentheses vanish; names are case-sensitive; `[PATH=…]` and `[HOST=…]` reach up to the next such
//! section, other sections mean nothing. Any bytes are taken; none can make this panic.

use std::collections::HashMap;

/// For whom an entry of php.ini is in force.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// For everything.
    All,
    /// For scripts below a folder (`[PATH=/srv/a]`).
    Path(String),
    /// For requests to a host name (`[HOST=a.example]`).
    Host(String),
}

/// One line `name = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// For whom it is in force.
    pub scope: Scope,
    /// The name of the section it is in; php.ini ignores it, PHP-FPM's files name pools so.
    pub section: String,
    /// The name, without `[offset]`.
    pub name: String,
    /// What stood in brackets after the name, as in `php_admin_value[name]`.
    pub offset: Option<String>,
    /// The value as PHP sees it.
    pub value: String,
    /// Whether PHP computes a number from it, because of an operator (`|`, `&`, `^`, `~`, `!`) that is not quoted.
    pub computed: bool,
    /// The line, from 1.
    pub line: usize,
}

/// What one file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ini {
    /// Its entries in order.
    pub entries: Vec<Entry>,
    /// The line, from 1, at which PHP would stop with a syntax error.
    pub broken_at: Option<usize>,
}

/// Reads a file's bytes. `variables` are what `${NAME}` stands for.
pub fn parse(bytes: &[u8], variables: &HashMap<String, String>) -> Ini {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut reader = Reader { rest: text, line: 1, variables };
    let mut ini = Ini::default();
    let (mut scope, mut section) = (Scope::All, String::new());
    while !reader.rest.is_empty() {
        let line = reader.line;
        reader.skip_blanks();
        match reader.rest.chars().next() {
            None => break,
            Some('\n' | '\r' | ';') => reader.skip_line(),
            Some('[') => match reader.section() {
                Some(name) => {
                    scope = special(&name).unwrap_or(scope);
                    section = name;
                }
                None => {
                    ini.broken_at = Some(line);
                    break;
                }
            },
            Some(_) => match reader.entry() {
                Ok(Some((name, offset, value))) => {
                    let (scope, section) = (scope.clone(), section.clone());
                    let Value { text, computed, broken } = value;
                    ini.entries.push(Entry { scope, section, name, offset, value: text, computed, line });
                    if broken {
                        ini.broken_at = Some(line);
                        break;
                    }
                }
                Ok(None) => {}
                Err(()) => {
                    ini.broken_at = Some(line);
                    break;
                }
            },
        }
    }
    ini
}

/// What `[PATH=…]` and `[HOST=…]` begin; other sections leave the scope as it is.
fn special(name: &str) -> Option<Scope> {
    let after = |word: &str| {
        let head = name.get(..word.len()).filter(|head| head.eq_ignore_ascii_case(word))?;
        let rest = name[head.len()..].trim_start_matches(['=', ' ', '\t']).trim_end_matches(['/', '\\']);
        Some(rest.trim().to_owned())
    };
    after("PATH=").map(Scope::Path).or_else(|| Some(Scope::Host(after("HOST=")?.to_ascii_lowercase())))
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    variables: &'a HashMap<String, String>,
}

/// Name, offset and value of an entry.
type Parts = (String, Option<String>, Value);

/// A value as far as PHP reads it.
struct Value {
    text: String,
    computed: bool,
    /// What follows in the line is a syntax error: the value counts, the rest of the file does not.
    broken: bool,
}

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    fn skip_blanks(&mut self) {
        let blanks = self.rest.len() - self.rest.trim_start_matches([' ', '\t']).len();
        self.take(blanks);
    }

    fn skip_line(&mut self) {
        let end = self.rest.find('\n').map_or(self.rest.len(), |at| at + 1);
        self.take(end);
    }

    /// `[name]` up to the end of its line.
    fn section(&mut self) -> Option<String> {
        let line = self.rest.lines().next()?;
        let end = line.find(']')?;
        let name = line[1..end].trim();
        let unquoted = name.strip_prefix('"').and_then(|n| n.strip_suffix('"'));
        let name = unquoted.or_else(|| name.strip_prefix('\'').and_then(|n| n.strip_suffix('\''))).unwrap_or(name);
        self.skip_line();
        Some(name.to_owned())
    }

    /// One entry; `Ok(None)` for a name alone, which sets nothing.
    fn entry(&mut self) -> Result<Option<Parts>, ()> {
        let end = self.rest.find(['=', '\n', '\r', ';']).unwrap_or(self.rest.len());
        let name = self.take(end).trim();
        if !self.rest.starts_with('=') {
            self.skip_line();
            return Ok(None);
        }
        if name.is_empty() {
            return Err(());
        }
        self.take(1);
        let (name, offset) = match name.split_once('[') {
            Some((name, offset)) => {
                let offset = offset.trim_end().strip_suffix(']').ok_or(())?.trim_matches([' ', '"', '\'']);
                (name.trim_end(), Some(offset.to_owned()))
            }
            None => (name, None),
        };
        let value = self.value()?;
        Ok(Some((name.to_owned(), offset, value)))
    }

    /// A value: quoted and bare parts up to the end of the line, joined.
    fn value(&mut self) -> Result<Value, ()> {
        let mut out = String::new();
        let (mut quoted, mut computed, mut broken) = (false, false, false);
        self.skip_blanks();
        while let Some(next) = self.rest.chars().next() {
            match next {
                '\n' | '\r' | ';' => break,
                '=' => {
                    broken = true;
                    break;
                }
                '"' => {
                    quoted = true;
                    self.take(1);
                    self.double_quoted(&mut out)?;
                    self.skip_blanks();
                }
                '\'' => {
                    quoted = true;
                    let Some(end) = self.rest[1..].find('\'') else {
                        broken = true;
                        break;
                    };
                    out.push_str(&self.take(end + 2)[1..=end]);
                }
                '$' if self.rest.starts_with("${") => self.variable(&mut out),
                _ => {
                    let end = self.rest[next.len_utf8()..].find(['\n', '\r', ';', '=', '"', '\'', '$']);
                    let end = end.map_or(self.rest.len(), |at| at + next.len_utf8());
                    let bare = self.take(end).trim_end_matches([' ', '\t']);
                    computed |= bare.contains(['|', '&', '^', '~']) || out.is_empty() && bare.starts_with('!');
                    match bare.split_once('!').filter(|_| !computed) {
                        Some((before, _)) => {
                            out.push_str(before);
                            broken = true;
                            break;
                        }
                        None => out.extend(bare.chars().filter(|c| !matches!(c, '(' | ')'))),
                    }
                }
            }
        }
        self.skip_line();
        if !quoted {
            // Words that PHP knows, where they are not quoted; nothing may follow one.
            let (first, more) = out.split_once([' ', '\t']).unwrap_or((&out, ""));
            let known = match first.to_ascii_lowercase().as_str() {
                "on" | "yes" | "true" => Some("1"),
                "off" | "no" | "false" | "none" | "null" => Some(""),
                _ => None,
            };
            if let Some(value) = known {
                broken |= !more.is_empty();
                out = value.to_owned();
            }
        }
        Ok(Value { text: out, computed, broken })
    }

    fn double_quoted(&mut self, out: &mut String) -> Result<(), ()> {
        loop {
            let end = self.rest.find(['"', '\\', '$']).ok_or(())?;
            out.push_str(self.take(end));
            if self.rest.starts_with('"') {
                self.take(1);
                return Ok(());
            }
            if self.rest.starts_with("${") {
                self.variable(out);
            } else if self.rest.starts_with("\\\"") || self.rest.starts_with("\\\\") || self.rest.starts_with("\\$") {
                out.push_str(&self.take(2)[1..]);
            } else {
                out.push_str(self.take(1));
            }
        }
    }

    /// `${NAME}` or `${NAME:-default}`.
    fn variable(&mut self, out: &mut String) {
        let Some(end) = self.rest.find('}') else {
            out.push_str(self.take(2));
            return;
        };
        let taken = self.take(end + 1);
        let inside = &taken[2..end];
        let (name, default) = inside.split_once(":-").unwrap_or((inside, ""));
        out.push_str(self.variables.get(name).map_or(default, String::as_str));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Ini {
        parse(text.as_bytes(), &HashMap::from([("HOME".to_owned(), "/root".to_owned())]))
    }

    fn values(text: &str) -> Vec<(String, String)> {
        let ini = read(text);
        assert_eq!(ini.broken_at, None, "{text}");
        ini.entries.into_iter().map(|e| (e.name, e.value)).collect()
    }

    fn value(text: &str) -> String {
        values(text).pop().expect("an entry").1
    }

    #[test]
    fn values_are_what_php_makes_of_them() {
        // Each of these was given to PHP 8.2.
        assert_eq!(value("a = a \"b\"c ; d\n"), "abc");
        assert_eq!(value(r#"a = "x\ny\"z\\q""#), r#"x\ny"z\q"#);
        assert_eq!(value(r"a='b c\'d"), r"b c\d");
        assert_eq!(value("a=/a/b${HOME}z"), "/a/b/rootz");
        assert_eq!(value("a=\"a\nb\""), "a\nb");
        assert_eq!(value("a=a#b"), "a#b");
        assert_eq!(value("a = a b  \n"), "a b");
        assert_eq!([value("a=On"), value("a=null"), value("a=\"On\"")], ["1", "", "On"]);
        assert_eq!(value("a = ${NONE:-x}\r\n"), "x");
        assert_eq!(value("a ="), "");
    }

    #[test]
    fn comments_and_blank_lines_set_nothing() {
        assert_eq!(values("\u{feff}; a=b\n\n  ;c=d\n# hash\nname alone\n\te = f ; g=h\n"), [("e".into(), "f".into())]);
    }

    #[test]
    fn php_stops_at_a_syntax_error_and_so_do_we() {
        let ini = read("a=1\nb = mysql://h/d?table=x\nc=3\n");
        assert_eq!((ini.entries.len(), ini.broken_at), (2, Some(2)));
        assert_eq!(ini.entries[1].value, "mysql://h/d?table", "what stood before the error counts");
        assert_eq!(read("a=\"unterminated\nb=2\n").broken_at, Some(1));
        assert_eq!(read("a=1\n = x\n").broken_at, Some(2));
        assert_eq!(read("[open\na=1").broken_at, Some(1));
    }

    #[test]
    fn sections_for_paths_and_hosts_reach_to_the_next_one() {
        let ini = read("[PHP]\na=1\n[PATH=/srv/a/]\nb=2\n[Session]\nc=3\n[HOST=A.Example]\nd=4\n");
        let scopes: Vec<Scope> = ini.entries.into_iter().map(|e| e.scope).collect();
        let path = Scope::Path("/srv/a".into());
        assert_eq!(scopes, [Scope::All, path.clone(), path, Scope::Host("a.example".into())]);
    }

    #[test]
    fn offsets_name_what_a_pool_sets() {
        let ini = read("php_admin_value[cloakroom.store] = \"redis://h\"\n");
        assert_eq!(ini.entries[0].offset.as_deref(), Some("cloakroom.store"));
        assert_eq!(ini.entries[0].value, "redis://h");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_loop(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            parse(&bytes, &HashMap::new());
        }

        #[test]
        fn no_ini_like_text_makes_it_panic_or_loop(text in "[\\[\\]=\"'$\\{\\};a\\\\ \r\n\u{e4}-]{0,80}") {
            let ini = parse(text.as_bytes(), &HashMap::new());
            prop_assert!(ini.entries.iter().all(|e| e.line <= text.matches('\n').count() + 1));
        }

        #[test]
        fn what_is_quoted_comes_back(value in "[ -~\u{e4}\u{20ac}]{0,60}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
            let ini = parse(format!("a = \"{quoted}\"\n").as_bytes(), &HashMap::new());
            prop_assert_eq!(&ini.entries[0].value, &value);
        }
    }
}
