//! Zones: how far local clocks are from UTC, when, and what that is called.

use super::civil::{DAY, ERA_DAYS, Parts};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneTransition};
use once_cell::sync::Lazy;
use parking_lot::RwLock;
use rustc_hash::FxHashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// Offsets of fixed zones stay below 100 hours, so that hours have two digits.
pub const MAX_OFFSET: i64 = 360_000 - 1;

/// Longest name of a fixed zone, in bytes.
pub const MAX_NAME: usize = 255;

/// Where systems keep their zone files, unless the variable `TZDIR` says it.
const FOLDERS: [&str; 4] =
    ["/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/usr/lib/zoneinfo", "/etc/zoneinfo"];

/// No zone has seen more clock changes; where rules go on for ever they are not followed further back.
const CHANGES: usize = 1000;

/// No zone file comes near this size.
const MAX_FILE: u64 = 1 << 20;

/// A zone.
#[derive(Clone, Debug)]
pub enum Zone {
    /// UTC.
    Utc,
    /// The zone of the system: that of the variable `TZ`, else of `/etc/localtime`. It is read when it is first needed, and
    /// stays the same until the program ends.
    Local,
    /// Always the same offset.
    Fixed(Arc<Fixed>),
    /// A zone of the system's files.
    Named(Arc<Named>),
}

/// A fixed offset from UTC with a name.
#[derive(Debug, PartialEq)]
pub struct Fixed {
    /// Any bytes; none if the zone was only ever written as an offset.
    pub name: Vec<u8>,
    /// Seconds east of UTC.
    pub offset: i32,
}

/// A zone that the system has a file for.
#[derive(Debug)]
pub struct Named {
    /// Its IANA name.
    pub name: String,
    zone: TimeZone,
}

static LOCAL: Lazy<TimeZone> = Lazy::new(TimeZone::system);

/// Every zone that was ever loaded, by name; there are no more of them than files.
static LOADED: Lazy<RwLock<FxHashMap<String, Arc<Named>>>> = Lazy::new(RwLock::default);

impl PartialEq for Zone {
    /// True for zones of the same kind and name, and for fixed ones of the same offset.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Zone::Utc, Zone::Utc) | (Zone::Local, Zone::Local) => true,
            (Zone::Fixed(one), Zone::Fixed(other)) => one == other,
            (Zone::Named(one), Zone::Named(other)) => one.name == other.name,
            _ => false,
        }
    }
}

impl Zone {
    /// A zone of one offset: at most [`MAX_OFFSET`] seconds east of UTC.
    pub fn fixed(name: &[u8], offset: i32) -> Self {
        Zone::Fixed(Arc::new(Fixed { name: name.to_vec(), offset }))
    }

    /// The zone of this IANA name, `None` if the system has no file for it. `UTC` and `Local` are known anywhere.
    pub fn load(name: &str) -> Option<Self> {
        match name {
            "UTC" => return Some(Zone::Utc),
            "Local" => return Some(Zone::Local),
            _ => {}
        }
        if let Some(known) = LOADED.read().get(name) {
            return Some(Zone::Named(Arc::clone(known)));
        }
        let zone = TimeZone::tzif(name, &read(name)?).ok()?;
        let named = Arc::new(Named { name: name.into(), zone });
        let mut loaded = LOADED.write();
        Some(Zone::Named(Arc::clone(loaded.entry(name.into()).or_insert(named))))
    }

    /// `UTC`, `Local`, or the name it was loaded or made under.
    pub fn name(&self) -> &[u8] {
        match self {
            Zone::Utc => b"UTC",
            Zone::Local => b"Local",
            Zone::Fixed(fixed) => &fixed.name,
            Zone::Named(named) => named.name.as_bytes(),
        }
    }

    /// Bytes of memory that it alone takes; zones of the system's files are shared by all.
    pub fn weight(&self) -> usize {
        if let Zone::Fixed(fixed) = self { size_of::<Fixed>() + fixed.name.len() } else { 0 }
    }

    /// The rules, for zones that have any.
    fn rules(&self) -> Option<&TimeZone> {
        match self {
            Zone::Utc | Zone::Fixed(_) => None,
            Zone::Local => Some(&LOCAL),
            Zone::Named(named) => Some(&named.zone),
        }
    }

