//! What of a `wp-config.php` is believed: table by table here, and against PHP itself on generated files.

#![cfg(feature = "mysql")]

use std::io::Write;
use std::process::{Command, Stdio};

use cloakroom_stores::wordpress::{Config, ConfigError, parse};
use cloakroom_testbed::has_all;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// A file with plain values but for the password, which is this code.
fn with_password(code: &str) -> Result<Config, ConfigError> {
    parse(
        format!(
            "<?php\ndefine('DB_NAME','shop');\ndefine('DB_USER','wp');\ndefine('DB_PASSWORD', {code});\ndefine('DB_HOST','h');\n$table_prefix='wp_';\n"
        )
        .as_bytes(),
    )
}

/// A file of these statements, with plain values for whatever they leave out behind them.
fn of(statements: &str) -> Result<Config, ConfigError> {
    let rest = "\ndefine('DB_NAME','n');define('DB_USER','u');define('DB_PASSWORD','p');define('DB_HOST','h');";
    parse(format!("<?php {statements}{rest}").as_bytes())
}

#[test]
fn a_file_as_wordpress_makes_it_is_read() {
    let file = br#"<?php
/**
 * The base configuration for WordPress. Not: define( 'DB_NAME', 'comment' );
 */
// ** Database settings ** //
/** The name of the database for WordPress */
define( 'DB_NAME', 'shop' );
# define( 'DB_USER', 'comment' );
define('DB_USER', "wp"); define ( 'DB_PASSWORD' , 'it\'s "a\b\\' ) ;
DEFINE(
	"DB_HOST", // a comment, with a ' in it
	'localhost:/run/mysqld/mysqld.sock'
);
define( 'DB_CHARSET', 'utf8mb4' );
define( 'AUTH_KEY', 'put your unique phrase here: <?php ?> ${x} {$y}' );
$table_prefix = 'wp_7_';
define( 'WP_DEBUG', false );
define( 'CUSTOM_USER_TABLE', $table_prefix . 'users' );
if ( ! defined( 'ABSPATH' ) ) {
	define( 'ABSPATH', __DIR__ . '/' );
}
require_once ABSPATH . 'wp-settings.php';
"#;
    let config = parse(file).expect("is read");
    assert_eq!((config.name.as_str(), config.user.as_str()), ("shop", "wp"));
    assert_eq!(config.password, "it's \"a\\b\\");
    assert_eq!(config.host, "localhost:/run/mysqld/mysqld.sock");
    assert_eq!(config.prefix.as_deref(), Some("wp_7_"));
}

