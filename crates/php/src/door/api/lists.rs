//! Lists.
use super::Call;
use super::values::Value;

impl Call<'_, '_> {
    pub(super) fn count(&mut self) -> Value {
        Value::Null
    }
    pub(super) fn page(&mut self) -> Value {
        Value::Null
    }
    pub(super) fn show(&mut self) -> Value {
        Value::Null
    }
    pub(super) fn end(&mut self) -> Value {
        Value::Null
    }
    pub(super) fn end_owner(&mut self) -> Value {
        Value::Null
    }
    pub(super) fn end_all(&mut self) -> Value {
        Value::Null
    }
    pub(super) fn report(&mut self) -> Value {
        Value::Null
    }
    pub(super) fn sweep(&mut self) -> Value {
        Value::Null
    }
}
