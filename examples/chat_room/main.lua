-- A chat room is a process group: guests join it, everybody hears what is said to it, and the host, who watches the
-- group, sees who comes, leaves, or vanishes.
--
--   lua5.4 examples/chat_room/main.lua
local process = require "process"

local rooms = assert(process.pg.open("chat:rooms"))

-- A guest joins the room, answers every line it knows an answer to, and leaves after a good night.
local function guest(name, answers)
  local room = require("process.pg").open("chat:rooms")
  local lines = process.listen("line")
  room:join("tea room")
  while true do
    local answer = answers[lines:receive()]
    if answer then
      room:broadcast("tea room", "line", name .. ": " .. answer)
      if answer == "good night" then
        return
      end
    end
  end
end

assert(rooms:join("tea room"))
local watch = assert(rooms:monitor("tea room"))
local heard, names = process.listen("line"), {}

-- Prints the next one who comes or goes, and how many are there then, the host included.
local function see(what)
  local change = watch:channel():receive()
  print(names[change.data.PIDs[1]] .. what, #rooms:get_members("tea room"))
end

local function let_in(name, answers)
  names[assert(process.spawn_monitored(guest, "app:processes", name, answers))] = name
  see(" comes in")
end

-- Says something to all, the host included, and prints it and the answers.
local function say(line, answers)
  print(line)
  rooms:broadcast("tea room", "line", line)
  for _ = 0, answers do
    local said = heard:receive()
    io.write(said ~= line and said .. "\n" or "")
  end
end

let_in("ada", { ["is there any tea left?"] = "yes, but it is cold", ["it is late"] = "good night" })
let_in("bob", { ["who likes cold tea?"] = "I do" })
say("is there any tea left?", 1)
say("who likes cold tea?", 1)
let_in("eve") -- without a table of answers she fails as soon as she hears something
say("hello, Eve", 0)
see(" has vanished")
say("it is late", 1)
see(" leaves")
