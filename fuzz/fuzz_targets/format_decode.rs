//! Any bytes as a payload of any format: read, sized, taken apart, put together and converted.
#![no_main]

use cloakroom_format::{Format, Variable, convert, count, decode, is_empty, join, recognise, summary};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| {
    let _ = recognise(payload);
    for format in Format::ALL {
        let _ = is_empty(format, payload);
        let counted = count(format, payload);
        let Ok(tree) = decode(format, payload) else { continue };
        assert_eq!(tree.encode(), payload);
        assert_eq!(counted.ok(), Some(tree.len()));
        assert_eq!(summary(format, payload).map(|list| list.len()).ok(), Some(tree.len()));
        let all: Vec<Variable<'_, '_>> = tree.variables().collect();
        if let Ok(joined) = join(format, &all) {
            assert_eq!(decode(format, &joined).expect("what was joined can be read").len(), all.len());
        }
        for to in Format::ALL {
            if let Ok(converted) = convert(format, payload, to) {
                assert!(to == format || decode(to, &converted.payload).is_ok());
            }
        }
    }
});
