//! Standard output, through the same C stream that `io.write` uses.

use std::ffi::c_void;

unsafe extern "C" {
    #[cfg_attr(any(target_os = "macos", target_os = "ios"), link_name = "__stdoutp")]
    static mut stdout: *mut libc::FILE;
}

/// Writes one whole line in one piece and flushes it, so that lines of several threads do not mix.
pub fn print_line(line: &[u8]) {
    // SAFETY: the stream is the C library's own; `fwrite` locks it for the whole piece.
    unsafe {
        libc::fwrite(line.as_ptr().cast::<c_void>(), 1, line.len(), stdout);
        libc::fflush(stdout);
    }
}
