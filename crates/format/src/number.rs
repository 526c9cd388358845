//! Numbers as PHP and JSON write them.

use crate::format::Format;

/// An integer or a float, as the sum of two of them is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    pub(crate) fn float(self) -> f64 {
        match self {
            Self::Int(int) => int as f64,
            Self::Float(float) => float,
        }
    }

    /// `self + changed - base`; integers that leave their range become floats, as in PHP.
    pub(crate) fn plus_change(self, base: Self, changed: Self) -> Self {
        if let (Self::Int(a), Self::Int(b), Self::Int(c)) = (self, base, changed) {
            let sum = i128::from(a) + i128::from(c) - i128::from(b);
            return i64::try_from(sum).map_or(Self::Float(sum as f64), Self::Int);
        }
        Self::Float(self.float() + (changed.float() - base.float()))
    }

    pub(crate) fn at_least(self, other: Self) -> bool {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a >= b,
            // What is no number is never the larger one.
            _ => self.float() >= other.float() || other.float().is_nan(),
        }
    }

    /// As a value of that format; JSON has no infinities, so that there they give `None`.
    pub(crate) fn encode(self, format: Format) -> Option<Vec<u8>> {
        let text = match (self, format.is_php()) {
            (Self::Int(int), true) => format!("i:{int};"),
            (Self::Int(int), false) => int.to_string(),
            (Self::Float(float), true) => format!("d:{};", php_float(float)),
            (Self::Float(float), false) if float.is_finite() => format!("{float:?}"),
            (Self::Float(_), false) => return None,
        };
        Some(text.into_bytes())
    }
}

/// A float as PHP serializes it with its default `serialize_precision` of -1: the fewest digits that give it back, an
/// exponent from 17 digits or below 0.0001.
pub(crate) fn php_float(float: f64) -> String {
    if float.is_nan() {
        return "NAN".into();
    }
    if float.is_infinite() {
        return if float > 0.0 { "INF" } else { "-INF" }.into();
    }
    let text = format!("{float:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..17).contains(&exponent) {
        return format!("{float}");
    }
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{point}E{exponent:+}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_have_the_text_that_php_gives_them() {
        let known = [
            (0.1, "0.1"),
            (1e17, "1.0E+17"),
            (1e16, "10000000000000000"),
            (1.234_567_890_123_456_8e17, "1.2345678901234568E+17"),
            (1e-4, "0.0001"),
            (1e-5, "1.0E-5"),
            (-0.0, "-0"),
            (5e-324, "5.0E-324"),
            (f64::MAX, "1.7976931348623157E+308"),
            (2e20, "2.0E+20"),
            (f64::NEG_INFINITY, "-INF"),
        ];
        for (float, text) in known {
            assert_eq!(php_float(float), text);
        }
    }

    #[test]
    fn a_sum_out_of_range_becomes_a_float() {
        let sum = Number::Int(i64::MAX).plus_change(Number::Int(0), Number::Int(1));
        assert_eq!(sum, Number::Float(9_223_372_036_854_775_808.0));
        let back = Number::Int(i64::MAX).plus_change(Number::Int(i64::MAX), Number::Int(i64::MAX - 1));
        assert_eq!(back, Number::Int(i64::MAX - 1));
    }
}
