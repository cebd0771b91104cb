-- A chat room: the room and its guests are processes that find each other by name. The main process opens the room,
-- lets the guests in one after the other, and prints what is said.
--
--   lua5.4 examples/chat_room/main.lua
local here = (arg[0] or ""):match("^(.*)/") or "."
package.path = here .. "/../?.lua;" .. package.path

local process = require "process"

local lines = process.listen("line")

local function print_until(last)
  repeat
    local line = lines:receive()
    print(line)
  until line == last
end

-- `answers` has the guest's reply to each thing it hears.
local function let_in(name, answers)
  assert(process.spawn("chat_room:guest", "app:processes", name, "tea room", answers))
end

-- The room gets its name here and not by itself, so that the name is there before the first guest asks for it.
local room = assert(process.spawn_linked("chat_room:room", "app:processes", process.pid()))
assert(process.registry.register("tea room", room))

let_in("ada", {
  ["bob comes in"] = "hello Bob",
  ["bob: hello Ada"] = "is there any tea left?",
  ["eve has vanished"] = "good night",
})
print_until("ada comes in")

let_in("bob", {
  ["ada: hello Bob"] = "hello Ada",
  ["ada: is there any tea left?"] = "yes, but it is cold. good night",
})
print_until("bob leaves")

let_in("eve", nil) -- without a table of answers she fails as soon as she hears something
print_until("the room closes")
