-- The price of some pieces: shop:price.
return {
  main = function(item)
    return item.qty * item.each
  end,
}
