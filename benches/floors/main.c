/* Run as  floors NAME [SCALE];  prints the lines of benches/support.lua. */

#include "floors.h"
#include <time.h>

double scale = 1;

double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec * 1e-9;
}

double rate(void (*step)(void *, long), void *data) {
  double span = 0.4 * scale;
  for (long n = 1;;) {
    double start = seconds();
    step(data, n);
    double taken = seconds() - start;
    if (taken >= span)
      return n / taken;
    double factor = taken > 0 ? 1.1 * span / taken : 10;
    n = factor < 10 ? n * factor + 1 : n * 10;
  }
}

void print(const char *id, double value, const char *unit) {
  printf("%s %.9g %s\n", id, value, unit);
}

void *must(void *pointer) {
  if (!pointer) {
    fputs("floors: not enough memory\n", stderr);
    exit(1);
  }
  return pointer;
}

int main(int count, char **arguments) {
  static const struct {
    const char *name;
    void (*run)(void);
  } floors[] = {
      {"threads", threads}, /* W1, W5 of two threads with a state each; W11 of two threads */
      {"crowds", crowds},   /* W4b, W7 of 1,000 threads with a state each */
      {"states", states},   /* W1, W5, W7 of states on one thread */
      {"state", state},     /* W4, W6 of a state with all libraries */
      {"base", base},       /* W6 of a state with the basic functions alone */
      {"codec", codec},     /* W8 in one state */
      {"copies", copies},   /* W5 as memory: two copies each way */
  };
  if (count > 2)
    scale = atof(arguments[2]);
  for (size_t i = 0; i < sizeof floors / sizeof *floors; i++)
    if (count > 1 && !strcmp(arguments[1], floors[i].name)) {
      floors[i].run();
      return 0;
    }
  fputs("usage: floors threads|crowds|states|state|base|codec|copies [SCALE]\n", stderr);
  return 2;
}
