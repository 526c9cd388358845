//! Any bytes as a site's wp-config.php: an answer within reason, whatever they are.
#![no_main]

use cloakroom_stores::wordpress::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let plain = parse(bytes);
    let mut file = b"<?php ".to_vec();
    file.extend_from_slice(bytes);
    let opened = parse(&file);
    for error in [plain, opened].into_iter().filter_map(Result::err) {
        // What is told of a file has no more of it than the names that were looked for.
        assert!(error.to_string().len() < 200);
    }
    // Whatever stands before them, the first plain statement of its own is either found or refused.
    let name = |config: cloakroom_stores::wordpress::Config| config.name;
    let mut first = b"<?php define('DB_NAME','a');define('DB_USER','');define('DB_PASSWORD','');define('DB_HOST','');".to_vec();
    first.extend_from_slice(bytes);
    assert!(parse(&first).map(name).is_ok_and(|name| name == "a") || parse(&first).is_err());
});
