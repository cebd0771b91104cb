/* Threads that look out for 50 us before they sleep, with a state each. */

#include "floors.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

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

/* Threads that look out: no more than two, so that a crowd does not. */
static atomic_int looking;

static void look_out(Box *box) {
  if (atomic_fetch_add(&looking, 1) < 2)
    for (double end = seconds() + 50e-6; atomic_load(&box->state) != FULL && seconds() < end;)
      sched_yield();
  atomic_fetch_sub(&looking, 1);
}

/* Waits until the message can be read, and takes it. */
static void await(Box *box) {
  if (atomic_load(&box->state) != FULL)
    look_out(box);
  while (atomic_load(&box->state) != FULL) {
    int empty = EMPTY;
    pthread_mutex_lock(&box->lock);
    if (atomic_compare_exchange_strong(&box->state, &empty, PARKED))
      while (atomic_load(&box->state) == PARKED)
        pthread_cond_wait(&box->filled, &box->lock);
    pthread_mutex_unlock(&box->lock);
  }
  atomic_store(&box->state, EMPTY);
}

/* One end of a rally; a message without bytes ends it. */
typedef struct {
  lua_State *l;
  Box *in, *out;
} End;

/* receive(): the next message, nil at the end. */
static int receive(lua_State *l) {
  End *end = lua_touserdata(l, lua_upvalueindex(1));
  await(end->in);
  if (!end->in->message.size)
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

/* The function and the ball are on the stack. */
static void rally(void *end, long n) {
  lua_State *l = ((End *)end)->l;
  lua_pushvalue(l, -2);
  lua_pushinteger(l, n);
  lua_pushvalue(l, -3);
  lua_call(l, 2, 0);
}

static double pingpong_rate(const char *ball) {
  Box there = NEW_BOX, back = NEW_BOX;
  End here = {.in = &back, .out = &there}, partner = {.in = &there, .out = &back};
  open_end(&here, "return function(n, ball) for _ = 1, n do send(ball) ball = receive() end end");
  run_chunk(here.l, ball);
  open_end(&partner, "return function()\n"
                     "  local ball = receive()\n"
                     "  while ball do send(ball) ball = receive() end\n"
                     "end");
  pthread_t thread;
  pthread_create(&thread, NULL, echo_messages, &partner);
  double found = rate(rally, &here);
  there.message.size = 0;
  fill(&there);
  pthread_join(thread, NULL);
  lua_close(here.l);
  lua_close(partner.l);
  free(there.message.bytes);
  free(back.message.bytes);
  return found;
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

/* The milliseconds within which 99 of 100 echoes are back after they were due, beside two threads that spin. */
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

void threads(void) {
  print("W1", pingpong_rate(small), "round trips/s");
  print("W5a", pingpong_rate(t1k), "round trips/s");
  print("W5b", pingpong_rate(string64k), "round trips/s");
  print("W5c", pingpong_rate(string1m), "round trips/s");
  threads_fairness();
}

/* ---- A thousand -------------------------------------------------------------------------------------------------- */

enum { CROWD = 1000 };

/* A thread that passes on every message, until an empty one comes. */
typedef struct {
  End end;
  Box in;
  pthread_t thread;
} Member;

static void *live(void *data) {
  Member *member = data;
  open_end(&member->end, "return function()\n"
                         "  local ball = receive()\n"
                         "  while ball do send(ball) ball = receive() end\n"
                         "end");
  lua_call(member->end.l, 0, 0);
  lua_close(member->end.l);
  return NULL;
}

/* Threads in a row, with 256 KiB of stack; one more box at its end. */
static Member *gather(void) {
  Member *all = must(calloc(CROWD + 1, sizeof *all));
  pthread_attr_t small_stack;
  pthread_attr_init(&small_stack);
  pthread_attr_setstacksize(&small_stack, 256 * 1024);
  for (int i = 0; i <= CROWD; i++) {
    pthread_mutex_init(&all[i].in.lock, NULL);
    pthread_cond_init(&all[i].in.filled, NULL);
  }
  for (int i = 0; i < CROWD; i++) {
    all[i].end = (End){.in = &all[i].in, .out = &all[i + 1].in};
    if (pthread_create(&all[i].thread, &small_stack, live, &all[i])) {
      fputs("floors: not enough threads\n", stderr);
      exit(1);
    }
  }
  pthread_attr_destroy(&small_stack);
  return all;
}

static void dismiss(Member *all) {
  for (int i = 0; i < CROWD; i++) {
    all[i].in.message.size = 0;
    fill(&all[i].in);
  }
  for (int i = 0; i < CROWD; i++)
    pthread_join(all[i].thread, NULL);
  for (int i = 0; i <= CROWD; i++)
    free(all[i].in.message.bytes);
  free(all);
}

void crowds(void) {
  double start = seconds();
  dismiss(gather());
  print("W4b", CROWD / (seconds() - start), "processes/s");
  Member *all = gather();
  End closing = {.in = &all[CROWD].in, .out = &all[0].in};
  open_end(&closing, "return function(n, ball) for _ = 1, n do send(ball) ball = receive() end end");
  run_chunk(closing.l, small);
  print("W7", (CROWD + 1) * rate(rally, &closing), "hops/s");
  dismiss(all);
  lua_close(closing.l);
}
