//! The response that is held back until the session's content is final: what becomes of each ticket in it, and whether the
//! headers of PHP's cache limiter go.
//!
//! It is held back for a visitor without a session, and for one whose session was found empty; nobody else's is. The shim
//! (`shim/response.c`) holds the bytes and the headers; here it is decided.

use cloakroom::store::TallyKind;
use cloakroom::{Clock, Session, SystemClock};
use cloakroom_format::{Format, is_hollow};

use super::blame::address;
use super::request::Outcome;
use super::{Door, PLACE_HELD};
use crate::cookies::MARKER;
use crate::settings::{Raw, Settings};

/// Why the session of the request that is open has its response held back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Hold {
    /// It has not.
    #[default]
    No,
    /// It is new: no record was found.
    New,
    /// Its record was found, with nothing in it that counts.
    Empty,
}

/// What made a response leave before the session's content was final; `enum cr_early` in `shim/door.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Early {
    Flush,
    Finish,
    Bytes,
    Time,
}

impl Early {
    /// The reason of a code; none at the end of the request, when the content is final.
    pub(crate) fn from_code(code: i32) -> Option<Self> {
        match code {
            1 => Some(Self::Flush),
            2 => Some(Self::Finish),
            3 => Some(Self::Bytes),
            4 => Some(Self::Time),
            _ => None,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Flush => "cookie of an empty session: the page called flush()",
            Self::Finish => "cookie of an empty session: the page called fastcgi_finish_request()",
            Self::Bytes => "cookie of an empty session: the page is longer than is held back",
            Self::Time => "cookie of an empty session: the page took longer than is held back",
        }
    }
}

/// What becomes of a header line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// It stays.
    Keep,
    /// It goes.
    Out,
    /// This instead.
    Instead(Vec<u8>),
}

/// What was decided of a response.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The headers of PHP's cache limiter go, if the shim finds nothing that makes the page personal.
    pub(crate) cacheable: bool,
    /// And `Vary: Cookie` comes.
    pub(crate) vary: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Keep,
    Out,
    /// Taken out where the browser has none, else withdrawn.
    Withdraw,
    /// A cookie without value instead: the session's comes once the browser has brought that back.
    Mark,
}

/// A session of this response that is closed.
#[derive(Debug)]
struct Ticket {
    id: Vec<u8>,
    session: Session,
    hold: Hold,
    fate: Fate,
}

/// The response of one request.
#[derive(Debug, Default)]
pub(crate) struct Response {
    /// Whether it is being held back.
    on: bool,
    /// The shim could hold it back.
    possible: bool,
    /// Why the session that is open has it held back.
    pub(super) hold: Hold,
    /// The application has asked for the session id.
    asked: bool,
    /// A record was found in this request, or the store failed: the page may be personal.
    found: bool,
    /// A session was found with something in it: who empties it in this request leaves that to a later one.
    had_content: bool,
    tickets: Vec<Ticket>,
    /// The request's Cookie header.
    cookies: Vec<u8>,
    /// The id of a session that is open and could not be stored.
    void: Option<Vec<u8>>,
    /// What let it leave early, for `cloakroom_status()`.
    pub(super) early: Option<Early>,
}

impl Response {
    /// A session is being opened.
    pub(super) fn opened(&mut self, settings: &Settings, raw: &Raw<'_>) {
        self.possible = raw.can_hold && !settings.eager_cookie;
        self.hold = Hold::No;
    }

    /// Whether it is being held back.
    pub(super) fn is_held_back(&self) -> bool {
        self.on
    }

    /// Whether what is written to the open session may wait for the end, since nothing in it counts.
    fn skips(&self) -> bool {
        self.on && self.hold != Hold::No && !self.asked
    }
}

impl Door {
    /// The application has asked for the session id.
    pub(crate) fn id_asked(&mut self) {
        self.request.response.asked = true;
        if let Some(session) = self.request.session_mut() {
            session.set_asked();
        }
        for ticket in &mut self.request.response.tickets {
            ticket.session.set_asked();
        }
    }

    /// A session was read: whether the response is held back from here on.
    pub(super) fn begin_hold(&mut self) -> Hold {
        if self.request.response.asked
            && let Some(session) = self.request.session_mut()
        {
            session.set_asked();
        }
        let response = &self.request.response;
        let (possible, on, had_content) = (response.possible, response.on, response.had_content);
        let Some(session) = self.request.session() else {
            self.request.response.found = true;
            return Hold::No;
        };
        let fresh = !session.is_stored() && !session.is_detached() && session.over().is_none();
        let hold = match (possible, fresh) {
            (true, true) if !session.is_readonly() => Hold::New,
            (true, false) if !had_content && session.is_stored() && self.is_left_empty(session) => Hold::Empty,
            _ => Hold::No,
        };
        let response = &mut self.request.response;
        response.found |= !fresh;
        response.had_content |= !fresh && hold == Hold::No;
        response.hold = hold;
        response.on = on || hold != Hold::No;
        hold
    }