    fn constant(&self) -> i32 {
        if let Zone::Fixed(fixed) = self { fixed.offset } else { 0 }
    }

    /// Seconds by which local clocks are ahead of UTC at this many seconds since 1970.
    pub fn offset(&self, seconds: i64) -> i32 {
        self.rules().map_or(self.constant(), |rules| rules.to_offset(instant(seconds)).seconds())
    }

    /// What the offset is called then, e.g. `CEST`; nothing if it has no name.
    pub fn abbreviation(&self, seconds: i64) -> Vec<u8> {
        match self.rules() {
            Some(rules) => rules.to_offset_info(instant(seconds)).abbreviation().into(),
            None => self.name().into(),
        }
    }

    /// The instant at which local clocks show so many seconds since 1970-01-01 00:00. A time that a clock change skipped is
    /// read as if the change had not been made yet, of a doubled one the first is taken.
    pub fn from_local(&self, local: i64) -> i64 {
        let offset = match self.rules() {
            None => self.constant(),
            Some(rules) => match civil(local).map(|civil| rules.to_ambiguous_timestamp(civil).offset()) {
                Some(AmbiguousOffset::Unambiguous { offset }) => offset.seconds(),
                Some(AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. }) => {
                    before.seconds()
                }
                None => 0,
            },
        };
        local - i64::from(offset)
    }

    /// The offset that is called `name` here: the one in force at local time `local` if it is called so, else that of the
    /// nearest clock change that led to it.
    pub fn offset_called(&self, name: &[u8], local: i64) -> Option<i32> {
        let Some(rules) = self.rules() else {
            return (self.name() == name).then(|| self.constant());
        };
        if let Some(civil) = civil(local) {
            let candidates = match rules.to_ambiguous_timestamp(civil).offset() {
                AmbiguousOffset::Unambiguous { offset } => [offset, offset],
                AmbiguousOffset::Gap { before, after } | AmbiguousOffset::Fold { before, after } => {
                    [before, after]
                }
            };
            for offset in candidates.map(|offset| offset.seconds()) {
                if self.abbreviation(local - i64::from(offset)) == name {
                    return Some(offset);
                }
            }
        }
        let called = |change: &TimeZoneTransition<'_>| change.abbreviation().as_bytes() == name;
        let near = instant(local);
        let later = rules.following(near).take(4).find(called);
        let found = later.or_else(|| rules.preceding(near).take(CHANGES).find(called));
        if let Some(change) = found {
            return Some(change.offset().seconds());
        }
        let first = rules.to_offset_info(Timestamp::MIN);
        (first.abbreviation().as_bytes() == name).then(|| first.offset().seconds())
    }
}

/// Moves seconds by whole eras into the years that `jiff` knows: dates and the rules of zones repeat after 400 years.
fn within_reach(seconds: i64) -> i64 {
    const ERA: i64 = ERA_DAYS * DAY;
    // A day from either end, which a zone's offset cannot cross.
    let (least, most) = (Timestamp::MIN.as_second() + 2 * DAY, Timestamp::MAX.as_second() - 2 * DAY);
    if seconds > most {
        seconds - ((seconds - most) / ERA + 1) * ERA
    } else if seconds < least {
        seconds + ((least - seconds) / ERA + 1) * ERA
    } else {
        seconds
    }
}

fn instant(seconds: i64) -> Timestamp {
    Timestamp::from_second(within_reach(seconds)).unwrap_or_default()
}

/// What a clock shows at these seconds; `None` never, since they are moved within reach.
fn civil(local: i64) -> Option<DateTime> {
    let parts = Parts::at(within_reach(local));
    let small = |part: u8| part as i8;
    let (hour, minute, second) = (small(parts.hour), small(parts.minute), small(parts.second));
    DateTime::new(
        i16::try_from(parts.year).ok()?,
        small(parts.month),
        small(parts.day),
        hour,
        minute,
        second,
        0,
    )
    .ok()
}

