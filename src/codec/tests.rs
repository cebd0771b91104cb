//! Values go through bytes into another state and are the same there: generated graphs of tables, functions, objects, and what
//! cannot cross.
// Calls Lua line by line, under the rules of `vm/mod.rs`.
#![allow(unsafe_op_in_unsafe_fn)]

use super::decode;
use super::place::Origin;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::testing::State;
use proptest::prelude::*;
use std::collections::HashMap;
use std::fmt::Write;

/// A value without others inside.
#[derive(Clone, Debug)]
enum Scalar {
    Boolean(bool),
    Whole(i64),
    Number(f64),
    Text(Vec<u8>),
}

/// A value of a generated graph: tables are numbers, so that any of them can stand anywhere, inside itself too.
#[derive(Clone, Debug)]
enum Value {
    Scalar(Scalar),
    Table(usize),
}

/// The tables of a graph with their fields. The first table is where it begins.
type Graph = Vec<Vec<(Scalar, Value)>>;

fn scalar() -> impl Strategy<Value = Scalar> {
    let whole = prop_oneof![
        -300i64..300,
        Just(i64::MAX),
        Just(i64::MIN),
        Just(1 << 53),
        Just((1 << 53) + 1),
        any::<i64>()
    ];
    let number = prop_oneof![
        any::<f64>(),
        Just(0.0),
        Just(-0.0),
        Just(1.0),
        Just(f64::INFINITY),
        Just(f64::NAN),
        Just(9.0e15)
    ];
    let text = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..12),
        Just(b"the same".to_vec()),
        (30usize..300).prop_map(|length| vec![b'x'; length])
    ];
    prop_oneof![
        any::<bool>().prop_map(Scalar::Boolean),
        whole.prop_map(Scalar::Whole),
        number.prop_map(Scalar::Number),
        text.prop_map(Scalar::Text)
    ]
}

/// Fields beside a run of items, so that both parts of a table are used.
fn graph() -> impl Strategy<Value = Graph> {
    let value = prop_oneof![scalar().prop_map(Value::Scalar), (0usize..6).prop_map(Value::Table)];
    let items = prop::collection::vec(value.clone(), 0..6).prop_map(|items| {
        items.into_iter().zip(1..).map(|(value, place)| (Scalar::Whole(place), value)).collect::<Vec<_>>()
    });
    let fields = prop::collection::vec((scalar(), value), 0..6);
    let table = (items, fields).prop_map(|(items, fields)| [items, fields].concat());
    prop::collection::vec(table, 1..6)
}

/// Pushes a scalar.
///
/// Stack: +1
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn push_scalar(l: *mut lua_State, scalar: &Scalar) {
    match scalar {
        Scalar::Boolean(value) => lua_pushboolean(l, i32::from(*value)),
        Scalar::Whole(value) => push_whole(l, *value),
        Scalar::Number(value) => lua_pushnumber(l, *value),
        Scalar::Text(bytes) => push_bytes(l, bytes),
    }
}

/// Pushes the first table of a graph.
///
/// Stack: +1
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn push_graph(l: *mut lua_State, graph: &Graph) {
    let base = lua_gettop(l);
    luaL_checkstack(l, graph.len() as i32 + 6, std::ptr::null());
    for _ in graph {
        lua_createtable(l, 0, 0);
    }
    for (place, fields) in graph.iter().enumerate() {
        for (key, value) in fields {
            if matches!(key, Scalar::Number(number) if number.is_nan()) {
                continue;
            }
            push_scalar(l, key);
            match value {
                Value::Scalar(scalar) => push_scalar(l, scalar),
                Value::Table(table) => lua_pushvalue(l, base + 1 + (table % graph.len()) as i32),
            }
            lua_rawset(l, base + 1 + place as i32);
        }
    }
    lua_settop(l, base + 1);
}

/// Writes what is at `index`, so that two texts are the same if and only if the values cannot be told apart: tables have numbers
/// in the order of their first appearance, keys stand in order.
///
/// Stack: 0
/// Raises: memory
///
/// # Safety
/// Own state; keys are scalars.
unsafe fn describe(l: *mut lua_State, index: i32, known: &mut HashMap<usize, usize>, out: &mut String) {
    let index = lua_absindex(l, index);
    luaL_checkstack(l, 4, std::ptr::null());
    if lua_type(l, index) != LUA_TTABLE {
        out.push_str(&scalar_text(l, index));
        return;
    }
    let count = known.len();
    let number = *known.entry(lua_topointer(l, index) as usize).or_insert(count);
    let _ = write!(out, "#{number}");
    if number < count {
        return;
    }
    let mut keys = Vec::new();
    lua_pushnil(l);
    while lua_next(l, index) != 0 {
        keys.push(scalar_text(l, -2));
        lua_pop(l, 1);
    }
    keys.sort();
    out.push('{');
    for wanted in keys {
        lua_pushnil(l);
        while lua_next(l, index) != 0 {
            if scalar_text(l, -2) == wanted {
                let _ = write!(out, "{wanted}=");
                describe(l, -1, known, out);
                out.push(',');
            }
            lua_pop(l, 1);
        }
    }
    out.push('}');
}