    /// Whether nothing that counts is in a stored session.
    fn is_left_empty(&self, session: &Session) -> bool {
        let format = Format::from_code(session.format()).unwrap_or(Format::Opaque);
        session.owner().is_none()
            && !session.is_asked()
            && !session.is_readonly()
            && self.is_nothing(format, session.payload())
    }

    /// Whether nothing in a payload counts, by the site's settings.
    fn is_nothing(&self, format: Format, payload: &[u8]) -> bool {
        let Some(site) = &self.request.site else { return false };
        is_hollow(format, payload, |name| site.settings.ignore_keys.cover(name))
    }

    /// Whether a write need not be made: nothing that counts was there, and nothing that counts comes.
    pub(super) fn writes_nothing(&self, session: &Session, format: Format, payload: &[u8]) -> bool {
        self.request.response.skips()
            && session.owner().is_none()
            && session.over().is_none()
            && self.is_nothing(format, payload)
            && self.is_nothing(Format::from_code(session.format()).unwrap_or(Format::Opaque), session.payload())
    }

    /// The open session has variables, and a handler that wraps ours has handed none on to us: it keeps them in a place of
    /// its own, by the id.
    pub(super) fn is_kept_elsewhere(&mut self) {
        if self.request.outcome == Outcome::None && self.request.response.hold != Hold::No {
            self.id_asked();
        }
    }

    /// The session is closed while the response is held back: its ticket's fate is decided later.
    pub(super) fn keep_ticket(&mut self, id: Vec<u8>, session: Session) {
        let saved = self.last_ok();
        let response = &mut self.request.response;
        let hold = std::mem::take(&mut response.hold);
        // What was to be stored and was not: the page may show it.
        response.found |= !saved;
        response.tickets.retain(|ticket| ticket.id != id);
        response.tickets.push(Ticket { id, session, hold, fate: Fate::Keep });
    }

    /// The response leaves: at the end of the request, when every session's content is final, or before.
    pub(crate) fn decide(&mut self, early: Option<Early>, cookies: &[u8]) -> Decision {
        if !std::mem::take(&mut self.request.response.on) {
            return Decision::default();
        }
        if self.request.session().is_some() {
            // What will be in it is not known: its ticket leaves, or it can't be stored and goes.
            self.request.response.found = true;
            if self.is_fresh() {
                if let Some(early) = early {
                    self.count_early(early);
                }
                self.hold_place();
                self.request.response.void =
                    if self.is_fresh() { self.request.asked().map(<[u8]>::to_vec) } else { None };
            }
        }
        // A session that was closed and opened again is decided by what it is now, not by what it was then.
        let open = self.request.asked().map(<[u8]>::to_vec);
        self.request.response.tickets.retain(|ticket| open.as_ref() != Some(&ticket.id));
        self.request.response.early = early;
        self.request.response.cookies.clear();
        self.request.response.cookies.extend_from_slice(cookies);
        let mut tickets = std::mem::take(&mut self.request.response.tickets);
        for ticket in &mut tickets {
            ticket.fate = self.fate(ticket);
        }
        let response = &mut self.request.response;
        let empty = !response.found
            && !tickets.is_empty()
            && tickets.iter().all(|ticket| ticket.hold == Hold::New && ticket.fate == Fate::Withdraw);
        response.tickets = tickets;
        let Some(site) = self.request.site.as_ref().filter(|_| empty) else { return Decision::default() };
        Decision {
            cacheable: names_of(cookies).all(|name| name == MARKER || site.settings.cache_cookies.cover(name)),
            vary: site.settings.vary_cookie,
        }
    }

    /// What becomes of the ticket of a session that is closed.
    fn fate(&mut self, ticket: &mut Ticket) -> Fate {
        let Some(site) = self.request.site.clone() else { return Fate::Keep };
        let session = &mut ticket.session;
        if session.is_detached() {
            return Fate::Keep;
        }
        if session.over().is_some() {
            // Ended in this request; a new one, or one that had nothing in it.
            return if ticket.hold == Hold::No || session.is_frozen() { Fate::Keep } else { Fate::Withdraw };
        }
        let down = site.engine.breaker().is_open();
        if !session.is_stored() {
            if self.request.response.asked {
                if site.settings.marker && !names_of(&self.request.response.cookies).any(|name| name == MARKER) {
                    return Fate::Mark;
                }
                session.set_asked();
                let budget = self.budget(&site);
                let placed =
                    if down { None } else { self.wait(&site, session.hold_place(&site.engine, budget, PLACE_HELD)) };
                if let Some(Err(error)) = &placed {
                    self.failed(error);
                }
                if session.is_stored() {
                    self.request.forget_issued(&ticket.id);
                    return Fate::Keep;
                }
                return Fate::Out;
            }
            // Where the store has failed, no cookie is withdrawn.
            return if self.request.response.found || self.request.failed { Fate::Out } else { Fate::Withdraw };
        }
        if ticket.hold != Hold::Empty || !self.is_left_empty(&ticket.session) {
            return Fate::Keep;
        }
        if down || ticket.session.is_placeholder() {
            // Whose ticket left early may still add something, and could not send it again; it runs out by itself.
            return Fate::Out;
        }
        let budget = self.budget(&site);
        match self.wait(&site, ticket.session.remove(&site.engine, budget)) {
            Some(Ok(true)) => {
                self.counters.emptied += 1;
                Fate::Withdraw
            }
            // Somebody has added something, or it is not known: nothing goes.
            Some(Ok(false)) | None => Fate::Out,
            Some(Err(error)) => {
                self.failed(&error);
                Fate::Out
            }
        }
    }

