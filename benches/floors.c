/* What the figures are compared to: the cost of the VM and of the system alone, by the plain C API of Lua.
 *
 * Run as  floors NAME [SCALE];  prints the lines of benches/support.lua. The names:
 *   threads  W1 of two threads with a state each that look out for 50 us, then sleep; W11 of two such threads
 *   states   W1 and W7 of states on one thread, each resumed with the message that another has yielded
 *   state    W4 and W6 of a state with all libraries
 *   copies   W5b and W5c as memory: two copies each way */

#define _GNU_SOURCE
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double scale = 1;

/* ---- Measuring -------------------------------------------------------------------------------------------------- */

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec * 1e-9;
}

/* Steps per second, as `support.rate`: calls step(data, n) with a growing n, counts the last call alone. */
static double rate(void (*step)(void *, long), void *data) {
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

static void print(const char *id, double value, const char *unit) {
  printf("%s %.9g %s\n", id, value, unit);
}

static void *must(void *pointer) {
  if (!pointer) {
    fputs("floors: not enough memory\n", stderr);
    exit(1);
  }
  return pointer;
}

/* ---- States ----------------------------------------------------------------------------------------------------- */

static void *allocate(void *data, void *block, size_t old, size_t size) {
  (void)data, (void)old;
  if (size)
    return realloc(block, size);
  free(block);
  return NULL;
}

/* A state with all libraries, opened while the collector rests. */
static lua_State *new_state(void) {
  lua_State *l = must(lua_newstate(allocate, NULL));
  lua_gc(l, LUA_GCSTOP, 0);
  luaL_openlibs(l);
  lua_gc(l, LUA_GCRESTART, 0);
  return l;
}

/* Runs the chunk; what it returns is on top. */
static void run_chunk(lua_State *l, const char *source) {
  if (luaL_loadstring(l, source) || lua_pcall(l, 0, 1, 0)) {
    fprintf(stderr, "floors: %s\n", lua_tostring(l, -1));
    exit(1);
  }
}

static int resume(lua_State *co, int arguments) {
#if LUA_VERSION_NUM >= 504
  int results;
  return lua_resume(co, NULL, arguments, &results);
#else
  return lua_resume(co, arguments);
#endif
}

/* ---- The small message: a flat table of numbers and short strings as bytes ---------------------------------------- */

enum { INTEGER, FLOAT, STRING };

typedef struct {
  int pairs;
  size_t size;
  char bytes[240];
} Message;

static void put(Message *message, const void *bytes, size_t size) {
  if (message->size + size > sizeof message->bytes)
    abort();
  memcpy(message->bytes + message->size, bytes, size);
  message->size += size;
}

static void put_string(Message *message, lua_State *l, int index) {
  size_t size;
  const char *bytes = lua_tolstring(l, index, &size);
  put(message, &size, sizeof size);
  put(message, bytes, size);
}

/* Writes the table on top and takes it off. */
static void encode(lua_State *l, Message *message) {
  message->pairs = 0;
  message->size = 0;
  for (lua_pushnil(l); lua_next(l, -2); lua_pop(l, 1)) {
    message->pairs++;
    put_string(message, l, -2);
    char tag = STRING;
#if LUA_VERSION_NUM >= 503
    if (lua_isinteger(l, -1)) {
      lua_Integer value = lua_tointeger(l, -1);
      tag = INTEGER;
      put(message, &tag, 1);
      put(message, &value, sizeof value);
      continue;
    }
#endif
    if (lua_type(l, -1) == LUA_TNUMBER) {
      lua_Number value = lua_tonumber(l, -1);
      tag = FLOAT;
      put(message, &tag, 1);
      put(message, &value, sizeof value);
    } else {
      put(message, &tag, 1);
      put_string(message, l, -1);
    }
  }
  lua_pop(l, 1);
}

static const char *get_string(lua_State *l, const char *at) {
  size_t size;
  memcpy(&size, at, sizeof size);
  lua_pushlstring(l, at + sizeof size, size);
  return at + sizeof size + size;
}

/* Pushes the table. */
static void decode(lua_State *l, const Message *message) {
  const char *at = message->bytes;
  lua_createtable(l, 0, message->pairs);
  for (int i = 0; i < message->pairs; i++) {
    at = get_string(l, at);
    char tag = *at++;
    if (tag == INTEGER) {
      lua_Integer value;
      memcpy(&value, at, sizeof value);
      lua_pushinteger(l, value);
      at += sizeof value;
    } else if (tag == FLOAT) {
      lua_Number value;
      memcpy(&value, at, sizeof value);
      lua_pushnumber(l, value);
      at += sizeof value;
    } else {
      at = get_string(l, at);
    }
    lua_rawset(l, -3);
  }
}

/* ---- Threads ---------------------------------------------------------------------------------------------------- */

/* Room for one message, and a sleeper. Its owner announces PARKED under the lock, so that no wake-up is lost. */
typedef struct {
  enum { EMPTY, PARKED, FULL } _Atomic state;
  Message message;
  pthread_mutex_t lock;
  pthread_cond_t filled;
} Box;

#define NEW_BOX {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER}

/* Tells the owner that the message has been written. */
static void fill(Box *box) {
  if (atomic_exchange(&box->state, FULL) != PARKED)
    return;
  pthread_mutex_lock(&box->lock);
  pthread_cond_signal(&box->filled);
  pthread_mutex_unlock(&box->lock);
}

/* Waits until the message can be read, and takes it. */
static void await(Box *box) {
  for (double end = seconds() + 50e-6; atomic_load(&box->state) != FULL;) {
    if (seconds() < end) {
      sched_yield();
      continue;
    }
    int empty = EMPTY;
    pthread_mutex_lock(&box->lock);
    if (atomic_compare_exchange_strong(&box->state, &empty, PARKED))
      while (atomic_load(&box->state) == PARKED)
        pthread_cond_wait(&box->filled, &box->lock);
    pthread_mutex_unlock(&box->lock);
  }
  atomic_store(&box->state, EMPTY);
}

/* One end of a rally; a message without pairs ends it. */
typedef struct {
  lua_State *l;
  Box *in, *out;
} End;

/* receive(): the next message, nil at the end. */
static int receive(lua_State *l) {
  End *end = lua_touserdata(l, lua_upvalueindex(1));
  await(end->in);
  if (!end->in->message.pairs)
    return 0;
  decode(l, &end->in->message);
  return 1;
}

/* send(message) */
static int send(lua_State *l) {
  End *end = lua_touserdata(l, lua_upvalueindex(1));
  lua_settop(l, 1);
  encode(l, &end->out->message);
  fill(end->out);
  return 0;
}

/* A state with `receive`, `send`, and the function of the chunk on top. */
static void open_end(End *end, const char *source) {
  end->l = new_state();
  lua_pushlightuserdata(end->l, end);
  lua_pushcclosure(end->l, receive, 1);
  lua_setglobal(end->l, "receive");
  lua_pushlightuserdata(end->l, end);
  lua_pushcclosure(end->l, send, 1);
  lua_setglobal(end->l, "send");
  run_chunk(end->l, source);
}

static void *echo_messages(void *end) {
  lua_call(((End *)end)->l, 0, 0);
  return NULL;
}

static void rally(void *end, long n) {
  lua_State *l = ((End *)end)->l;
  lua_pushvalue(l, -1);
  lua_pushinteger(l, n);
  lua_call(l, 1, 0);
}

static void threads_pingpong(void) {
  Box there = NEW_BOX, back = NEW_BOX;
  End here = {.in = &back, .out = &there}, partner = {.in = &there, .out = &back};
  open_end(&here, "local ball = { n = 1, s = 'hello' }\n"
                  "return function(n) for _ = 1, n do send(ball) ball = receive() end end");
  open_end(&partner, "return function()\n"
                     "  local ball = receive()\n"
                     "  while ball do send(ball) ball = receive() end\n"
                     "end");
  pthread_t thread;
  pthread_create(&thread, NULL, echo_messages, &partner);
  print("W1", rate(rally, &here), "round trips/s");
  there.message.pairs = 0;
  fill(&there);
  pthread_join(thread, NULL);
  lua_close(here.l);
  lua_close(partner.l);
}

static atomic_int stop;

static void *spin(void *data) {
  while (!atomic_load_explicit(&stop, memory_order_relaxed))
    ;
  return data;
}

static void *echo_signals(void *boxes) {
  Box *there = boxes, *back = there + 1;
  for (;;) {
    await(there);
    if (atomic_load(&stop))
      return NULL;
    fill(back);
  }
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* 99 of 100 echoes are back within so many milliseconds of when they were due, beside two threads that spin. */
static void threads_fairness(void) {
  Box boxes[2] = {NEW_BOX, NEW_BOX};
  pthread_t threads[3];
  int count = 500 * scale < 100 ? 100 : 500 * scale;
  double *delays = must(malloc(count * sizeof *delays));
  pthread_create(&threads[0], NULL, spin, NULL);
  pthread_create(&threads[1], NULL, spin, NULL);
  pthread_create(&threads[2], NULL, echo_signals, boxes);
  for (int i = 0; i < count; i++) {
    double due = seconds() + 1e-3;
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    fill(&boxes[0]);
    await(&boxes[1]);
    delays[i] = seconds() - due;
  }
  atomic_store(&stop, 1);
  fill(&boxes[0]);
  for (int i = 0; i < 3; i++)
    pthread_join(threads[i], NULL);
  qsort(delays, count, sizeof *delays, by_size);
  print("W11", 1e3 * delays[(count * 99 + 99) / 100 - 1], "ms");
  free(delays);
}

static void threads(void) {
  threads_pingpong();
  threads_fairness();
}

/* ---- States on one thread ------------------------------------------------------------------------------------------ */

/* States in a ring, each with a coroutine that yields the message it is resumed with. */
typedef struct {
  int size;
  lua_State **coroutines;
  Message message;
} Ring;

static void laps(void *data, long n) {
  Ring *ring = data;
  for (long lap = 0; lap < n; lap++)
    for (int i = 0; i < ring->size; i++) {
      lua_State *co = ring->coroutines[i];
      decode(co, &ring->message);
      if (resume(co, 1) != LUA_YIELD)
        abort();
      encode(co, &ring->message);
    }
}

static double ring_rate(int size) {
  lua_State **states = must(malloc(size * sizeof *states));
  Ring ring = {.size = size, .coroutines = must(malloc(size * sizeof *states))};
  for (int i = 0; i < size; i++) {
    states[i] = new_state();
    ring.coroutines[i] = lua_newthread(states[i]);
    run_chunk(ring.coroutines[i], "return function(ball) while true do ball = coroutine.yield(ball) end end");
  }
  run_chunk(states[0], "return { n = 1, s = 'hello' }");
  encode(states[0], &ring.message);
  double found = rate(laps, &ring);
  for (int i = 0; i < size; i++)
    lua_close(states[i]);
  free(states);
  free(ring.coroutines);
  return found;
}

static void states(void) {
  print("W1", ring_rate(2), "round trips/s");
  print("W7", 1000 * ring_rate(1000), "hops/s");
}

/* ---- One state ----------------------------------------------------------------------------------------------------- */

static void births(void *data, long n) {
  (void)data;
  while (n-- > 0)
    lua_close(new_state());
}

/* Resident memory of this program in KiB. */
static double resident(void) {
  long pages = 0;
  FILE *file = must(fopen("/proc/self/statm", "r"));
  if (fscanf(file, "%*d %ld", &pages) != 1)
    abort();
  fclose(file);
  return pages * 4.0;
}

static void state(void) {
  print("W4", rate(births, NULL), "processes/s");
  enum { COUNT = 1000 };
  static lua_State *all[COUNT];
  double before = resident();
  for (int i = 0; i < COUNT; i++)
    all[i] = new_state();
  print("W6", (resident() - before) / COUNT, "KiB/process");
  for (int i = 0; i < COUNT; i++)
    lua_close(all[i]);
}

/* ---- Memory -------------------------------------------------------------------------------------------------------- */

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

static void copies(void) {
  print("W5b", copy_rate(64 * 1024), "round trips/s");
  print("W5c", copy_rate(1024 * 1024), "round trips/s");
}

int main(int count, char **arguments) {
  static const struct {
    const char *name;
    void (*run)(void);
  } floors[] = {{"threads", threads}, {"states", states}, {"state", state}, {"copies", copies}};
  if (count > 2)
    scale = atof(arguments[2]);
  for (size_t i = 0; i < sizeof floors / sizeof *floors; i++)
    if (count > 1 && !strcmp(arguments[1], floors[i].name)) {
      floors[i].run();
      return 0;
    }
  fputs("usage: floors threads|states|state|copies [SCALE]\n", stderr);
  return 2;
}
