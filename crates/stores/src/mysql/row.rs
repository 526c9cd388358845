//! Records as parameters and rows, and plain values in statements that are not prepared.

use cloakroom::store::Summary;
use cloakroom::wire::Damaged;
use cloakroom::{About, Key, Owner, Record, State, Time, Version};
use mysql_async::{Row, Value};

/// The columns of a [`Summary`], in the order in which [`summary`] reads them.
pub(super) const SUMMARY: &str = "`k`,`incarnation`,`counter`,`state`,`kind`,`at`,`created`,`touched`,`idle`,`absolute`,`owner`,`format`,`size`,`about`";

/// The fixed fields as parameters, in the order of the statements.
pub(super) fn bind(record: &Record, into: &mut Vec<Value>) {
    let (state, kind, at) = record.state.codes();
    into.extend([
        Value::UInt(record.version.incarnation),
        Value::UInt(record.version.counter),
        Value::UInt(state.into()),
        Value::UInt(kind.into()),
        Value::UInt(at),
        Value::UInt(record.created.0),
        Value::UInt(record.touched.0),
        Value::UInt(record.idle.0),
        record.absolute.map_or(Value::NULL, |t| Value::UInt(t.0)),
        record.owner.as_ref().map_or(Value::NULL, |o| Value::Bytes(o.as_bytes().to_vec())),
        Value::UInt(record.format.into()),
        Value::UInt(record.size.into()),
        Value::Bytes(record.about.encode()),
        Value::Bytes(record.envelope.clone()),
    ]);
}

/// A key as a parameter.
pub(super) fn key(key: &Key) -> Value {
    Value::Bytes(key.as_bytes().to_vec())
}

/// Bytes as a literal that no byte of theirs can end.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(3 + 2 * bytes.len());
    out.push_str("x'");
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out.push('\'');
    out
}

/// Reads a row's values one after the other.
pub(super) struct Reader(std::vec::IntoIter<Value>);

impl Reader {
    pub(super) fn new(row: Row) -> Self {
        Self(row.unwrap_raw().into_iter().map(|v| v.unwrap_or(Value::NULL)).collect::<Vec<_>>().into_iter())
    }

    fn next(&mut self) -> Result<Value, Damaged> {
        self.0.next().ok_or(Damaged::Short)
    }

    /// A number; as text where the statement was not prepared.
    pub(super) fn number(&mut self) -> Result<u64, Damaged> {
        number(&self.next()?)?.ok_or(Damaged::Field)
    }

    pub(super) fn small<T: TryFrom<u64>>(&mut self) -> Result<T, Damaged> {
        T::try_from(self.number()?).map_err(|_| Damaged::Field)
    }

    pub(super) fn time(&mut self) -> Result<Time, Damaged> {
        self.number().map(Time)
    }

    pub(super) fn optional_number(&mut self) -> Result<Option<u64>, Damaged> {
        number(&self.next()?)
    }

    pub(super) fn optional_bytes(&mut self) -> Result<Option<Vec<u8>>, Damaged> {
        match self.next()? {
            Value::Bytes(bytes) => Ok(Some(bytes)),
            Value::NULL => Ok(None),
            _ => Err(Damaged::Field),
        }
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, Damaged> {
        self.optional_bytes()?.ok_or(Damaged::Field)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        self.bytes()?.try_into().map_err(|_| Damaged::Field)
    }

    /// Seconds with three decimals, as the server tells its time; in milliseconds.
    pub(super) fn seconds(&mut self) -> Result<Time, Damaged> {
        let text = self.bytes()?;
        let text = std::str::from_utf8(&text).map_err(|_| Damaged::Field)?;
        let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
        let millis = format!("{rest:0<3}");
        let parse = |text: &str| text.parse::<u64>().map_err(|_| Damaged::Field);
        let millis = parse(millis.get(..3).ok_or(Damaged::Field)?)?;
        Ok(Time(parse(whole)?.saturating_mul(1000).saturating_add(millis)))
    }
}

fn number(value: &Value) -> Result<Option<u64>, Damaged> {
    match value {
        Value::UInt(n) => Ok(Some(*n)),
        Value::Int(n) => u64::try_from(*n).map(Some).map_err(|_| Damaged::Field),
        Value::Bytes(text) => {
            let text = std::str::from_utf8(text).map_err(|_| Damaged::Field)?;
            text.parse().map(Some).map_err(|_| Damaged::Field)
        }
        Value::NULL => Ok(None),
        _ => Err(Damaged::Field),
    }
}

/// A record as `load` selects it; the server's time follows in the row.
pub(super) fn record(row: &mut Reader) -> Result<Record, Damaged> {
    let mut record = fixed(row)?;
    record.envelope = row.bytes()?;
    Ok(record)
}

/// A summary, its key in front.
pub(super) fn summary(row: Row) -> Result<Summary, Damaged> {
    let mut row = Reader::new(row);
    let key = Key::from_bytes(row.array()?);
    Ok(Summary::of(key, &fixed(&mut row)?))
}

/// Everything but the envelope.
fn fixed(row: &mut Reader) -> Result<Record, Damaged> {
    let version = Version { incarnation: row.number()?, counter: row.number()? };
    let (state, kind, at) = (row.small()?, row.small()?, row.number()?);
    Ok(Record {
        version,
        state: State::from_codes(state, kind, at).ok_or(Damaged::State)?,
        created: row.time()?,
        touched: row.time()?,
        idle: row.time()?,
        absolute: row.optional_number()?.map(Time),
        owner: row.optional_bytes()?.map(Owner::new).transpose().map_err(|_| Damaged::Field)?,
        format: row.small()?,
        size: row.small()?,
        about: About::decode(&row.bytes()?)?,
        envelope: Vec::new(),
    })
}
