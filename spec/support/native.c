/* What a spec needs of the operating system and Lua does not offer. Each function is a lua_CFunction, loaded with
   package.loadlib; the declarations stand in for the headers of either VM. */
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
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
