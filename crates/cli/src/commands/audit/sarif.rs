//! SARIF 2.1.0, the form in which code hosts and editors take findings.

use serde_json::{Value, json};

/// What the rules are called, and what they say.
pub const RULES: &[(&str, &str)] = &[
    ("session-on-every-request", "A session is started on every request, so that no page comes out of a page cache."),
    ("session-start", "A session is started, only at times or when is not known."),
    ("session-call", "A function of PHP's sessions is called."),
    ("session-variable", "$_SESSION is used."),
    ("session-dynamic", "A function of PHP's sessions is called by way of a string."),
    ("session-setting", "A setting of PHP's sessions is changed."),
    ("session-cookie", "A cookie with a session's name is set by hand."),
    ("plugin-session", "A session of a WordPress plugin is used."),
    ("page-not-cacheable", "A page can't be served from a page cache."),
    ("cached-session-cookie", "A cache hands the same session cookie to everybody."),
    ("cookie-attributes", "A session's cookie could be safer."),
    ("page-not-fetched", "A page could not be fetched."),
];

/// One result.
#[derive(Debug, Clone)]
pub struct Finding {
    /// One of [`RULES`].
    pub rule: &'static str,
    /// `error`, `warning` or `note`.
    pub level: &'static str,
    /// A whole sentence.
    pub message: String,
    /// A file's path, relative where it was named so, or a page's address.
    pub uri: String,
    /// Line and column, from 1; none for pages.
    pub at: Option<(usize, usize)>,
}

/// The document.
pub fn document(findings: &[Finding]) -> Value {
    let rules: Vec<Value> =
        RULES.iter().map(|(id, text)| json!({ "id": id, "shortDescription": { "text": text } })).collect();
    let results: Vec<Value> = findings.iter().map(result).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "cloakroom audit",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": "https://github.com/cloakroom/cloakroom",
                "rules": rules,
            } },
            "columnKind": "utf16CodeUnits",
            "results": results,
        }],
    })
}

fn result(finding: &Finding) -> Value {
    let mut place = json!({ "artifactLocation": { "uri": uri(&finding.uri) } });
    if let Some((line, column)) = finding.at {
        place["region"] = json!({ "startLine": line, "startColumn": column });
    }
    json!({
        "ruleId": finding.rule,
        "ruleIndex": RULES.iter().position(|(id, _)| *id == finding.rule),
        "level": finding.level,
        "message": { "text": finding.message },
        "locations": [{ "physicalLocation": place }],
    })
}

/// A path as a URI's path; addresses stay.
fn uri(text: &str) -> String {
    if text.starts_with("http://") || text.starts_with("https://") {
        return text.to_owned();
    }
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b'+' | b'@' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_result_names_a_rule_that_the_document_has() {
        let finding = Finding {
            rule: "session-start",
            level: "note",
            message: "x".into(),
            uri: "a b/ü.php".into(),
            at: Some((3, 4)),
        };
        let document = document(&[finding]);
        let result = &document["runs"][0]["results"][0];
        let index = result["ruleIndex"].as_u64().expect("a number") as usize;
        assert_eq!(document["runs"][0]["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a%20b/%C3%BC.php");
        assert_eq!(place["region"]["startLine"], 3);
    }
}
