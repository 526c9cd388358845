//! Three payloads and a rule, parted by 0xFE: the merge never panics, and from readable payloads comes a readable one.
#![no_main]

use cloakroom_format::{Format, MergeOptions, Rules, Winner, decode, merge};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let parts: Vec<&[u8]> = input.splitn(4, |byte| *byte == 0xfe).collect();
    let [base, mine, theirs, rest @ ..] = &parts[..] else { return };
    let rules = rest.first().and_then(|text| Rules::parse(&String::from_utf8_lossy(text)).ok());
    for format in Format::ALL {
        for winner in [Winner::Later, Winner::Mine, Winner::Theirs] {
            let options = MergeOptions { rules: rules.as_ref(), winner };
            let Ok(merged) = merge(format, base, mine, theirs, &options) else { continue };
            if [base, mine, theirs].iter().all(|payload| decode(format, payload).is_ok()) {
                assert!(decode(format, &merged.payload).is_ok());
            }
        }
    }
});
