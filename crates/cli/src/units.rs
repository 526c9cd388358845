//! Ages, sizes and times as people write and read them.

use std::time::Duration;

use cloakroom::Time;

/// The command that lists sessions, as error texts name it.
pub const LIST: &str = "cloakroom list";

/// Reads an age: a number with `s`, `m` or `min`, `h`, `d` or `w` after it.
///
/// # Errors
/// A sentence for the operator.
pub fn parse_age(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err("an age is a number with its unit, such as 90s, 30m, 12h, 7d or 2w".into()),
    };
    let seconds = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(factor));
    match seconds {
        Some(seconds) if seconds <= 100 * 365 * 86_400 => Ok(Duration::from_secs(seconds)),
        Some(_) => Err("that is more than a hundred years".into()),
        None => Err("an age is a whole number with its unit, such as 90s, 30m, 12h, 7d or 2w".into()),
    }
}

/// Reads a size: bytes, or with `K`, `M` or `G` (1024 each; `KB` and `KiB` are the same).
///
/// # Errors
/// A sentence for the operator.
pub fn parse_size(text: &str) -> Result<u32, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text[digits.len()..].to_ascii_uppercase();
    let factor: u64 = match unit.trim_end_matches('B').trim_end_matches('I') {
        "" if unit != "I" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return Err("a size is a number of bytes, or one with K, M or G, such as 20K".into()),
    };
    let size = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(factor));
    size.and_then(|n| u32::try_from(n).ok()).ok_or_else(|| "a size is a whole number below 4G, such as 20K".into())
}

/// A span of time in one unit, rounded down: `45 s`, `12 min`, `3 h`, `5 d`.
pub fn span(time: Duration) -> String {
    match time.as_secs() {
        s @ 0..120 => format!("{s} s"),
        s @ 120..7_200 => format!("{} min", s / 60),
        s @ 7_200..172_800 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    }
}

/// A short time as measured: `40 µs`, `3.7 ms`, `37 ms`, `1.2 s`.
pub fn measured(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    if ms < 1.0 {
        format!("{:.0} µs", ms * 1000.0)
    } else if ms < 10.0 {
        format!("{ms:.1} ms")
    } else if ms < 1000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1000.0)
    }
}

/// Bytes for people: `812 B`, `1.5 KiB`, `20 MiB`.
pub fn size(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, "B");
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        // 1023.9 would be shown as 1024.
        if value < 1023.5 {
            break;
        }
        (value, unit) = (value / 1024.0, next);
    }
    if unit == "B" || value >= 9.95 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
}

/// A number with a comma between thousands.
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 session`, `12 sessions`.
pub fn counted(n: u64, thing: &str) -> String {
    format!("{} {thing}{}", number(n), if n == 1 { "" } else { "s" })
}

/// A point in time as RFC 3339 in UTC, to the second.
pub fn rfc3339(time: Time) -> String {
    let (year, month, day, second) = civil(time);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// A point in time for people.
pub fn utc(time: Time) -> String {
    let (year, month, day, second) = civil(time);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", second / 3600, second / 60 % 60, second % 60)
}

/// A point in time for people, to the minute and without its zone: `2023-11-14 22:00`.
pub fn hour(time: Time) -> String {
    let (year, month, day, second) = civil(time);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", second / 3600, second / 60 % 60)
}

/// Year, month, day and second of the day, in the proleptic Gregorian calendar. Years are counted from March, so that
/// the leap day comes last.
fn civil(time: Time) -> (u64, u64, u64, u64) {
    let (days, second) = (time.seconds() / 86_400, time.seconds() % 86_400);
    let since_march_0000 = days + 719_468;
    let (era, day_of_era) = (since_march_0000 / 146_097, since_march_0000 % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day, second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_sizes_are_read_with_their_units() {
        assert_eq!(parse_age("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_age("30m"), parse_age("30min"));
        assert_eq!(parse_age("2w"), Ok(Duration::from_secs(14 * 86_400)));
        for bad in ["", "7", "d", "-1d", "1.5h", "7y", "99999999999999999999d", "9999999w", "7dä"] {
            assert!(parse_age(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_size("20K"), Ok(20 << 10));
        assert_eq!(parse_size("20kib"), Ok(20 << 10));
        assert_eq!(parse_size("7"), Ok(7));
        assert_eq!(parse_size("7B"), Ok(7));
        for bad in ["", "K", "-1", "4G", "1T", "1I", "1KK"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(rfc3339(Time(0)), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(Time(951_782_400_000)), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(Time(1_700_000_000_999)), "2023-11-14T22:13:20Z");
        assert_eq!(utc(Time(4_107_542_399_000)), "2100-02-28 23:59:59 UTC");
        assert!(rfc3339(Time(u64::MAX)).ends_with('Z'));
    }

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!([number(7), number(1_204), number(1_234_567)], ["7", "1,204", "1,234,567"]);
        assert_eq!([size(812), size(1536), size(1 << 20), size(20 << 20)], ["812 B", "1.5 KiB", "1.0 MiB", "20 MiB"]);
        assert_eq!([size(1023), size(1024), size(u64::MAX)], ["1023 B", "1.0 KiB", "16777216 TiB"]);
        assert_eq!([span(Duration::from_secs(119)), span(Duration::from_secs(7_199))], ["119 s", "119 min"]);
        assert_eq!(counted(1, "session"), "1 session");
    }
}
