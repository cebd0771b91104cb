/* States: the cost of one, and many on one thread, each resumed with the values that another has yielded. */

#include "floors.h"

const char small[] = "return { n = 1, s = 'hello' }", t1k[] = "return dofile 'benches/t1k.lua'",
           string64k[] = "return ('x'):rep(64 * 1024)", string1m[] = "return ('x'):rep(1024 * 1024)";

static void *allocate(void *data, void *block, size_t old, size_t size) {
  (void)data, (void)old;
  if (size)
    return realloc(block, size);
  free(block);
  return NULL;
}

static lua_State *open_state(void) {
  lua_State *l = must(lua_newstate(allocate, NULL));
  lua_gc(l, LUA_GCSTOP, 0);
  return l;
}

lua_State *new_state(void) {
  lua_State *l = open_state();
  luaL_openlibs(l);
  lua_gc(l, LUA_GCRESTART, 0);
  return l;
}

static lua_State *new_base(void) {
  lua_State *l = open_state();
  lua_pushcfunction(l, luaopen_base);
  lua_pushliteral(l, "");
  lua_call(l, 1, 0);
  lua_gc(l, LUA_GCRESTART, 0);
  return l;
}

void run_chunk(lua_State *l, const char *source) {
  if (luaL_loadstring(l, source) || lua_pcall(l, 0, 1, 0)) {
    fprintf(stderr, "floors: %s\n", lua_tostring(l, -1));
    exit(1);
  }
}

int resume(lua_State *co, int arguments) {
#if LUA_VERSION_NUM >= 504
  int results;
  return lua_resume(co, NULL, arguments, &results);
#else
  return lua_resume(co, arguments);
#endif
}

/* ---- One state --------------------------------------------------------------------------------------------------- */

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

static double size_of(lua_State *make(void)) {
  enum { COUNT = 1000 };
  static lua_State *all[COUNT];
  double before = resident();
  for (int i = 0; i < COUNT; i++)
    all[i] = make();
  double found = (resident() - before) / COUNT;
  for (int i = 0; i < COUNT; i++)
    lua_close(all[i]);
  return found;
}

void state(void) {
  print("W4", rate(births, NULL), "processes/s");
  print("W6", size_of(new_state), "KiB/process");
}

void base(void) {
  print("W6", size_of(new_base), "KiB/process");
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

static double ring_rate(int size, const char *ball) {
  lua_State **all = must(malloc(size * sizeof *all));
  Ring ring = {.size = size, .coroutines = must(malloc(size * sizeof *all))};
  for (int i = 0; i < size; i++) {
    all[i] = new_state();
    ring.coroutines[i] = lua_newthread(all[i]);
    run_chunk(ring.coroutines[i], "return function(ball) while true do ball = coroutine.yield(ball) end end");
  }
  run_chunk(all[0], ball);
  encode(all[0], &ring.message);
  double found = rate(laps, &ring);
  for (int i = 0; i < size; i++)
    lua_close(all[i]);
  free(ring.message.bytes);
  free(ring.coroutines);
  free(all);
  return found;
}

void states(void) {
  print("W1", ring_rate(2, small), "round trips/s");
  print("W5a", ring_rate(2, t1k), "round trips/s");
  print("W5b", ring_rate(2, string64k), "round trips/s");
  print("W5c", ring_rate(2, string1m), "round trips/s");
  print("W7", 1000 * ring_rate(1000, small), "hops/s");
}