/// A scalar as text that is its own.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state.
unsafe fn scalar_text(l: *mut lua_State, index: i32) -> String {
    match lua_type(l, index) {
        LUA_TNIL => "nil".into(),
        LUA_TBOOLEAN => format!("{}", lua_toboolean(l, index) != 0),
        LUA_TSTRING => format!("{:?}", to_bytes(l, index).unwrap_or_default()),
        LUA_TNUMBER => {
            #[cfg(feature = "lua54")]
            if lua_isinteger(l, index) != 0 {
                return format!("i{}", lua_tointeger(l, index));
            }
            let number = lua_tonumber(l, index);
            if number.is_nan() { "nan".into() } else { format!("f{:x}", number.to_bits()) }
        }
        other => format!("type {other}"),
    }
}

/// The bytes of the values that `push` pushes.
fn encoded(state: &State, push: impl FnOnce(*mut lua_State)) -> Result<Vec<u8>, String> {
    state.attempt(|l| {
        let first = lua_gettop_of(l) + 1;
        push(l);
        let count = lua_gettop_of(l) + 1 - first;
        // SAFETY: under `attempt`; the values stand there, and nobody else encodes.
        let bytes = unsafe { Context::of_state(l).encoder().encode(l, first, count, Origin::Argument(1)) };
        bytes.map(std::borrow::Cow::into_owned).map_err(|failure| failure.to_string())
    })?
}

/// What the bytes are in a state, as `describe` tells it, one value after the other.
fn decoded(state: &State, bytes: &[u8]) -> Result<String, String> {
    state.attempt(|l| {
        let (mut known, mut out) = (HashMap::new(), String::new());
        // SAFETY: under `attempt`.
        unsafe {
            luaL_checkstack(l, decode::count(bytes) + 8, std::ptr::null());
            let count = decode::push(l, bytes);
            for index in 1 - count..=0 {
                describe(l, index - 1, &mut known, &mut out);
                out.push(' ');
            }
        }
        out
    })
}

/// What code returns crosses from one state into another, where `judge` is called with it.
fn crossed(code: &str, judge: &str) -> Result<String, String> {
    let (sender, receiver) = (State::main(), State::main());
    let bytes = encoded(&sender, |l| run(l, code))?;
    receiver.attempt(|l| {
        // SAFETY: under `attempt`.
        unsafe {
            luaL_checkstack(l, decode::count(&bytes) + 8, std::ptr::null());
            run(l, judge);
            let count = decode::push(l, &bytes);
            lua_call(l, count, 1);
            String::from_utf8_lossy(to_bytes(l, -1).unwrap_or(b"the judge gives no text")).into_owned()
        }
    })
}

/// Calls a chunk and leaves its results on the stack. Under `attempt` only.
fn run(l: *mut lua_State, code: &str) {
    // SAFETY: under `attempt`, on the thread of the state.
    unsafe {
        if luaL_loadbuffer(l, code.as_ptr().cast(), code.len(), c"=test".as_ptr()) != LUA_OK {
            lua_error(l);
        }
        lua_call(l, 0, LUA_MULTRET);
    }
}

fn lua_gettop_of(l: *mut lua_State) -> i32 {
    // SAFETY: only reads, on the thread of the state.
    unsafe { lua_gettop(l) }
}

fn described(state: &State, graph: &Graph) -> Result<String, String> {
    state.attempt(|l| {
        let mut out = String::new();
        // SAFETY: under `attempt`.
        unsafe {
            push_graph(l, graph);
            describe(l, -1, &mut HashMap::new(), &mut out);
        }
        out + " "
    })
}

#[test]
fn a_generated_graph_is_the_same_in_another_state() {
    let (sender, receiver) = (State::main(), State::main());
    proptest!(ProptestConfig::with_cases(300), |(graph in graph())| {
        // SAFETY: under `attempt`.
        let bytes = encoded(&sender, |l| unsafe { push_graph(l, &graph) });
        let bytes = bytes.map_err(TestCaseError::fail)?;
        prop_assert_eq!(decoded(&receiver, &bytes), described(&sender, &graph));
    });
}

#[test]
fn several_values_keep_their_order_and_share_what_they_shared() {
    let (sender, receiver) = (State::main(), State::main());
    proptest!(ProptestConfig::with_cases(100), |(scalars in prop::collection::vec(scalar(), 0..20), graph in graph())| {
        let bytes = encoded(&sender, |l| unsafe {
            // SAFETY: under `attempt`.
            luaL_checkstack(l, 30, std::ptr::null());
            push_graph(l, &graph);
            for scalar in &scalars {
                push_scalar(l, scalar);
            }
            lua_pushvalue(l, -1 - scalars.len() as i32);
        });
        let bytes = bytes.map_err(TestCaseError::fail)?;
        let text = decoded(&receiver, &bytes).map_err(TestCaseError::fail)?;
        prop_assert_eq!(decode::count(&bytes) as usize, scalars.len() + 2);
        prop_assert!(text.starts_with("#0{") && text.ends_with("#0 "), "{}", text);
    });
}

