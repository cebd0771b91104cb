-- Takes sales until it is cancelled, and returns their sum: shop:till.
return {
  main = function()
    local sales, events = process.listen("sale"), process.events()
    local total = 0
    while true do
      local got = channel.select({ sales:case_receive(), events:case_receive() })
      if got.channel == events then
        return total
      end
      total = total + got.value.each
    end
  end,
}
