//! `cloakroom_peek()`: another session's variables, for who brings its id. Whoever has the id could as well send it as a
//! cookie; this way the session is not used by it.

use cloakroom::SessionId;
use cloakroom_format::{Format, convert};

use super::Call;
use super::values::{Value, text_at};

impl Call<'_, '_> {
    pub(super) fn peek(&mut self) -> Value {
        let Some(site) = self.site() else { return Value::Null };
        let found = match SessionId::parse(text_at(self.given, 0)) {
            Ok(id) => self.run(&site, async |site, budget| site.engine.peek(budget, &id).await),
            Err(_) => Some(None),
        };
        let Some(found) = found else { return Value::Null };
        let Some((format, payload)) = found else {
            // Not told to the log: that there is none is an answer.
            self.door.api.error =
                "There is no session with this id that opens; it may have expired, or was ended.".into();
            return Value::Null;
        };
        let wanted = Format::from_handler(&String::from_utf8_lossy(self.raw.serializer));
        let has = Format::from_code(format).unwrap_or(Format::Opaque);
        if payload.is_empty() || has == wanted {
            return Value::text(payload);
        }
        match convert(has, &payload, wanted) {
            Ok(converted) if converted.left_out.is_empty() => Value::text(converted.payload),
            _ => {
                self.refuse(format!(
                    "A session was written as {has} and can't be turned into what session.serialize_handler says, {wanted}."
                ));
                Value::Null
            }
        }
    }
}
