//! Which known name somebody may have meant (W-8).

/// The end of an error text about an unknown name: ` (did you mean KEY?)`, or nothing if no known name is near.
pub fn suggestion<'a>(name: &[u8], known: impl IntoIterator<Item = &'a str>) -> String {
    let Ok(name) = std::str::from_utf8(name) else { return String::new() };
    // A third of the name may be wrong, at most two letters; two letters that have changed places count once.
    let limit = (name.chars().count() / 3).clamp(1, 2);
    let distances = known.into_iter().map(|key| (strsim::osa_distance(name, key), key));
    match distances.filter(|(distance, _)| *distance <= limit).min() {
        Some((_, key)) => format!(" (did you mean {key}?)"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::suggestion;

    #[test]
    fn only_what_is_near_is_suggested() {
        let known = ["workers", "timeout", "mailbox_limit"];
        assert_eq!(suggestion(b"worker", known), " (did you mean workers?)");
        assert_eq!(suggestion(b"tiemout", known), " (did you mean timeout?)");
        assert_eq!(suggestion(b"mailboxlimit", known), " (did you mean mailbox_limit?)");
        for far in [&b"host"[..], b"x", b"", b"\xff"] {
            assert_eq!(suggestion(far, known), "");
        }
    }
}