/// The zone file of this name.
fn read(name: &str) -> Option<Vec<u8>> {
    let is_part = |part: &str| !part.is_empty() && part != "." && !part.contains("..");
    if !name.split('/').all(is_part) || name.contains(['\\', '\0']) {
        return None;
    }
    let chosen = std::env::var_os("TZDIR");
    let folders = chosen.iter().map(Path::new).chain(FOLDERS.iter().map(Path::new));
    folders.map(|folder| folder.join(name)).find_map(|path| {
        let mut data = Vec::new();
        File::open(path).ok()?.take(MAX_FILE).read_to_end(&mut data).ok()?;
        Some(data)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::MAX_SECONDS;
    use proptest::prelude::*;

    fn zone(name: &str) -> Zone {
        Zone::load(name).unwrap()
    }

    #[test]
    fn names_that_could_leave_the_folder_are_unknown() {
        for name in ["", "..", "../zoneinfo/UTC", "/etc/localtime", "Europe/../UTC", "Europe//Paris", "./UTC"]
        {
            assert_eq!(read(name), None, "{name}");
        }
        for name in
            ["Europe", "Nowhere/Land", "tzdata.zi", "zone.tab", "Europe/Paris/", "Europe/Paris\0", "UTC\\x"]
        {
            assert_eq!(Zone::load(name), None, "{name}");
        }
    }

    #[test]
    fn clock_changes_of_new_york() {
        let zone = zone("America/New_York");
        // 2024-03-10 07:00 UTC: from EST to EDT.
        assert_eq!(zone.offset(1_710_053_999), -5 * 3600);
        assert_eq!(zone.offset(1_710_054_000), -4 * 3600);
        assert_eq!(zone.abbreviation(1_710_053_999), b"EST");
        assert_eq!(zone.abbreviation(1_710_054_000), b"EDT");
        // 02:30, which was skipped: as if the clock had not been changed, which is 03:30.
        assert_eq!(zone.from_local(1_710_037_800), 1_710_037_800 + 5 * 3600);
        // 2024-11-03 01:30, twice: the first.
        assert_eq!(zone.from_local(1_730_597_400), 1_730_597_400 + 4 * 3600);
    }

    #[test]
    fn an_abbreviation_is_looked_up_at_the_time_then_around_it() {
        let zone = zone("America/New_York");
        let (winter, doubled) = (1_705_320_000, 1_730_597_400);
        assert_eq!(zone.offset_called(b"EST", winter), Some(-5 * 3600));
        assert_eq!(zone.offset_called(b"EDT", winter), Some(-4 * 3600));
        assert_eq!(zone.offset_called(b"EDT", doubled), Some(-4 * 3600));
        assert_eq!(zone.offset_called(b"EST", doubled), Some(-5 * 3600));
        assert_eq!(zone.offset_called(b"EWT", winter), Some(-4 * 3600), "war time");
        assert_eq!(zone.offset_called(b"LMT", winter), Some(-17_762));
        assert_eq!(zone.offset_called(b"CET", winter), None);
        assert_eq!(Zone::fixed(b"KST", 32_400).offset_called(b"KST", winter), Some(32_400));
        assert_eq!(Zone::Utc.offset_called(b"KST", winter), None);
    }

    #[test]
    fn rules_go_on_beyond_the_years_of_the_crate() {
        let zone = zone("Europe/Paris");
        let era = ERA_DAYS * DAY;
        for seconds in [1_705_320_000, 1_720_000_000] {
            for eras in [-1000, -40, 20, 40, 1000] {
                if eras > 0 {
                    assert_eq!(zone.offset(seconds + eras * era), zone.offset(seconds), "{eras}");
                } else {
                    assert_eq!(zone.offset(seconds + eras * era), 561, "local mean time");
                }
            }
        }
        // The last second of 9999.
        assert_eq!(zone.offset(253_402_300_799), 3600);
    }

    proptest! {
        #[test]
        fn local_time_and_back(seconds in -MAX_SECONDS..=MAX_SECONDS, near in 0i64..4_000_000_000) {
            for zone in [zone("Europe/Paris"), zone("Asia/Kolkata"), zone("America/St_Johns"), Zone::fixed(b"", 7)] {
                for seconds in [seconds, near] {
                    let local = seconds + i64::from(zone.offset(seconds));
                    let back = zone.from_local(local);
                    // A doubled time may come back as the other one, which shows the same.
                    prop_assert_eq!(back + i64::from(zone.offset(back)), local);
                }
            }
        }
    }
}
