//! What IDEs are told (stubs/cloakroom.stub.php) is what the extension has.

mod support;

use std::process::Command;

use cloakroom_testbed::find_program;
use support::Site;

/// Prints the signatures of all functions `cloakroom_*`, by reflection.
const SIGNATURES: &str = r#"
$names = array_merge(...array_values(get_defined_functions()));
$names = array_filter($names, fn($n) => str_starts_with($n, 'cloakroom_')); sort($names);
foreach ($names as $name) {
    $f = new ReflectionFunction($name);
    $parameters = array_map(fn($p) => $p->getType() . ' $' . $p->getName()
        . ($p->isOptional() ? ' = ' . json_encode($p->getDefaultValue()) : ''), $f->getParameters());
    echo $name, '(', implode(', ', $parameters), '): ', $f->getReturnType(), "\n";
}
"#;

#[test]
fn the_stubs_for_ides_say_what_the_extension_has() {
    let site = Site::new();
    let extension = site.cli(SIGNATURES).clean().body;
    let stub = concat!(env!("CARGO_MANIFEST_DIR"), "/stubs/cloakroom.stub.php");
    let file = site.folder.write("stubs.php", format!("<?php require '{stub}'; {SIGNATURES}")).expect("script");
    let output = Command::new(find_program("php").expect("php")).arg("-n").arg(file).output().expect("php");
    let stubs = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(extension, stubs);
    assert!(extension.lines().count() >= 26, "{extension}");
    // Every one is explained.
    let text = std::fs::read_to_string(stub).expect("stubs");
    assert_eq!(text.matches("\nfunction ").count(), text.matches("*/\nfunction ").count());
}
