/* The cost of memory alone: two copies each way. */

#include "floors.h"

typedef struct {
  size_t size;
  char *from, *between, *to;
} Copy;

static void round_trips(void *data, long n) {
  Copy *copy = data;
  while (n-- > 0)
    for (int way = 0; way < 2; way++) {
      memcpy(copy->between, copy->from, copy->size);
      __asm__ volatile("" ::: "memory"); /* neither copy may be left out */
      memcpy(copy->to, copy->between, copy->size);
      __asm__ volatile("" ::: "memory");
    }
}

static double copy_rate(size_t size) {
  Copy copy = {size, must(malloc(size)), must(malloc(size)), must(malloc(size))};
  memset(copy.from, 'x', size);
  double found = rate(round_trips, &copy);
  free(copy.from);
  free(copy.between);
  free(copy.to);
  return found;
}

void copies(void) {
  print("W5b", copy_rate(64 * 1024), "round trips/s");
  print("W5c", copy_rate(1024 * 1024), "round trips/s");
}
