//! Lengths of time as text: `"1h30m"`, `"1.5s"`, and back.

const UNITS: [(&str, i64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads an optional sign and one or more of number and unit: `"1h30m"`, `"-1.5s"`, `"0"`. Nanoseconds, `None` if the text
/// is anything else or beyond 292 years. The locale does not matter.
pub fn parse(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (part, after) = match after.strip_prefix('.') {
            Some(after) => digits(after),
            None => ("", after),
        };
        if whole.is_empty() && part.is_empty() {
            return None;
        }
        let length = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (name, after) = after.split_at(length);
        let unit = i128::from(UNITS.iter().find(|(unit, _)| *unit == name)?.1);
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total = total.checked_add(whole.checked_mul(unit)?)?.checked_add(fraction(part, unit))?;
        if total > i128::from(i64::MAX) {
            return None;
        }
        rest = after;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// The digits after the point as nanoseconds of a unit, cut off at whole nanoseconds.
fn fraction(digits: &str, unit: i128) -> i128 {
    // 15 digits are finer than a nanosecond of the largest unit.
    let digits = &digits[..digits.len().min(15)];
    let value: i128 = digits.parse().unwrap_or(0);
    value * unit / 10i128.pow(digits.len() as u32)
}

/// The largest unit first, down to seconds (`1h30m45.5s`); below a second one unit (`1.5ms`).
pub fn format(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let total = nanoseconds.unsigned_abs();
    let (unit, scale) = match total {
        0 => return "0s".into(),
        1..1_000 => ("ns", 1),
        1_000..1_000_000 => ("µs", 1_000),
        1_000_000..1_000_000_000 => ("ms", 1_000_000),
        _ => ("s", 1_000_000_000),
    };
    if unit != "s" {
        return format!("{sign}{}{unit}", decimal(total, scale));
    }
    let (hours, minutes) = (total / 3_600_000_000_000, total / 60_000_000_000 % 60);
    let seconds = decimal(total % 60_000_000_000, scale);
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, _) => format!("{sign}{minutes}m{seconds}s"),
        _ => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

/// `value / scale` with as many digits after the point as are not zero.
fn decimal(value: u64, scale: u64) -> String {
    let (whole, part) = (value / scale, value % scale);
    if part == 0 {
        return whole.to_string();
    }
    let width = scale.ilog10() as usize;
    let digits = format!("{part:0width$}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_contract_shows() {
        for (text, nanoseconds) in [
            ("3s", 3_000_000_000),
            ("100ms", 100_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("-2m", -120_000_000_000),
            ("0", 0),
            ("+5us", 5_000),
            ("5µs", 5_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("9223372036854775807ns", i64::MAX),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(nanoseconds), "{text}");
        }
        for bad in [
            "",
            "10",
            "1d",
            "5 s",
            "s",
            "-",
            ".s",
            "1e3s",
            "9223372036854775808ns",
            "300000000h",
            " 1s",
            "1s ",
            "--1s",
        ] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(parse(b"\xff"), None);
    }

    #[test]
    fn writes_the_largest_unit_first() {
        for (nanoseconds, text) in [
            (7_200_000_000_000, "2h0m0s"),
            (5_445_500_000_000, "1h30m45.5s"),
            (0, "0s"),
            (1_500_000, "1.5ms"),
            (-90_000_000_000, "-1m30s"),
            (1, "1ns"),
            (1_001, "1.001µs"),
            (60_000_000_000, "1m0s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(format(nanoseconds), text);
        }
    }
}
