//! Telling code that a compiler made at run time from code of a file.

/// True if the address lies in an executable mapping of no file: code that a compiler has made at run time. Reads the memory
/// map with `open`, `read` and `close` alone, into a buffer on the stack, so that a signal handler may call it.
#[cfg(target_os = "linux")]
pub unsafe fn contains(address: usize) -> bool {
    let file = libc::open(c"/proc/self/maps".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
    if file < 0 {
        return false;
    }
    let mut buffer = [0u8; 4096];
    let mut filled = 0;
    let mut found = None;
    while found.is_none() {
        let room = &mut buffer[filled..];
        let count = libc::read(file, room.as_mut_ptr().cast(), room.len());
        if count <= 0 {
            break;
        }
        filled += count as usize;
        let mut start = 0;
        while let Some(length) = buffer[start..filled].iter().position(|&byte| byte == b'\n') {
            if let Some(answer) = look_at_mapping(&buffer[start..start + length], address) {
                found = Some(answer);
                break;
            }
            start += length + 1;
        }
        if start == 0 && filled == buffer.len() {
            break;
        }
        buffer.copy_within(start..filled, 0);
        filled -= start;
    }
    libc::close(file);
    found.unwrap_or(false)
}

/// One line of the map, `start-end perms offset device inode [name]`: `None` if the address is not in it.
#[cfg(target_os = "linux")]
fn look_at_mapping(line: &[u8], address: usize) -> Option<bool> {
    let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let range = words.next()?;
    let dash = range.iter().position(|&byte| byte == b'-')?;
    let (start, end) = (hexadecimal(&range[..dash])?, hexadecimal(&range[dash + 1..])?);
    if address < start || address >= end {
        return None;
    }
    let executable = words.next()?.get(2) == Some(&b'x');
    let (_, _, inode) = (words.next()?, words.next()?, words.next()?);
    Some(executable && inode == b"0" && words.next().is_none())
}

#[cfg(target_os = "linux")]
fn hexadecimal(digits: &[u8]) -> Option<usize> {
    digits.iter().try_fold(0usize, |value, &digit| {
        let digit = (digit as char).to_digit(16)?;
        Some(value << 4 | digit as usize)
    })
}

/// Elsewhere the memory map cannot be read from a handler.
#[cfg(not(target_os = "linux"))]
pub unsafe fn contains(_: usize) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn tells_generated_code_from_a_file() {
        let line = b"7f0000000000-7f0000010000 r-xp 00000000 00:00 0 ";
        assert_eq!(look_at_mapping(line, 0x7f00_0000_1234), Some(true));
        assert_eq!(look_at_mapping(line, 0x7f00_0001_0000), None);
        let file = b"7f0000000000-7f0000010000 r-xp 00000000 08:01 77 /lib/libc.so";
        assert_eq!(look_at_mapping(file, 0x7f00_0000_1234), Some(false));
        let data = b"7f0000000000-7f0000010000 rw-p 00000000 00:00 0";
        assert_eq!(look_at_mapping(data, 0x7f00_0000_1234), Some(false));
        let here = tells_generated_code_from_a_file as *const () as usize;
        // SAFETY: only reads the memory map.
        assert!(!unsafe { contains(here) });
    }
}
