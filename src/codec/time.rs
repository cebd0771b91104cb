//! Times and zones as bytes, without a tag. A zone of the system's files travels as its name.

use crate::calendar::time::Time;
use crate::calendar::zone::Zone;
use crate::runtime::clock::Timestamp;
use crate::wire::{Reader, put_bytes};

const UTC: u8 = 0;
const LOCAL: u8 = 1;
const FIXED: u8 = 2;
const NAMED: u8 = 3;

/// Appends a point in time.
pub fn put_time(out: &mut Vec<u8>, time: &Time) {
    out.extend_from_slice(&time.at.seconds.to_le_bytes());
    out.extend_from_slice(&time.at.nanoseconds.to_le_bytes());
    out.push(u8::from(time.at.monotonic.is_some()));
    out.extend_from_slice(&time.at.monotonic.unwrap_or(0).to_le_bytes());
    put_zone(out, &time.zone);
}

/// Reads what [`put_time`] wrote.
pub fn read_time(reader: &mut Reader<'_>) -> Option<Time> {
    let (seconds, nanoseconds) = (reader.i64()?, reader.u32()?);
    let (known, monotonic) = (reader.byte()? != 0, reader.i64()?);
    let at = Timestamp { seconds, nanoseconds, monotonic: known.then_some(monotonic) };
    Some(Time { at, zone: read_zone(reader)? })
}

/// Appends a zone.
pub fn put_zone(out: &mut Vec<u8>, zone: &Zone) {
    match zone {
        Zone::Utc => out.push(UTC),
        Zone::Local => out.push(LOCAL),
        Zone::Fixed(fixed) => {
            out.push(FIXED);
            out.extend_from_slice(&fixed.offset.to_le_bytes());
            put_bytes(out, &fixed.name);
        }
        Zone::Named(named) => {
            out.push(NAMED);
            put_bytes(out, named.name.as_bytes());
        }
    }
}

/// Reads what [`put_zone`] wrote.
pub fn read_zone(reader: &mut Reader<'_>) -> Option<Zone> {
    match reader.byte()? {
        UTC => Some(Zone::Utc),
        LOCAL => Some(Zone::Local),
        FIXED => {
            let offset = reader.u32()?.cast_signed();
            Some(Zone::fixed(reader.bytes()?, offset))
        }
        // Whoever wrote the name has loaded the zone, so it is known.
        NAMED => Zone::load(std::str::from_utf8(reader.bytes()?).ok()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_keeps_both_clocks_and_its_zone() {
        let paris = Zone::load("Europe/Paris").unwrap();
        for zone in [Zone::Utc, Zone::Local, Zone::fixed(b"K\xff", -5), paris] {
            for at in [Timestamp::now(), Timestamp { seconds: -5, nanoseconds: 7, monotonic: None }] {
                let time = Time { at, zone: zone.clone() };
                let mut out = Vec::new();
                put_time(&mut out, &time);
                let mut reader = Reader::new(&out);
                assert_eq!(read_time(&mut reader), Some(time));
                assert!(reader.is_empty());
            }
        }
        assert_eq!(read_zone(&mut Reader::new(&[NAMED, 1, b'x'])), None);
        assert_eq!(read_zone(&mut Reader::new(&[9])), None);
    }
}
