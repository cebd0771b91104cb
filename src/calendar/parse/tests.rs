//! What is read from text, and what is not.

use super::*;
use crate::calendar::format::format;
use crate::calendar::layout::{NAMED, PRINTED, RFC3339};
use proptest::prelude::*;

fn zone(name: &str) -> Zone {
    Zone::load(name).unwrap()
}

fn read_in(layout: &str, value: &str, zone: &Zone) -> Result<String, String> {
    let time = parse(layout.as_bytes(), value.as_bytes(), zone)?;
    Ok(String::from_utf8(format(&time, PRINTED.as_bytes()).unwrap()).unwrap())
}

fn read(layout: &str, value: &str) -> String {
    read_in(layout, value, &Zone::Utc).unwrap()
}

fn problem(layout: &str, value: &str) -> String {
    read_in(layout, value, &Zone::Utc).unwrap_err()
}

#[test]
fn one_value_in_many_layouts() {
    for (layout, value) in [
        ("Mon Jan _2 15:04:05 2006", "Thu Feb  4 21:00:57 2010"),
        ("Mon Jan _2 15:04:05 2006", "thu feb 4 21:00:57 2010"),
        ("Monday, 02-Jan-06 15:04:05 MST", "Thursday, 04-Feb-10 21:00:57 UTC"),
        ("2006-01-02 15:04:05", "2010-02-04 21:00:57"),
        ("2006-01-02 15:04:05", "2010-02-04   21:00:57"),
        ("20060102150405", "20100204210057"),
        ("2006-002 3:4:5PM", "2010-035 9:0:57PM"),
        ("January 2 2006 at 03:04:05 pm", "FEBRUARY 4 2010 at 09:00:57 pm"),
        (RFC3339, "2010-02-04T21:00:57Z"),
        (RFC3339, "2010-02-04T21:00:57+00:00"),
        ("2006-01-02 15:04:05 -0700", "2010-02-04 21:00:57 +0000"),
    ] {
        assert_eq!(read(layout, value), "2010-02-04 21:00:57 +0000 UTC", "{layout}");
    }
}

#[test]
fn missing_parts_are_the_least() {
    assert_eq!(read("", ""), "0000-01-01 00:00:00 +0000 UTC");
    assert_eq!(read("2006", "2024"), "2024-01-01 00:00:00 +0000 UTC");
    assert_eq!(read("3PM", "12AM"), "0000-01-01 00:00:00 +0000 UTC");
    assert_eq!(read("3PM", "12PM"), "0000-01-01 12:00:00 +0000 UTC");
    assert_eq!(read("02 Jan", "29 Feb"), "0000-02-29 00:00:00 +0000 UTC");
}

#[test]
fn two_digits_of_a_year() {
    assert_eq!(&read("06", "69")[..4], "1969");
    assert_eq!(&read("06", "99")[..4], "1999");
    assert_eq!(&read("06", "00")[..4], "2000");
    assert_eq!(&read("06", "68")[..4], "2068");
}

#[test]
fn fractions_are_read_where_they_may_stand() {
    for (layout, value, nanoseconds) in [
        ("15:04:05", "01:02:03.5", 500_000_000),
        ("15:04:05", "01:02:03,25", 250_000_000),
        ("15:04:05 MST", "01:02:03.123456789987 UTC", 123_456_789),
        ("15:04:05.000", "01:02:03.120", 120_000_000),
        ("15:04:05,000", "01:02:03.007", 7_000_000),
        ("15:04:05.999", "01:02:03", 0),
        ("15:04:05.999", "01:02:03.123456", 123_456_000),
        ("5", "3.000000001", 1),
    ] {
        let time = parse(layout.as_bytes(), value.as_bytes(), &Zone::Utc).unwrap();
        assert_eq!(time.at.nanoseconds, nanoseconds, "{layout} {value}");
    }
    assert_eq!(problem("05.000", "03.12"), "\".12\" does not match \".000\"");
    assert_eq!(problem("05.000", "03.1234"), "extra text \"4\"");
    assert_eq!(problem("05.000", "03"), "\"\" does not match \".000\"");
    assert_eq!(problem("05", "03."), "extra text \".\"");
    assert_eq!(problem("04", "03.5"), "extra text \".5\"");
}

#[test]
fn ranges() {
    for (layout, value, reason) in [
        ("01", "00", "month out of range"),
        ("1", "13", "month out of range"),
        ("2006-01-02", "2023-02-29", "day out of range"),
        ("2006-01-02", "2024-04-31", "day out of range"),
        ("02", "00", "day out of range"),
        ("15", "24", "hour out of range"),
        ("3PM", "13PM", "hour out of range"),
        ("04", "60", "minute out of range"),
        ("05", "60", "second out of range"),
        ("2006 002", "2023 366", "day of the year out of range"),
        ("2006 002", "2023 000", "day of the year out of range"),
        ("2006 002 01", "2023 032 01", "day of the year does not match the month"),
        ("2006 002 2", "2023 032 2", "day of the year does not match the day"),
        ("-07:00", "+25:00", "hour of the offset out of range"),
        ("-0700", "-0061", "minute of the offset out of range"),
    ] {
        assert_eq!(problem(layout, value), reason, "{layout} {value}");
    }
    assert_eq!(read("2006 002", "2024 366"), "2024-12-31 00:00:00 +0000 UTC");
    assert_eq!(read("2006 002", "2024 060"), "2024-02-29 00:00:00 +0000 UTC");
    assert_eq!(read("2006 002", "2023 060"), "2023-03-01 00:00:00 +0000 UTC");
}

