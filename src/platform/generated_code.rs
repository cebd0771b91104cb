//! Tells code that a compiler made at run time from code that comes from a file.

/// True if the address lies in an executable mapping of no file: code that a compiler has made at run time. For signal
/// handlers.
#[cfg(target_os = "linux")]
pub fn contains(address: usize) -> bool {
    let mut found = false;
    each_mapping(|mapping| {
        let here = (mapping.start..mapping.end).contains(&address);
        found = here && mapping.executable && !mapping.of_file;
        !here
    });
    found
}

/// True if a word between the two addresses of the stack may be a return address into code of a file. For signal handlers.
///
/// # Safety
/// The words can be read.
#[cfg(target_os = "linux")]
pub unsafe fn stack_returns_to_file(from: usize, to: usize) -> bool {
    let words = (to - from) / size_of::<usize>();
    let mut found = false;
    let complete = each_mapping(|mapping| {
        found = mapping.executable
            && mapping.of_file
            && (0..words)
                // SAFETY: the caller's words.
                .map(|word| unsafe { (from as *const usize).add(word).read() })
                .any(|address| (mapping.start..mapping.end).contains(&address));
        !found
    });
    found || !complete
}

/// A line of the memory map.
#[cfg(target_os = "linux")]
struct Mapping {
    start: usize,
    end: usize,
    executable: bool,
    of_file: bool,
}

/// Bytes that are read at a time. The stack of a signal handler may have no more than 8 KiB, of which the registers of the
/// processor take three or more. A line says within so many bytes whether it is that of a file, however long the name is.
#[cfg(target_os = "linux")]
const BUFFER: usize = 512;

/// Calls `act` with each mapping until that gives `false`. Reads the memory map with `open`, `read` and `close` alone, into a
/// buffer on the stack, so that a signal handler may call it. `false`: it could not be read.
#[cfg(target_os = "linux")]
fn each_mapping(mut act: impl FnMut(Mapping) -> bool) -> bool {
    // SAFETY: the name ends in zero.
    let file = unsafe { libc::open(c"/proc/self/maps".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    if file < 0 {
        return false;
    }
    let mut buffer = [0u8; BUFFER];
    let (mut filled, mut goes_on, mut complete) = (0, true, false);
    // What is read belongs to a line that was looked at.
    let mut seen = false;
    while goes_on {
        let room = &mut buffer[filled..];
        // SAFETY: the file is open, and has this room.
        let count = unsafe { libc::read(file, room.as_mut_ptr().cast(), room.len()) };
        if count <= 0 {
            complete = count == 0;
            break;
        }
        filled += count as usize;
        let mut start = 0;
        while goes_on && let Some(length) = buffer[start..filled].iter().position(|&byte| byte == b'\n') {
            if !seen && let Some(mapping) = read_mapping(&buffer[start..start + length]) {
                goes_on = act(mapping);
            }
            seen = false;
            start += length + 1;
        }
        if start == 0 && filled == buffer.len() {
            if !seen && let Some(mapping) = read_mapping(&buffer) {
                goes_on = act(mapping);
            }
            seen = true;
            start = filled;
        }
        buffer.copy_within(start..filled, 0);
        filled -= start;
    }
    // SAFETY: opened above.
    unsafe { libc::close(file) };
    complete || !goes_on
}

/// One line of the map: `start-end perms offset device inode [name]`.
#[cfg(target_os = "linux")]
fn read_mapping(line: &[u8]) -> Option<Mapping> {
    let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let range = words.next()?;
    let dash = range.iter().position(|&byte| byte == b'-')?;
    let (start, end) = (hexadecimal(&range[..dash])?, hexadecimal(&range[dash + 1..])?);
    let executable = words.next()?.get(2) == Some(&b'x');
    let (_, _, inode) = (words.next()?, words.next()?, words.next()?);
    let of_file = inode != b"0" || words.next().is_some();
    Some(Mapping { start, end, executable, of_file })
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
pub fn contains(_: usize) -> bool {
    false
}

/// Elsewhere any word may be a return address into code of a file.
///
/// # Safety
/// None; elsewhere there is one.
#[cfg(not(target_os = "linux"))]
pub unsafe fn stack_returns_to_file(_: usize, _: usize) -> bool {
    true
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn tells_generated_code_from_a_file() {
        let look = |line| read_mapping(line).map(|mapping| (mapping.executable, mapping.of_file));
        let line = b"7f0000000000-7f0000010000 r-xp 00000000 00:00 0 ";
        assert_eq!(look(line), Some((true, false)));
        let range = read_mapping(line).map(|mapping| (mapping.start, mapping.end));
        assert_eq!(range, Some((0x7f00_0000_0000, 0x7f00_0001_0000)));
        let file = b"7f0000000000-7f0000010000 r-xp 00000000 08:01 77 /lib/libc.so";
        assert_eq!(look(file), Some((true, true)));
        let data = b"7f0000000000-7f0000010000 rw-p 00000000 00:00 0";
        assert_eq!(look(data), Some((false, false)));
        let here = tells_generated_code_from_a_file as *const () as usize;
        assert!(!contains(here));
        let stack = [0, here, 0];
        let from = stack.as_ptr() as usize;
        // SAFETY: only reads the array.
        let (with, without) =
            unsafe { (stack_returns_to_file(from, from + 24), stack_returns_to_file(from + 16, from + 24)) };
        assert!(with && !without);
    }

    #[test]
    fn a_file_with_a_long_name_is_one_mapping_like_others() {
        use std::os::fd::AsRawFd;
        let top = std::env::temp_dir().join(format!("process-long-name-{}", std::process::id()));
        let folder = (0..4).fold(top.clone(), |path, _| path.join("x".repeat(200)));
        std::fs::create_dir_all(&folder).unwrap();
        let file = std::fs::File::create_new(folder.join("mapped")).unwrap();
        file.set_len(1).unwrap();
        // SAFETY: a new mapping, which nobody reads.
        let start = unsafe {
            libc::mmap(std::ptr::null_mut(), 1, libc::PROT_NONE, libc::MAP_PRIVATE, file.as_raw_fd(), 0)
        };
        let (mut found, mut behind) = (Vec::new(), 0);
        let complete = each_mapping(|mapping| {
            if mapping.start == start as usize {
                found.push(mapping.of_file);
            }
            behind += usize::from(mapping.start > start as usize);
            true
        });
        // SAFETY: the mapping from above.
        unsafe { libc::munmap(start, 1) };
        std::fs::remove_dir_all(top).unwrap();
        assert_eq!((complete, found), (true, vec![true]));
        assert!(behind > 1);
    }
}
