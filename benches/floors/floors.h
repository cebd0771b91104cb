/* The floors of the figures: the cost of the VM and of the system alone, by the plain C API of Lua. */

#define _GNU_SOURCE
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- main.c ----------------------------------------------------------------------------------------------------- */

extern double scale;

double seconds(void);

/* Steps per second, as `support.rate`: calls step(data, n) with a growing n, counts the last call alone. */
double rate(void (*step)(void *, long), void *data);

void print(const char *id, double value, const char *unit);

/* The pointer, which is not null: a floor without memory ends. */
void *must(void *pointer);

/* ---- states.c --------------------------------------------------------------------------------------------------- */

/* A state with all libraries, opened while the collector rests. */
lua_State *new_state(void);

/* Runs the chunk; its results are on top. */
void run_chunk(lua_State *l, const char *source);

int resume(lua_State *co, int arguments);

/* Chunks that return the balls: the small message, t1k, strings of 64 KiB and of 1 MiB. */
extern const char small[], t1k[], string64k[], string1m[];

/* ---- messages.c ------------------------------------------------------------------------------------------------- */

/* A value as bytes: numbers, strings, and tables of them, each of which stands in one place. */
typedef struct {
  size_t size, room;
  char *bytes;
} Message;

/* Writes the value on top and takes it off. */
void encode(lua_State *l, Message *message);

/* Pushes the value. */
void decode(lua_State *l, const Message *message);

/* ---- The floors -------------------------------------------------------------------------------------------------- */

void threads(void);
void crowds(void);
void states(void);
void state(void);
void base(void);
void codec(void);
void copies(void);
