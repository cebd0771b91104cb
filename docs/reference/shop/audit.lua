-- Looks at one day, which a message names: shop:audit.
local ctx = require("process.ctx")

return {
  main = function()
    local message = process.listen("day"):receive()
    return ("request %s, day %d"):format(ctx.get("request"), message.day)
  end,
}
