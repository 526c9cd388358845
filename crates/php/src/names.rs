//! Lists of names with wildcards, as settings have them: `_ga, _ga_*`.

/// Names; `*` stands for any characters, none included.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(Vec<Vec<u8>>);

impl Names {
    /// A list separated by commas.
    pub(crate) fn parse(text: &str) -> Self {
        Self(
            text.split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(|name| name.as_bytes().to_vec())
                .collect(),
        )
    }

    /// Whether one of them is, or stands for, this name.
    pub(crate) fn cover(&self, name: &[u8]) -> bool {
        self.0.iter().any(|pattern| fits(pattern, name))
    }
}

/// Whether `text` is what `pattern` says. Goes back to the last `*` only, so its time is bounded by the product of lengths.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    (p, t) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn a_star_stands_for_any_characters_and_nothing_else_does() {
        let names = Names::parse(" _ga, _ga_* ,, *x*y ");
        for (name, covered) in [
            ("_ga", true),
            ("_ga_", true),
            ("_ga_1A2B", true),
            ("_gab", false),
            ("_GA", false),
            ("xy", true),
            ("axbxcy", true),
            ("axbyc", false),
            ("", false),
        ] {
            assert_eq!(names.cover(name.as_bytes()), covered, "{name}");
        }
        assert!(!Names::parse(" , ").cover(b"") && !Names::default().cover(b""));
        assert!(Names::parse("*").cover(b"") && Names::parse("*").cover(b"x"));
    }
}
