/* The entry frame of a process: enter() runs body and may be left, once, by leave() from anywhere above it.
 * Saving the signal mask would cost a system call for every step: who jumped out of a handler sets it right afterwards. */
#include <setjmp.h>
#include <stddef.h>

_Static_assert(sizeof(sigjmp_buf) <= 320, "JumpBuffer in frame.rs is too small");

int process_frame_enter(sigjmp_buf *frame, void (*body)(void *), void *data) {
  if (sigsetjmp(*frame, 0)) return 1;
  body(data);
  return 0;
}

void process_frame_leave(sigjmp_buf *frame) { siglongjmp(*frame, 1); }