#[test]
fn what_does_not_match() {
    for (layout, value, reason) in [
        ("2006-01-02", "24-01-02", "\"24-01-02\" does not match \"2006\""),
        ("2006-01-02", "2024/01/02", "\"/01/02\" does not match \"-\""),
        ("2006-01-02", "2024-1-02", "\"1-02\" does not match \"01\""),
        ("2006-01-02", "2024-01-02 ", "extra text \" \""),
        ("Jan", "Foo", "\"Foo\" does not match \"Jan\""),
        ("Mon", "Foo", "\"Foo\" does not match \"Mon\""),
        ("PM", "am", "\"am\" does not match \"PM\""),
        ("-07:00", "Z", "\"Z\" does not match \"-07:00\""),
        ("Z07:00", "0700", "\"0700\" does not match \"Z07:00\""),
        ("-07:00", "+0700", "\"+0700\" does not match \"-07:00\""),
        ("MST", "xx", "\"xx\" does not match \"MST\""),
        ("MST", "ABCDE", "\"ABCDE\" does not match \"MST\""),
        ("a b", "ab", "\"b\" does not match \" b\""),
        ("06", "-5", "\"-5\" does not match \"06\""),
    ] {
        assert_eq!(problem(layout, value), reason, "{layout} {value}");
    }
}

#[test]
fn a_zone_in_the_value_decides() {
    let paris = zone("Europe/Paris");
    let read = |layout: &str, value: &str| read_in(layout, value, &paris).unwrap();
    assert_eq!(read("2006-01-02", "2024-07-01"), "2024-07-01 00:00:00 +0200 CEST");
    assert_eq!(read(RFC3339, "2024-07-01T00:00:00+02:00"), "2024-07-01 00:00:00 +0200 CEST");
    assert_eq!(read(RFC3339, "2024-01-01T00:00:00+02:00"), "2024-01-01 00:00:00 +0200 +0200");
    assert_eq!(read(RFC3339, "2024-07-01T00:00:00Z"), "2024-07-01 00:00:00 +0000 UTC");
    assert_eq!(read(RFC3339, "2024-07-01T00:00:00+24:60"), "2024-07-01 00:00:00 +2500 +2500");
    let named = "2006-01-02 MST";
    assert_eq!(read(named, "2024-07-01 CEST"), "2024-07-01 00:00:00 +0200 CEST");
    assert_eq!(read(named, "2024-07-01 CET"), "2024-07-01 01:00:00 +0200 CEST");
    assert_eq!(read(named, "2024-07-01 KST"), "2024-07-01 00:00:00 +0000 KST");
    assert_eq!(read(named, "2024-07-01 GMT"), "2024-07-01 00:00:00 +0000 GMT");
    assert_eq!(read(named, "2024-07-01 GMT-8"), "2024-07-01 00:00:00 -0800 GMT-8");
    assert_eq!(read(named, "2024-07-01 +03"), "2024-07-01 00:00:00 +0300 +03");
    assert_eq!(read(named, "2024-07-01 ChST"), "2024-07-01 00:00:00 +0000 ChST");
    assert_eq!(read(named, "2024-07-01 WITA"), "2024-07-01 00:00:00 +0000 WITA");
    assert_eq!(read(named, "2024-07-01 AKST"), "2024-07-01 00:00:00 +0000 AKST");
    let both = "2006-01-02 -0700 MST";
    assert_eq!(read(both, "2024-07-01 +0200 CEST"), "2024-07-01 00:00:00 +0200 CEST");
    assert_eq!(read(both, "2024-07-01 +0200 EET"), "2024-07-01 00:00:00 +0200 EET");
    assert!(read_in("MST", "+99999999999999999999999", &paris).is_err());
}

#[test]
fn whatever_is_written_can_be_read() {
    let zones = [Zone::Utc, zone("Europe/Paris"), zone("Asia/Kolkata"), Zone::fixed(b"KST", 32_400)];
    proptest!(|(seconds in -62_167_000_000i64..253_402_000_000, nanosecond in 0..1_000_000_000i64, which in 0..4usize)| {
        let zone = &zones[which];
        let time = Time::from_unix(seconds, nanosecond, zone.clone()).unwrap();
        // Offsets that are no whole minutes cannot be written.
        prop_assume!(time.offset() % 60 == 0);
        for layout in ["2006-01-02T15:04:05.999999999Z07:00", "Mon Jan _2 3:4:5.000000000 PM 2006 -0700"] {
            let text = format(&time, layout.as_bytes()).unwrap();
            let back = parse(layout.as_bytes(), &text, zone).unwrap();
            prop_assert_eq!(back.at, time.at);
        }
    });
}

proptest! {
    #[test]
    fn no_bytes_do_harm(layout: Vec<u8>, value: Vec<u8>) {
        let _ = parse(&layout, &value, &Zone::Utc);
    }

    #[test]
    fn no_value_does_harm(which in 0..NAMED.len(), value in "[0-9 :.,TZ+A-Z-]{0,40}") {
        let _ = parse(NAMED[which].1.as_bytes(), value.as_bytes(), &Zone::Utc);
    }

    #[test]
    fn no_layout_does_harm(layout: Vec<u8>, seconds in -(1i64 << 53) + 1..1 << 53) {
        let time = Time::from_unix(seconds, 1, Zone::fixed(b"x", 5)).unwrap();
        prop_assert!(format(&time, &layout).is_ok());
    }
}
