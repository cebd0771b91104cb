/* Values as bytes: only the calls of the VM that every encoding needs, without care for other kinds of values. */

#include "floors.h"

enum { INTEGER, FLOAT, STRING, TABLE };

static void put(Message *message, const void *bytes, size_t size) {
  if (message->size + size > message->room) {
    message->room = 2 * (message->size + size);
    message->bytes = must(realloc(message->bytes, message->room));
  }
  memcpy(message->bytes + message->size, bytes, size);
  message->size += size;
}

static void put_tag(Message *message, char tag) {
  put(message, &tag, 1);
}

static void put_string(Message *message, lua_State *l, int index) {
  size_t size;
  const char *bytes = lua_tolstring(l, index, &size);
  put(message, &size, sizeof size);
  put(message, bytes, size);
}

static void put_top(Message *message, lua_State *l);

static void put_number(Message *message, lua_State *l, int index) {
#if LUA_VERSION_NUM >= 503
  if (lua_isinteger(l, index)) {
    lua_Integer value = lua_tointeger(l, index);
    put_tag(message, INTEGER);
    put(message, &value, sizeof value);
    return;
  }
#endif
  lua_Number value = lua_tonumber(l, index);
  put_tag(message, FLOAT);
  put(message, &value, sizeof value);
}

static void put_table(Message *message, lua_State *l) {
  luaL_checkstack(l, 4, NULL);
#if LUA_VERSION_NUM >= 502
  int sizes[2] = {lua_rawlen(l, -1), 0};
#else
  int sizes[2] = {lua_objlen(l, -1), 0};
#endif
  put_tag(message, TABLE);
  size_t place = message->size;
  put(message, sizes, sizeof sizes);
  for (lua_pushnil(l); lua_next(l, -2); lua_pop(l, 1)) {
    sizes[1]++;
    if (lua_type(l, -2) == LUA_TNUMBER) {
      put_number(message, l, -2);
    } else {
      put_tag(message, STRING);
      put_string(message, l, -2);
    }
    put_top(message, l);
  }
  memcpy(message->bytes + place, sizes, sizeof sizes);
}

static void put_top(Message *message, lua_State *l) {
  switch (lua_type(l, -1)) {
  case LUA_TTABLE:
    put_table(message, l);
    break;
  case LUA_TNUMBER:
    put_number(message, l, -1);
    break;
  default:
    put_tag(message, STRING);
    put_string(message, l, -1);
  }
}

void encode(lua_State *l, Message *message) {
  message->size = 0;
  put_top(message, l);
  lua_pop(l, 1);
}

/* Pushes the value that is written at a place; returns the place behind it. */
static const char *get(lua_State *l, const char *at) {
  switch (*at++) {
  case INTEGER: {
    lua_Integer value;
    memcpy(&value, at, sizeof value);
    lua_pushinteger(l, value);
    return at + sizeof value;
  }
  case FLOAT: {
    lua_Number value;
    memcpy(&value, at, sizeof value);
    lua_pushnumber(l, value);
    return at + sizeof value;
  }
  case STRING: {
    size_t size;
    memcpy(&size, at, sizeof size);
    lua_pushlstring(l, at + sizeof size, size);
    return at + sizeof size + size;
  }
  }
  int sizes[2];
  memcpy(sizes, at, sizeof sizes);
  at += sizeof sizes;
  luaL_checkstack(l, 4, NULL);
  lua_createtable(l, sizes[0], sizes[1] - sizes[0]);
  for (int i = 0; i < sizes[1]; i++) {
    at = get(l, get(l, at));
    lua_rawset(l, -3);
  }
  return at;
}

void decode(lua_State *l, const Message *message) {
  get(l, message->bytes);
}

static void to_and_fro(void *state, long n) {
  static Message message;
  lua_State *l = state;
  while (n-- > 0) {
    lua_pushvalue(l, -1);
    encode(l, &message);
    decode(l, &message);
    lua_pop(l, 1);
  }
}

static double codec_rate(const char *value) {
  lua_State *l = new_state();
  run_chunk(l, value);
  double found = rate(to_and_fro, l);
  lua_close(l);
  return found;
}

void codec(void) {
  print("W8/small", codec_rate(small), "encode+decode/s");
  print("W8/t1k", codec_rate(t1k), "encode+decode/s");
}