#[test]
fn bytes_that_are_cut_off_are_an_error_and_leave_the_state_in_order() {
    let (sender, receiver) = (State::main(), State::main());
    proptest!(ProptestConfig::with_cases(20), |(graph in graph())| {
        // SAFETY: under `attempt`.
        let bytes = encoded(&sender, |l| unsafe { push_graph(l, &graph) }).map_err(TestCaseError::fail)?;
        for length in 0..bytes.len() {
            let _ = decoded(&receiver, &bytes[..length]);
        }
        prop_assert_eq!(decoded(&receiver, &bytes), described(&sender, &graph));
    });
}

#[test]
fn the_same_text_takes_room_once() {
    let state = State::main();
    let size = |code: &str| encoded(&state, |l| run(l, code)).map(|bytes| bytes.len()).unwrap_or_default();
    let one = size("return { 'a name of some length' }");
    let many = size("local t = {} for i = 1, 100 do t[i] = 'a name of some length' end return t");
    assert!(one > 20 && many < one + 400, "{one} {many}");
}

#[test]
fn tables_may_be_keys_and_stand_in_themselves() {
    let code = "local key, t = { 'key' }, {} t[key] = key t.self = t t[t] = 1 return t, key";
    let judge =
        "return function(t, key) return tostring(t[key] == key and t.self == t and t[t] == 1 and key[1]) end";
    assert_eq!(crossed(code, judge), Ok("key".into()));
}

#[test]
fn a_table_as_deep_as_the_limit_of_the_stack_and_deeper_arrives() {
    for depth in [1, 10, 100, 1000, 50_000] {
        let code = format!("local t = {{}} for i = 1, {depth} do t = {{ t }} end return t");
        let judge =
            "return function(t) local n = 0 while t[1] do t, n = t[1], n + 1 end return tostring(n) end";
        assert_eq!(crossed(&code, judge).map(|text| text.replace(".0", "")), Ok(depth.to_string()));
    }
}

#[test]
fn functions_share_the_locals_that_they_have_captured() {
    let code = "local n = 40
        local function get() return n end
        local function set(to) n = to end
        local function even(x) if x == 0 then return true end return even and not even(x - 1) end
        return get, { set = set, get = get }, even";
    let judge = "return function(get, both)
        both.set(41)
        return tostring(get()) .. tostring(both.get == get)
    end";
    assert_eq!(crossed(code, judge), Ok("41true".into()));
}

#[test]
fn a_function_that_calls_itself_finds_itself() {
    let code = "local function count(n) if n == 0 then return 0 end return 1 + count(n - 1) end return count";
    assert_eq!(crossed(code, "return function(f) return tostring(f(12)) end"), Ok("12".into()));
}

#[test]
fn library_functions_arrive_as_those_of_the_receiver() {
    let judge =
        "return function(t) return tostring(t.print == print and t.string == string and t.rep == string.rep
        and t.send == process.send and t.globals == _G and t.new == channel.new) end";
    let code = "return { print = print, string = string, rep = string.rep, send = process.send, globals = _G,
        new = channel.new, f = function() end }";
    assert_eq!(crossed(code, judge), Ok("true".into()));
}

#[test]
fn objects_arrive_as_objects_of_their_class() {
    let code = "local time, errors = process.time, process.errors
        return time.parse_duration('90s'), time.unix(1e9, 5):utc(), errors.new { message = 'm', kind = 'K', details = { 1 } }";
    let judge = "return function(d, t, e)
        return tostring(d) .. ' ' .. t:unix() .. ' ' .. tostring(t:location()) .. ' ' .. e:message() .. e:kind() .. #e:details()
    end";
    let got = crossed(code, judge).map(|text| text.replace(".0", ""));
    assert_eq!(got, Ok("1m30s 1000000000 UTC mK1".into()));
}

#[test]
fn what_cannot_cross_is_named_with_its_place() {
    let state = State::main();
    let refusal = |code: &str| encoded(&state, |l| run(l, code)).expect_err("is refused");
    assert_eq!(refusal("return coroutine.create(print)"), "cannot send a thread (argument 1)");
    assert_eq!(refusal("return 1, { a = { io.stdout } }"), "cannot send a userdata (argument 2, .a[1])");
    assert_eq!(
        refusal("return { [channel.new()] = 1 }"),
        "cannot send a channel (argument 1, key of the table)"
    );
    // What came before it is no longer in the way.
    assert!(encoded(&state, |l| run(l, "return 'fine'")).is_ok());
}
