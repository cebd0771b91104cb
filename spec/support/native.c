/* Services of the operating system that a spec needs and Lua does not offer. Each function is a lua_CFunction, loaded with
   package.loadlib; the declarations stand in for the headers of either VM. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct lua_State lua_State;
void lua_pushnumber(lua_State *L, double number);
double lua_tonumberx(lua_State *L, int index, int *isnum);
double lua_tonumber(lua_State *L, int index);

#ifdef LUAJIT
#define number_at(L, index) lua_tonumber(L, index)
#else
#define number_at(L, index) lua_tonumberx(L, index, NULL)
#endif

/* fork() -> 0 in the child, its process id in the parent */
int native_fork(lua_State *L) {
  lua_pushnumber(L, fork());
  return 1;
}

/* wait(pid) -> exit code, or 1000 + the signal that ended it */
int native_wait(lua_State *L) {
  int status = 0;
  waitpid((pid_t)number_at(L, 1), &status, 0);
  lua_pushnumber(L, WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status));
  return 1;
}

/* close_others(): closes all descriptors but the standard ones, as daemons do */
int native_close_others(lua_State *L) {
  (void)L;
  for (int descriptor = 3; descriptor < 256; descriptor++) close(descriptor);
  return 0;
}

static volatile sig_atomic_t handled;

static void count(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info, (void)context;
  handled++;
}

/* catch(signal): counts it from now on */
int native_catch(lua_State *L) {
  struct sigaction action = {.sa_sigaction = count, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigaction((int)number_at(L, 1), &action, NULL);
  return 0;
}

/* raise(signal) -> how many were caught so far */
int native_raise(lua_State *L) {
  kill(getpid(), (int)number_at(L, 1));
  lua_pushnumber(L, handled);
  return 1;
}

/* block(signal): on this thread, from now on */
int native_block(lua_State *L) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, (int)number_at(L, 1));
  sigprocmask(SIG_BLOCK, &set, NULL);
  return 0;
}

static void tell(void) {
  if (write(1, "handler\n", 8) != 8)
    abort();
}

/* at_exit(): has a line written to standard output when the program exits */
int native_at_exit(lua_State *L) {
  (void)L;
  atexit(tell);
  return 0;
}

/* pair() -> two descriptors, the ends of one stream; neither blocks */
int native_pair(lua_State *L) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) abort();
  for (int end = 0; end < 2; end++) {
    fcntl(ends[end], F_SETFL, O_NONBLOCK);
    fcntl(ends[end], F_SETFD, FD_CLOEXEC);
    lua_pushnumber(L, ends[end]);
  }
  return 2;
}

/* put(fd, count) -> how many bytes were written */
int native_put(lua_State *L) {
  static char bytes[65536];
  size_t count = (size_t)number_at(L, 2);
  lua_pushnumber(L, (double)write((int)number_at(L, 1), bytes, count < sizeof bytes ? count : sizeof bytes));
  return 1;
}

/* take(fd, count) -> how many bytes were read; 0 at the end, -1 if there are none */
int native_take(lua_State *L) {
  char bytes[65536];
  size_t count = (size_t)number_at(L, 2);
  lua_pushnumber(L, (double)read((int)number_at(L, 1), bytes, count < sizeof bytes ? count : sizeof bytes));
  return 1;
}

/* close(fd) -> 0 if it was open */
int native_close(lua_State *L) {
  lua_pushnumber(L, close((int)number_at(L, 1)));
  return 1;
}

/* readable(fd, ms) -> 1 if it is within so many milliseconds */
int native_readable(lua_State *L) {
  struct pollfd poll_fd = {.fd = (int)number_at(L, 1), .events = POLLIN};
  lua_pushnumber(L, poll(&poll_fd, 1, (int)number_at(L, 2)) == 1 && poll_fd.revents & POLLIN);
  return 1;
}

/* on_exec(fd) -> 1 if a started program would not have it */
int native_on_exec(lua_State *L) {
  lua_pushnumber(L, fcntl((int)number_at(L, 1), F_GETFD) & FD_CLOEXEC);
  return 1;
}

/* A scheduler of coroutines as in a C module (cqueues): a list of records on the C stack has the coroutines it resumes. If a
   record is still in the list when the Lua state closes, its frame was jumped over. */
void *lua_newuserdatauv(lua_State *L, size_t size, int values);
void *lua_newuserdata(lua_State *L, size_t size);
void lua_createtable(lua_State *L, int array, int fields);
int lua_setmetatable(lua_State *L, int index);
void lua_setfield(lua_State *L, int index, const char *name);
void lua_pushcclosure(lua_State *L, int (*function)(lua_State *), int upvalues);
void lua_pushboolean(lua_State *L, int value);
void lua_pushvalue(lua_State *L, int index);
void lua_settop(lua_State *L, int index);
void *lua_touserdata(lua_State *L, int index);
lua_State *lua_newthread(lua_State *L);
void lua_xmove(lua_State *from, lua_State *to, int count);
#ifdef LUAJIT
int lua_resume(lua_State *co, int count);
#define resume_with(co, L, count) lua_resume(co, count)
#define new_userdata(L, size) lua_newuserdata(L, size)
#define pop_results(co, count) lua_settop(co, 0)
#else
int lua_resume(lua_State *co, lua_State *from, int count, int *results);
static int resume_with(lua_State *co, lua_State *L, int count) {
  int results = 0;
  int status = lua_resume(co, L, count, &results);
  if (status == 1) lua_settop(co, -results - 1);
  return status;
}
#define new_userdata(L, size) lua_newuserdatauv(L, size, 0)
#define pop_results(co, count) (void)0
#endif

struct record {
  struct record *before;
};

static volatile int torn;

static int scheduler_closes(lua_State *L) {
  struct record **list = lua_touserdata(L, 1);
  if (*list) __atomic_add_fetch(&torn, 1, __ATOMIC_SEQ_CST);
  return 0;
}

/* torn() -> how many lists of records were not empty when they should have been */
int native_torn(lua_State *L) {
  lua_pushnumber(L, torn);
  return 1;
}

/* scheduler() -> a scheduler */
int native_scheduler(lua_State *L) {
  struct record **list = new_userdata(L, sizeof *list);
  *list = NULL;
  lua_createtable(L, 0, 1);
  lua_pushcclosure(L, scheduler_closes, 0);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  return 1;
}

/* resume(scheduler, f) -> true, how often it has yielded | false, how often, error: runs f as a coroutine, to its end */
int native_resume(lua_State *L) {
  struct record **list = lua_touserdata(L, 1);
  lua_State *co = lua_newthread(L);
  int yields = 0, status;
  lua_pushvalue(L, 2);
  lua_xmove(L, co, 1);
  struct record record = {*list};
  *list = &record;
  while ((status = resume_with(co, L, 0)) == 1) {
    pop_results(co, 0);
    yields++;
  }
  *list = record.before;
  lua_pushboolean(L, status == 0);
  lua_pushnumber(L, yields);
  if (status == 0) return 2;
  lua_xmove(co, L, 1);
  return 3;
}
