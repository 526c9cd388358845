//! The functions of `shim/api.c`: a flat list of arguments in, a flat list of results out.

use crate::door::{Cell, CellKind, Function, Given, GivenValue};

use super::enter;
use super::table::{RawItem, RawSettings, Slice};

impl RawItem {
    /// # Safety
    /// The slices are valid during `'a`.
    unsafe fn given<'a>(&self) -> Given<'a> {
        // SAFETY: as the caller promises.
        let (name, text) = unsafe { (self.name.bytes(), self.text.bytes()) };
        let value = match self.kind {
            1 => GivenValue::Bool(self.number != 0),
            2 => GivenValue::Number(self.number),
            3 => GivenValue::Text(text),
            _ => GivenValue::Null,
        };
        Given { name, value }
    }

    fn of_cell(cell: &Cell) -> Self {
        let kind = match cell.kind {
            CellKind::Null => 0,
            CellKind::Bool => 1,
            CellKind::Number => 2,
            CellKind::Text => 3,
            CellKind::List => 5,
            CellKind::Map => 6,
            CellKind::Wrong => 7,
            CellKind::Encoded => 8,
        };
        Self { name: Slice::of(&cell.name), kind, number: cell.number, text: Slice::of(&cell.text) }
    }
}

pub(super) extern "C" fn api(
    function: i32,
    alone: i32,
    settings: *const RawSettings,
    args: *const RawItem,
    count: usize,
    result: *mut *const RawItem,
) -> usize {
    // SAFETY: the shim passes a filled struct on its stack.
    let raw = unsafe { (*settings).read() };
    let given: Vec<Given<'_>> = if args.is_null() || count == 0 {
        Vec::new()
    } else {
        // SAFETY: the shim passes an array on its stack of `count` filled items, over strings that PHP holds during the call.
        unsafe { std::slice::from_raw_parts(args, count).iter().map(|item| item.given()).collect() }
    };
    let (list, count) = enter((std::ptr::null(), 0), |state| {
        let Some(function) = Function::from_code(function) else { return (std::ptr::null(), 0) };
        state.result_items = Vec::new();
        state.result = state.door.api(function, alone != 0, &raw, &given);
        state.result_items = state.result.iter().map(RawItem::of_cell).collect();
        (state.result_items.as_ptr(), state.result_items.len())
    });
    // SAFETY: the shim passes a pointer on its stack; the list lives in STATE until the next call.
    unsafe { *result = list };
    count
}
