use super::*;
use crate::runtime::host;
use crate::vm::testing::State;
use std::cell::Cell;
use std::ffi::CStr;

/// A process that nobody steps, on a host of this name.
fn process_on(name: &str) -> Arc<Process> {
    if host::find(name).is_none() {
        host::define(name.as_bytes(), host::Settings::default()).unwrap();
    }
    let host = host::find(name).unwrap();
    let sleeper = host.sleeper();
    Arc::new(Process::new("test:entry", host, Arc::default(), sleeper))
}

/// Opens a state for a new process there, fills it if it is empty, and gives what `body` finds in it.
fn born<R>(process: &Arc<Process>, body: impl FnOnce(&Context) -> R) -> (Newborn, R) {
    let context = Context::new(Arc::clone(process));
    // SAFETY: the context stays until its state is closed; nothing else uses the state.
    unsafe {
        let newborn = open(&context).expect("memory for a state");
        if newborn == Newborn::Empty {
            assert_eq!(protected(context.chain().main(), faces::get().fill), LUA_OK);
        }
        let found = body(&context);
        state::close(&context);
        assert_eq!(context.budget().used(), 0);
        (newborn, found)
    }
}

/// What code gives that knows the libraries.
fn result(context: &Context, code: &[u8]) -> String {
    let l = context.chain().main();
    // SAFETY: the state is at rest; loading and calling raise nothing here.
    unsafe {
        if load(l, code, c"=test", c"t") == LUA_OK {
            lua_pcall(l, 0, 1, 0);
        }
        let text = String::from_utf8_lossy(to_bytes(l, -1).unwrap_or(b"no text")).into_owned();
        lua_settop(l, 0);
        text
    }
}

thread_local! {
    /// What is run in states that become images.
    static CODE: Cell<&'static CStr> = const { Cell::new(c"") };
}

/// Fills the state, and runs [`CODE`].
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Called by Lua, with its context as light userdata, in a new state.
unsafe extern "C-unwind" fn fill_and_more(l: *mut lua_State) -> c_int {
    let context = lua_touserdata(l, 1).cast::<Context>();
    fill(l);
    set_context(l, context);
    if luaL_loadstring(l, CODE.get().as_ptr()) == LUA_OK {
        lua_call(l, 0, 0);
    }
    set_context(l, ptr::null());
    (0..20).for_each(|_| lua_pushnumber(l, 0.0));
    lua_settop(l, 0);
    0
}

/// What comes of an image of states in which this code has run.
fn image_with(code: &'static CStr) -> Result<usize, Lack> {
    let _main = State::main();
    CODE.set(code);
    // SAFETY: the function raises under protection only.
    unsafe { make(&process_on("test:images"), fill_and_more) }.map(|image| image.size())
}

#[test]
fn from_the_second_birth_on_states_are_copies_that_work_like_others() {
    const CODE: &[u8] = b"local all = {}
        for name, module in pairs(package.loaded) do
            for field, value in pairs(type(module) == 'table' and module or {}) do
                all[#all + 1] = name .. '.' .. tostring(field) .. ' ' .. type(value)
            end
        end
        table.sort(all)
        local written = io.stdout:write() == io.stdout
        return #all .. ' ' .. table.concat(all, ' ') .. tostring(written) .. string.rep('x', 300):upper()";
    let _main = State::main();
    let process = process_on("test:copies");
    let births: Vec<(Newborn, String)> =
        (0..4).map(|_| born(&process, |context| result(context, CODE))).collect();
    assert_eq!(births[0].0, Newborn::Empty);
    for (newborn, found) in &births[1..] {
        assert_eq!((*newborn, found), (Newborn::Filled, &births[0].1));
    }
    assert!(births[0].1.len() > 5000 && births[0].1.ends_with("XXX"));
}

#[test]
fn copies_live_side_by_side_and_end_in_any_order() {
    let _main = State::main();
    let process = process_on("test:siblings");
    born(&process, |_| ());
    let siblings: Vec<Box<Context>> = (0..40)
        .map(|_| {
            let context = Box::new(Context::new(Arc::clone(&process)));
            // SAFETY: the context stays until its state is closed.
            assert_eq!(unsafe { open(&context) }, Some(Newborn::Filled));
            context
        })
        .collect();
    let code =
        |number| format!("n = (n or {number}) + 1 _G['k' .. n] = {{}} collectgarbage() return tostring(n)");
    for round in 1..4 {
        for (number, context) in siblings.iter().enumerate() {
            let number = 100 * number;
            assert_eq!(result(context, code(number).as_bytes()), (number + round).to_string());
        }
    }
    for context in siblings.iter().step_by(2).chain(siblings.iter().skip(1).step_by(2)) {
        // SAFETY: nothing of the state runs.
        unsafe { state::close(context) };
        assert_eq!(context.budget().used(), 0);
    }
}

#[test]
fn what_stands_by_its_address_is_not_copied() {
    assert!(image_with(c"").is_ok_and(|size| size > 20_000));
    assert!(image_with(c"x = { { 1 }, [0.5] = 'half', [true] = 2 }").is_ok());
    for code in [
        c"x = { [{}] = 1 }",
        c"x = { deep = { [print] = true } }",
        c"local key = {} function x() return key, { [key] = 1 } end y = setmetatable({}, { __index = { [x] = 1 } })",
        c"x = coroutine.create(print)",
    ] {
        assert_eq!(image_with(code), Err(Lack::OfLikeness));
    }
}

#[test]
fn what_leads_out_is_not_copied() {
    assert_eq!(image_with(c"x = process.inbox()"), Err(Lack::OfLikeness));
    assert_eq!(image_with(c"x = string.rep('x', 300000)"), Err(Lack::OfMemory));
    assert_eq!(image_with(c"error('not at rest')"), Err(Lack::OfLikeness));
}

#[cfg(feature = "luajit")]
#[test]
fn copies_draw_their_own_random_numbers_for_compiled_code() {
    let _main = State::main();
    let process = process_on("test:random");
    born(&process, |_| ());
    let Ok(Some(place)) = random::place() else { return };
    let drawn: Vec<[u64; 4]> = (0..3)
        .map(|_| {
            let draw = |context: &Context| {
                // SAFETY: the state is the first block, and the generator stands in it.
                unsafe { context.chain().main().cast::<u64>().add(place).cast::<[u64; 4]>().read() }
            };
            born(&process, draw).1
        })
        .collect();
    assert!(drawn[0] != drawn[1] && drawn[1] != drawn[2] && drawn[0] != drawn[2]);
    assert!(drawn.iter().flatten().all(|word| word >> 32 != 0));
}
