//! What a test needs of the machine. On one with nothing but Rust, tests of real servers step aside, aloud; under `make test`,
//! which installs everything first, something missing is a failure.

use std::io::Write;
use std::path::Path;

use crate::{extension, find_program, php};

/// Ends a test early where something it needs is not installed, or fails it when `CLOAKROOM_TEST_ALL` is set.
///
/// Names are those of programs (`"mariadbd"`, `"redis-server"`, `"memcached"`, `"nginx"`), or `"php-fpm"`, `"php"`,
/// `"wordpress"`, and `"extension"` for the built `cloakroom.so`.
///
/// ```
/// fn a_test_of_two_servers() {
///     cloakroom_testbed::needs!("php-fpm", "nginx");
///     // … start them
/// }
/// # a_test_of_two_servers();
/// ```
#[macro_export]
macro_rules! needs {
    ($($name:expr),+ $(,)?) => {
        if !$crate::has_all(&[$($name),+]) {
            return;
        }
    };
}

/// True when everything named is there; see [`needs!`](crate::needs).
///
/// # Panics
/// When something is missing and `CLOAKROOM_TEST_ALL` is set.
#[track_caller]
pub fn has_all(names: &[&str]) -> bool {
    let missing: Vec<&str> = names.iter().copied().filter(|name| !has(name)).collect();
    if missing.is_empty() {
        return true;
    }
    let missing = missing.join(", ");
    assert!(
        std::env::var_os("CLOAKROOM_TEST_ALL").is_none(),
        "not there: {missing}; run scripts/install-packages.sh test and scripts/build.sh"
    );
    let test = std::thread::current().name().unwrap_or("a test").to_string();
    // Written past the test harness, which would show it for failed tests only.
    let _ = writeln!(std::io::stderr(), "NOT RUN: {test}, for want of {missing} (make test installs what is missing)");
    false
}

fn has(name: &str) -> bool {
    match name {
        "php" | "php-fpm" | "php-cgi" => php::program(name).is_ok(),
        "wordpress" => Path::new("/usr/share/wordpress/wp-settings.php").is_file(),
        "extension" => extension().is_ok_and(|path| path.is_file()),
        "redis-server" => ["redis-server", "valkey-server"].iter().any(|name| find_program(name).is_ok()),
        program => find_program(program).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_seen() {
        assert!(has("sh"));
        assert!(!has("no-such-program-anywhere"));
    }
}
