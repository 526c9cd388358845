//! Compiles the C shim against the headers of the PHP that `php-config` (or `$PHP_CONFIG`) names.

use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=PHP_CONFIG");
    println!("cargo:rerun-if-changed=shim");
    let php_config = std::env::var("PHP_CONFIG").unwrap_or_else(|_| "php-config".into());
    let includes = match Command::new(&php_config).arg("--include-dir").output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => panic!(
            "{php_config} is needed to build cloakroom.so; install PHP's development package \
             (Debian, Ubuntu: php-dev), or name another php-config in PHP_CONFIG."
        ),
    };
    let root = PathBuf::from(includes);
    cc::Build::new()
        .files(
            [
                "module.c",
                "handler.c",
                "php.c",
                "functions.c",
                "api.c",
                "observed.c",
                "response.c",
                "limiter.c",
                "cookie.c",
                "blame.c",
                "layout.c",
            ]
            .map(|file| format!("shim/{file}")),
        )
        .include(&root)
        .includes(["main", "Zend", "TSRM", "ext"].map(|folder| root.join(folder)))
        .define("COMPILE_DL_CLOAKROOM", None)
        .std("gnu11")
        .flag("-fvisibility=hidden")
        .flag("-Werror=implicit-function-declaration")
        // PHP's headers use both.
        .flag("-Wno-unused-parameter")
        .flag("-Wno-sign-compare")
        .warnings_into_errors(std::env::var_os("CLOAKROOM_SHIM_WERROR").is_some())
        .compile("cloakroom_shim");
    // PHP itself defines the symbols of PHP, when it loads the extension.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,lazy");
    println!("cargo:rustc-cdylib-link-arg=-Wl,--unresolved-symbols=ignore-all");
}
