-- No window, no sound: only what runs without a screen.
function love.conf(t)
  t.window = nil
  for _, name in ipairs {
    "audio", "font", "graphics", "image", "joystick", "keyboard", "math", "mouse", "physics", "sound", "system",
    "touch", "video", "window",
  } do
    t.modules[name] = false
  end
end
