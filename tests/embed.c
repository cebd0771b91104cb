/* A program that embeds Lua: it opens, uses and closes states that require the module, from several threads. The
   code of the states is in embed.lua. `embed CASE [COUNT]` runs one of the cases at the end of this file in the folder of the
   project. If anything is wrong it says so and ends with code 1. LUA_CPATH tells where the module is. */
#include <dirent.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

static void fail(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why ? why : "no text");
  _exit(1);
}

static lua_State *open_state(void) {
  lua_State *L = luaL_newstate();
  if (!L) fail("open", "no memory");
  luaL_openlibs(L);
  if (luaL_dofile(L, "tests/embed.lua")) fail("open", lua_tostring(L, -1));
  lua_setglobal(L, "states");
  return L;
}

/* Calls a function of embed.lua; the result is valid until the next call. */
static const char *run(lua_State *L, const char *function, const char *argument) {
  lua_settop(L, 0);
  lua_getglobal(L, "states");
  lua_getfield(L, 1, function);
  lua_pushstring(L, argument);
  if (lua_pcall(L, 1, 1, 0)) fail(function, lua_tostring(L, -1));
  return lua_tostring(L, -1);
}

static const char *run_with(lua_State *L, const char *function, int number) {
  char text[16];
  snprintf(text, sizeof text, "%d", number);
  return run(L, function, text);
}

static pthread_t start(void *(*body)(void *), void *argument) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, body, argument)) fail("start", "no thread");
  return thread;
}

static void join(pthread_t thread) { pthread_join(thread, NULL); }

/* `many`: four threads share eight places for states. Each takes a random place. If the place is empty, the thread opens a
   state; otherwise it uses the state again, or closes it. So states live side by side, end in any order, and are used and
   closed by other threads than those that opened them. In the end nothing has grown. */
enum { THREADS = 4, PLACES = 8 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static lua_State *places[PLACES];
static int to_open;

static lua_State *exchange(int place, lua_State *L) {
  pthread_mutex_lock(&lock);
  lua_State *before = places[place];
  places[place] = L;
  pthread_mutex_unlock(&lock);
  return before;
}

static int may_open(void) {
  pthread_mutex_lock(&lock);
  int may = to_open > 0;
  to_open -= may;
  pthread_mutex_unlock(&lock);
  return may;
}

static void *use_places(void *seed) {
  unsigned random = (unsigned)(size_t)seed;
  for (;;) {
    int place = rand_r(&random) % PLACES;
    lua_State *L = exchange(place, NULL);
    if (!L) {
      if (!may_open()) return NULL;
      L = open_state();
      run(L, "use", NULL);
    } else if (rand_r(&random) % 2) {
      run(L, "use_again", NULL);
    } else {
      lua_close(L);
      continue;
    }
    L = exchange(place, L);
    if (L) lua_close(L);
  }
}

static void use_many(int count) {
  pthread_t threads[THREADS];
  to_open = count;
  for (size_t i = 0; i < THREADS; i++) threads[i] = start(use_places, (void *)(i + (size_t)count));
  for (int i = 0; i < THREADS; i++) join(threads[i]);
  for (int place = 0; place < PLACES; place++) {
    lua_State *L = exchange(place, NULL);
    if (L) lua_close(L);
  }
}

/* A number in the operating system's account of this program. */
static long status(const char *field) {
  char line[256];
  long value = -1;
  FILE *file = fopen("/proc/self/status", "r");
  while (file && fgets(line, sizeof line, file))
    if (!strncmp(line, field, strlen(field))) value = strtol(line + strlen(field) + 1, NULL, 10);
  if (file) fclose(file);
  return value;
}

static long descriptors(void) {
  long count = 0;
  DIR *folder = opendir("/proc/self/fd");
  while (folder && readdir(folder)) count++;
  if (folder) closedir(folder);
  return count;
}

/* Memory that is in use, in KiB: without what the C library keeps for later, which is as much as was in use at the busiest
   moment. */
static long memory_in_use(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
  return status("VmRSS");
}

/* How many threads there are when those that wait for more work have ended, which they do after a second without any. Waits
   until there are at most so many, at most ten seconds. */
static long threads_down_to(long wanted) {
  long threads = status("Threads");
  for (int i = 0; i < 1000 && threads > wanted; i++) {
    usleep(10000);
    threads = status("Threads");
  }
  return threads;
}

/* Prints the numbers after the first fifth, and those in the end. */
static void many(int count) {
  use_many(count / 5);
  long memory = memory_in_use(), open = descriptors(), threads = status("Threads");
  use_many(count - count / 5);
  long more_memory = memory_in_use(), more_threads = threads_down_to(threads);
  printf("memory %ld %ld\nthreads %ld %ld\n", memory, more_memory, threads, more_threads);
  printf("descriptors %ld %ld\n", open, descriptors());
}

/* `family`: closing a state, here by another thread, ends what was spawned from it, directly or not, and nothing else. */
static void *close_state(void *L) {
  lua_close(L);
  return NULL;
}

static void family(int count) {
  lua_State *watcher = open_state(), *other = open_state();
  for (int i = 0; i < count; i++) {
    lua_State *L = open_state();
    run(other, "survive", NULL);
    run(watcher, "watch", run(L, "have_family", NULL));
    join(start(close_state, L));
    run(watcher, "see_them_end", NULL);
    run(other, "survive", NULL);
  }
  lua_close(watcher);
  lua_close(other);
}

/* `talk`: two main processes exchange messages, each on its own thread. */
static void *answer(void *unused) {
  lua_State *L = open_state();
  run(L, "answer", NULL);
  lua_close(L);
  return unused;
}

static void talk(int count) {
  lua_State *L = open_state();
  pthread_t thread = start(answer, NULL);
  run_with(L, "ask", count);
  join(thread);
  lua_close(L);
}

/* `deadlock`: a main process waits as long as there is another one, or a thread, and gets an error when it is the last. */
static atomic_int is_last;
static int late;

static void *outlast(void *other) {
  run(other, "outlast", late ? "5ms" : "1us");
  lua_close(other);
  is_last = 1;
  return NULL;
}

static void deadlock(int count) {
  for (int i = 0; i < count; i++) {
    lua_State *L = open_state(), *other = open_state();
    is_last = 0;
    late = i % 2;
    pthread_t thread = start(outlast, other);
    run(L, "wait_in_vain", NULL);
    if (!is_last) fail("deadlock", "there was another main process, or its thread");
    join(thread);
    lua_close(L);
  }
}

/* `outsider`: a main process that is alone waits for threads that load the module only after it has begun to wait. */
static void *come_late(void *from) {
  lua_State *L = open_state();
  run(L, "call_in", from);
  lua_close(L);
  return NULL;
}

static void outsider(int count) {
  enum { OTHERS = 3 };
  for (int i = 0; i < count; i++) {
    lua_State *L = open_state();
    char pid[64];
    snprintf(pid, sizeof pid, "%s", run(L, "expect_calls", NULL));
    pthread_t threads[OTHERS];
    for (int k = 0; k < OTHERS; k++) threads[k] = start(come_late, pid);
    run_with(L, "take_calls", OTHERS);
    for (int k = 0; k < OTHERS; k++) join(threads[k]);
    lua_close(L);
  }
}

/* `busy`: the state closes while its children do whatever they do. */
static void busy(int count) {
  for (int i = 0; i < count; i++) {
    lua_State *L = open_state();
    run_with(L, "be_busy", i);
    lua_close(L);
  }
}

/* `again`: the module stays mapped when the last state has closed, and serves the next one. */
static void again(int count) {
  for (int i = 0; i < count; i++) {
    lua_State *L = open_state();
    run(L, "have_family", NULL);
    lua_close(L);
    char line[4096];
    int mapped = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) mapped |= strstr(line, "/process.so") != NULL;
    if (maps) fclose(maps);
    if (maps && !mapped) fail("again", "the module is not there any more");
  }
}