    fn count_early(&mut self, early: Early) {
        self.counters.early += 1;
        if let Some(site) = &self.request.site {
            site.engine.reporter().count(
                SystemClock.now(),
                TallyKind::Early,
                early.label(),
                0,
                &address(&self.request.manners.path),
            );
        }
    }

    /// What becomes of a `Set-Cookie` line, after [`Door::decide`].
    pub(crate) fn line(&self, line: &[u8]) -> Line {
        let Some((name, value, attributes)) = parts(line) else { return Line::Keep };
        let id = unescaped(value);
        let response = &self.request.response;
        if response.void.as_ref() == Some(&id) {
            return Line::Out;
        }
        let Some(ticket) = response.tickets.iter().find(|ticket| ticket.id == id) else { return Line::Keep };
        match ticket.fate {
            Fate::Keep => Line::Keep,
            Fate::Withdraw if names_of(&response.cookies).any(|known| known == name) => {
                Line::Instead(withdrawn(name, attributes))
            }
            Fate::Mark => Line::Instead(marked(attributes)),
            Fate::Out | Fate::Withdraw => Line::Out,
        }
    }
}

fn place(byte: u8, text: &[u8]) -> Option<usize> {
    text.iter().position(|other| *other == byte)
}

/// Name, value and attributes of a `Set-Cookie` line.
fn parts(line: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let colon = place(b':', line)?;
    let rest = line[colon + 1..].trim_ascii_start();
    let end = place(b';', rest).unwrap_or(rest.len());
    let (pair, attributes) = rest.split_at(end);
    let equals = place(b'=', pair)?;
    Some((&pair[..equals], &pair[equals + 1..], attributes))
}

/// The line that takes a cookie away: same attributes, no value, long over.
fn withdrawn(name: &[u8], attributes: &[u8]) -> Vec<u8> {
    let mut out = [b"Set-Cookie: ", name, b"=deleted; expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0"].concat();
    push_attributes(&mut out, attributes);
    out
}

/// All but the time when the cookie ends.
fn push_attributes(out: &mut Vec<u8>, attributes: &[u8]) {
    for attribute in attributes.split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
        let end = place(b'=', attribute).unwrap_or(attribute.len());
        let what = &attribute[..end];
        if !what.is_empty() && !what.eq_ignore_ascii_case(b"expires") && !what.eq_ignore_ascii_case(b"max-age") {
            out.extend_from_slice(b"; ");
            out.extend_from_slice(attribute);
        }
    }
}

/// The line that leaves a cookie without value, with the attributes of the session's own, until the browser is closed.
fn marked(attributes: &[u8]) -> Vec<u8> {
    let mut out = [b"Set-Cookie: ", MARKER, b"="].concat();
    push_attributes(&mut out, attributes);
    out
}

/// A value as PHP's urlencode has written it.
fn unescaped(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let hex = |at: usize| after.get(at).and_then(|b| char::from(*b).to_digit(16));
        match (byte, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or_default());
                rest = &after[2..];
            }
            _ => out.push(byte),
        }
    }
    out
}

/// The names in a Cookie header.
fn names_of(cookies: &[u8]) -> impl Iterator<Item = &[u8]> {
    cookies
        .split(|byte| *byte == b';')
        .map(|pair| {
            let pair = pair.trim_ascii();
            &pair[..place(b'=', pair).unwrap_or(pair.len())]
        })
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_withdrawn_with_the_attributes_it_was_set_with() {
        let line = b"Set-Cookie: SHOP=a%2Cb-c; expires=Sun, 22 Nov 2026 01:00:00 GMT; Max-Age=3600; path=/shop; \
            domain=.example.org; secure; HttpOnly; SameSite=Lax; Partitioned";
        let (name, value, attributes) = parts(line).expect("a cookie");
        assert_eq!((name, unescaped(value)), (&b"SHOP"[..], b"a,b-c".to_vec()));
        assert_eq!(
            String::from_utf8(withdrawn(name, attributes)).expect("text"),
            "Set-Cookie: SHOP=deleted; expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; path=/shop; \
             domain=.example.org; secure; HttpOnly; SameSite=Lax; Partitioned"
        );
    }

    #[test]
    fn names_of_a_cookie_header_are_told_whatever_is_in_it() {
        let names =
            |text: &str| names_of(text.as_bytes()).map(|n| String::from_utf8_lossy(n).into_owned()).collect::<Vec<_>>();
        assert_eq!(names("_ga=1;  PHPSESSID=x=y; flag"), ["_ga", "PHPSESSID", "flag"]);
        assert_eq!(names(" ; ;"), Vec::<String>::new());
        assert_eq!(unescaped(b"%2"), b"%2");
        assert_eq!(unescaped(b"%zz%41"), b"%zzA");
    }
}