#[test]
fn plain_strings_have_the_value_that_php_gives_them() {
    for (code, value) in [
        (r"'a'", "a"),
        (r"''", ""),
        (r"'\'\\\n'", r"'\\n"),
        ("'two\nlines'", "two\nlines"),
        (r#""a\"b\\c\$d\n\t\r\v\e\f""#, "a\"b\\c$d\n\t\r\x0b\x1b\x0c"),
        (r#""\x41\x4a\x4\101\60\0""#, "AJ\u{4}A0\0"),
        (r#""\u{e9}\u{1F9E5}\u{0}""#, "\u{e9}\u{1F9E5}\0"),
        (r#""\q\x\8\u\'""#, r"\q\x\8\u\'"),
        (r#""costs 5$, 5$ 5 and {5}""#, "costs 5$, 5$ 5 and {5}"),
        (r#"/* " */ "a" /* ' */"#, "a"),
        ("# ' \n 'a' // \" \n", "a"),
        ("<<<'X'\n$a {$b} \\n\nX", "$a {$b} \\n"),
        ("<<<X\na\\tb\\\"c\nX", "a\tb\\\"c"),
        ("<<<\"X\"\n    a\n      b\n    X", "a\n  b"),
        ("<<< X\nmarks\nXY\n X1\nX", "marks\nXY\n X1"),
        ("<<<'X'\nX", ""),
        ("<<<X\r\na\r\nX", "a"),
        ("'?>' . ''", "-"),
    ] {
        match with_password(code) {
            Ok(config) => assert_eq!(config.password, value, "{code}"),
            Err(error) => assert_eq!(value, "-", "{code}: {error}"),
        }
    }
    // A line that begins with the closing name closes, whatever follows; the rest is no string.
    assert!(with_password("<<<X\nX marks\nX").is_err());
}

#[test]
fn what_is_computed_is_an_error_that_names_constant_and_line_and_no_value() {
    for code in [
        "getenv('sesame')",
        "'sesame' . 'x'",
        "'sesame'.PHP_EOL",
        "SESAME",
        "$_ENV['sesame']",
        "\"sesame $x\"",
        "\"sesame {$x['y']}\"",
        "\"sesame ${x}\"",
        "\"sesame {$x[\"y\"]}\"",
        "`echo sesame`",
        "('sesame')",
        "(string) 'sesame'",
        "'sesame' ?: 'x'",
        "file_get_contents('/run/sesame')",
        "12345",
        "null",
        "<<<X\nsesame $y\nX",
        "<<<X\n  sesame\n x\n  X",
        "\"sesame \\u{110000}\"",
        "b'sesame'",
    ] {
        let error = with_password(code).expect_err(code);
        assert_eq!(error, ConfigError::NotPlain { name: "DB_PASSWORD", line: 4 }, "{code}");
        assert!(!error.to_string().contains("sesame"), "{error}");
        assert!(error.to_string().contains("DB_PASSWORD in line 4"), "{error}");
    }
}

#[test]
fn what_stands_under_a_condition_is_an_error() {
    let line = |code: &str| match of(code) {
        Err(ConfigError::Conditional { name: "DB_NAME", line }) => line,
        other => panic!("{code}: {other:?}"),
    };
    for code in [
        "if ($x) define('DB_NAME','a');",
        "if ($x) { define('DB_NAME','a'); }",
        "if ($x) { } else define('DB_NAME','a');",
        "if ($x): f(); define('DB_NAME','a'); endif;",
        "if ($x): if ($y): endif; f(); define('DB_NAME','a'); else: endif;",
        "switch ($x): case 1: f(); define('DB_NAME','a'); endswitch;",
        "defined('DB_NAME') || define('DB_NAME','a');",
        "defined('DB_NAME') or define('DB_NAME','a');",
        "function f() { define('DB_NAME','a'); }",
        "class A { function f() { define('DB_NAME','a'); } }",
        "$x = fn() => define('DB_NAME','a');",
        "$x = define('DB_NAME','a');",
        "f(define('DB_NAME','a'));",
        "while (f()) : f(); define('DB_NAME','a'); endwhile;",
        "if ($x) : ?> <?php define('DB_NAME','a'); endif;",
        "if ($x) { $y = \"{$z['}']}\"; define('DB_NAME','a'); }",
    ] {
        assert_eq!(line(code), 1, "{code}");
    }
    assert_eq!(line("\n\nif ($x)\n  define('DB_NAME','a');"), 4);
    let prefix = of("$table_prefix = 'a_'; if ($x) { $table_prefix = 'b_'; }");
    assert_eq!(prefix, Err(ConfigError::Conditional { name: "$table_prefix", line: 1 }));
}

#[test]
fn the_first_define_and_the_last_assignment_count() {
    let name = |code: &str| of(code).map(|config| config.name);
    assert_eq!(name("define('DB_NAME','a'); define('DB_NAME','b');"), Ok("a".into()));
    assert_eq!(name("define('DB_NAME','a'); if ($x) define('DB_NAME','b');"), Ok("a".into()));
    assert_eq!(name("define('DB_NAME','a'); define('DB_NAME',getenv('x'));"), Ok("a".into()));
    assert_eq!(name("const DB_NAME = 'a', X = 1; define('DB_NAME','b');"), Ok("a".into()));
    assert_eq!(name("const X = 'y', DB_NAME = 'a';"), Ok("a".into()));
    assert_eq!(name("class A { const DB_NAME = 'a'; }"), Ok("n".into()));
    assert_eq!(
        name("A::define('DB_NAME','a'); $a->define('DB_NAME','a'); $a?->define('DB_NAME','a');"),
        Ok("n".into())
    );
    assert_eq!(name("my_define('DB_NAME','a'); a\\define('DB_NAME','a'); $define('DB_NAME','a');"), Ok("n".into()));
    assert_eq!(name("\\define('DB_NAME','a');"), Ok("a".into()));
    assert_eq!(name("@define('DB_NAME','a');"), Ok("a".into()));
    assert_eq!(name("define('DB_NAME','a', true);"), Ok("a".into()));
    assert_eq!(name("define('DB_NAME','a',);"), Ok("a".into()));
    assert_eq!(name("define('db_name','a');"), Ok("n".into()));
    assert_eq!(name("if ($x) { f(); } define('DB_NAME','a');"), Ok("a".into()));
    assert_eq!(name("if ($x): f(); endif; define('DB_NAME','a');"), Ok("a".into()));
    assert_eq!(name("$x = $y ? 'a' : 'b'; define('DB_NAME','a');"), Ok("a".into()));
    assert_eq!(name("?> define('DB_NAME','html'); <?php define('DB_NAME','a');"), Ok("a".into()));
    assert_eq!(name("// ?> define('DB_NAME','html'); <?php\ndefine('DB_NAME','a');"), Ok("a".into()));
    assert_eq!(name("# it's ?> <?php define('DB_NAME','a');"), Ok("a".into()));
    assert_eq!(name("$s = 'define(\\'DB_NAME\\',\\'no\\');'; define('DB_NAME','a');"), Ok("a".into()));
    assert_eq!(name("$s = <<<X\ndefine('DB_NAME','no'); {$a[\"b\"]}\n X;\ndefine('DB_NAME','a');"), Ok("a".into()));
    let prefix = |code: &str| of(code).map(|config| config.prefix);
    assert_eq!(prefix("$table_prefix='a_'; $table_prefix  =  \"b_\";"), Ok(Some("b_".into())));
    assert_eq!(prefix("f($table_prefix); if ($table_prefix == 'x') {}"), Ok(None));
    for changed in [
        "$table_prefix = 'a' . 'b';",
        "$table_prefix .= 'b';",
        "$table_prefix ??= 'b';",
        "$table_prefix = getenv('X');",
        "f(&$table_prefix);",
        "$table_prefix[0] = 'b';",
        "$table_prefix++;",
        "$GLOBALS['table_prefix'] = 'b';",
    ] {
        let found = prefix(&format!("$table_prefix = 'a_'; {changed}"));
        assert_eq!(found, Err(ConfigError::NotPlain { name: "$table_prefix", line: 1 }), "{changed}");
    }
}

#[test]
fn what_is_missing_is_named_and_where_it_may_be() {
    let missing = |file: &str| parse(file.as_bytes()).expect_err("nothing is there");
    assert_eq!(missing(""), ConfigError::Missing { name: "DB_NAME", include: None });
    assert_eq!(missing("define('DB_NAME','html');"), ConfigError::Missing { name: "DB_NAME", include: None });
    let debian = missing("<?php\n\nif (f()) {\n  require_once($debian_file);\n}\ndefine('WP_DEBUG', false);");
    assert_eq!(debian, ConfigError::Missing { name: "DB_NAME", include: Some(4) });
    assert!(debian.to_string().contains("line 4"), "{debian}");
    for end in ["return;", "exit;", "__halt_compiler();"] {
        assert_eq!(of(end), Err(ConfigError::Missing { name: "DB_NAME", include: None }), "{end}");
    }
    let bytes =
        parse(b"<?php define('DB_NAME','a\xff');define('DB_USER','');define('DB_PASSWORD','');define('DB_HOST','');");
    assert_eq!(bytes, Err(ConfigError::NotText { name: "DB_NAME", line: 1 }));
}

/// A string as code, and what else may stand between two statements.
fn any_literal() -> impl Strategy<Value = String> {
    let inside = prop::collection::vec(
        prop_oneof![
            "[a-zA-Z0-9 ]{1,6}",
            prop::sample::select(vec![
                "$ ",
                "$9",
                "$name",
                "{",
                "}",
                "\\\\",
                "\\n",
                "\\x41",
                "\\101",
                "\\377",
                "\\u{e9}",
                "\\'",
                "\\\"",
                "\\$",
                "\\q",
                "\n",
                "?>",
                "//",
                "/*",
                "*/",
                "#",
                "<?php",
                "\u{e9}",
                ";",
                ")",
                ",",
                "define('DB_NAME','no');",
                "<<<X",
                "\\8",
                "\\x",
                "\\u",
                "\t",
            ])
            .prop_map(str::to_owned),
        ],
        0..6,
    )
    .prop_map(|parts| parts.concat());
    (inside, 0..5u8).prop_map(|(text, kind)| match kind {
        0 => format!("'{}'", text.replace("\\\"", "x").replace('\'', "\\'").replace("\\\\'", "\\'")),
        1 => format!("\"{}\"", text.replace('"', "\\\"").replace("\\\\\"", "\\\"")),
        2 => format!("<<<'EOT'\n{text}\nEOT"),
        3 => format!("<<<EOT\n  {}\n  EOT", text.replace('\n', "\n  ")),
        _ => format!("<<<\"EOT\"\n{text}\nEOT"),
    })
}

fn any_file() -> impl Strategy<Value = String> {
    let filler = prop::sample::select(vec![
        "",
        "\n",
        "/* ' */",
        "// it's ?> html ' <?php\n",
        "# \"\n",
        "# ?> <?php /* \n */",
        "$x = \"a {$GLOBALS['_SERVER']['argc']} b\";",
        "if (PHP_VERSION_ID) { $y = 1; }",
        "if (PHP_VERSION_ID): $y = 2; endif;",
        "define('OTHER', __DIR__ . '/');",
        "$a = ['x' => 'y', 'z' => [1, 2]];",
        "$f = function ($a) { return \"}\"; };",
        "?>\n<b>'\"</b>\n<?php ",
        "$n = <<<EOT\n {$a['x']} ' \" $x\n EOT;",
        "$s = `true`;",
        "function f1() { define('OTHER2', 'inside'); }",
    ]);
    let name = prop::sample::select(vec!["DB_NAME", "DB_USER", "DB_PASSWORD", "DB_HOST", "$table_prefix"]);
    let call = prop::sample::select(vec!["define(", "DEFINE (", "\\define(\n", "define/**/( "]);
    let statement =
        (filler, name, call, any_literal(), any::<bool>()).prop_map(|(filler, name, call, value, double)| {
            let quote = if double { '"' } else { '\'' };
            match name {
                "$table_prefix" => format!("{filler}\n{name} = {value};"),
                _ => format!("{filler}\n{call}{quote}{name}{quote} , {value});"),
            }
        });
    prop::collection::vec(statement, 1..12).prop_map(|statements| format!("<?php\n{}", statements.join("\n")))
}

/// What PHP has after running the file: five values in hexadecimal, `-` for none; `None` where it refuses the file.
fn php(file: &str) -> Option<Vec<Option<Vec<u8>>>> {
    let tell = "register_shutdown_function(function () { if (error_get_last() && error_get_last()['type'] & (E_PARSE | E_ERROR | E_COMPILE_ERROR)) return;\
        foreach (['DB_NAME','DB_USER','DB_PASSWORD','DB_HOST'] as $c) $v[] = defined($c) ? bin2hex(constant($c)) : '-';\
        $v[] = isset($GLOBALS['table_prefix']) ? bin2hex($GLOBALS['table_prefix']) : '-';\
        fwrite(STDERR, \"\\nTOLD \" . implode(' ', $v) . \" .\"); }); eval('?>' . stream_get_contents(STDIN));";
    let mut child = Command::new("php")
        .args(["-n", "-d", "display_errors=0", "-d", "log_errors=0", "-r", tell])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("php starts");
    child.stdin.take().expect("a pipe").write_all(file.as_bytes()).expect("php reads");
    let output = child.wait_with_output().expect("php ends");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let told = text.rsplit_once("TOLD ")?.1.split(' ').take(5).map(|value| {
        let pairs = value.as_bytes().chunks_exact(2);
        (value != "-").then(|| {
            pairs.map(|p| u8::from_str_radix(std::str::from_utf8(p).expect("digits"), 16).expect("digits")).collect()
        })
    });
    Some(told.collect())
}

#[test]
fn what_is_read_is_what_php_finds() {
    if !has_all(&["php"]) {
        return;
    }
    const FILES: usize = 300;
    let mut runner = TestRunner::default();
    let (mut read, mut values) = (0, 0);
    for _ in 0..FILES {
        let file = any_file().new_tree(&mut runner).expect("a file").current();
        // What is left out is added behind, where the first define counts.
        let file = format!(
            "{file}\ndefine('DB_NAME','1');define('DB_USER','2');define('DB_PASSWORD','3');define('DB_HOST','4');"
        );
        let ours = parse(file.as_bytes());
        let Some(theirs) = php(&file) else { continue };
        let Ok(config) = ours else {
            // Refusing is right where a value is no text, or something is filled in; else each of these files is plain.
            let text = theirs.iter().flatten().all(|value| std::str::from_utf8(value).is_ok());
            assert!(!text || file.contains("$name"), "{:?} for {theirs:?}\n{file}", parse(file.as_bytes()));
            continue;
        };
        read += 1;
        let found = [Some(config.name), Some(config.user), Some(config.password), Some(config.host), config.prefix];
        for (ours, theirs) in found.into_iter().zip(theirs) {
            values += usize::from(theirs.as_ref().is_some_and(|v| v.len() > 1));
            assert_eq!(ours.map(String::into_bytes), theirs, "{file}");
        }
    }
    println!("{read} of {FILES} files were read, with {values} values of some length");
    assert!(read > FILES / 2, "only {read} of {FILES} files could be compared");
}

proptest! {
    #[test]
    fn any_bytes_are_an_answer_and_never_a_crash(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
        let _ = parse(&[b"<?php ", &bytes[..]].concat());
    }

    #[test]
    fn a_file_cut_short_or_with_a_byte_changed_is_an_answer(
        file in any_file(), at in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        let mut bytes = file.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = parse(&bytes);
        let _ = parse(&bytes[..at]);
    }
}