/* `fork`: main processes of the forking thread go on in the child; not if another thread has one. */
static atomic_int other_is_open, other_may_close;

static void *hold_open(void *unused) {
  lua_State *L = open_state();
  other_is_open = 1;
  while (!other_may_close) usleep(1000);
  lua_close(L);
  return unused;
}

/* Forks; two states do `in_child` in the child, while the parent goes on. */
static void fork_with(lua_State *L, lua_State *other, const char *in_child) {
  int status = 0;
  pid_t child = fork();
  if (child == 0) {
    run(L, in_child, NULL);
    run(other, in_child, NULL);
    lua_close(other);
    if (L != other) lua_close(L);
    _exit(0);
  }
  run(L, "raise_family", NULL);
  run(other, "raise_family", NULL);
  if (waitpid(child, &status, 0) != child || status != 0) fail("fork", in_child);
}

static void fork_often(int count) {
  for (int i = 0; i < count; i++) {
    lua_State *L = open_state(), *other = open_state();
    fork_with(L, other, "raise_family");
    other_is_open = other_may_close = 0;
    pthread_t thread = start(hold_open, NULL);
    while (!other_is_open) usleep(1000);
    fork_with(L, other, "be_severed");
    other_may_close = 1;
    join(thread);
    lua_close(L);
    fork_with(other, other, "raise_family");
    lua_close(other);
  }
}

/* `return` and `exit`: the program ends while threads wait in their states, and children compute. */
static void *wait_for_ever(void *L) {
  run(L, "wait_for_ever", NULL);
  return NULL;
}

static void leave_waiting(void) {
  start(wait_for_ever, open_state());
  start(wait_for_ever, open_state());
  run(open_state(), "outlast", "20ms");
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*body)(int);
    int count;
  } cases[] = {{"many", many, 1000}, {"family", family, 30}, {"talk", talk, 1000}, {"deadlock", deadlock, 30},
               {"outsider", outsider, 20},
               {"busy", busy, 80}, {"again", again, 30}, {"fork", fork_often, 10}};
  const char *name = argc > 1 ? argv[1] : "";
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (!strcmp(name, cases[i].name)) {
      cases[i].body(argc > 2 ? atoi(argv[2]) : cases[i].count);
      return 0;
    }
  if (strcmp(name, "return") && strcmp(name, "exit")) fail(name, "no such case");
  leave_waiting();
  if (!strcmp(name, "exit")) exit(7);
  return 7;
}
