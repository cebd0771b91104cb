//! Defining entries and hosts (H-6 to H-9, H-20 to H-29).

use super::arguments::{shown_value, string, table, wrong_type};
use super::permissions::allowed;
use super::time::{self, DurationObject};
use crate::codec::sequence::Origin;
use crate::executor::code;
use crate::platform::reserve;
use crate::runtime::entry::{self, DEFAULT_METHOD, Definition, Source, is_reference};
use crate::runtime::failure::{Failure, bare_number, shown};
use crate::runtime::host::{self, LEAST_STACK, Preload, Settings};
use crate::runtime::libraries::{self, Libraries};
use crate::runtime::near::suggestion;
use crate::runtime::outdated;
use crate::vm::api::*;
use crate::vm::context::Context;
use crate::vm::error::{return_done, return_failure};
use crate::vm::raise::raise_no_memory;
use crate::vm::{object, standard};
use std::ffi::{CStr, c_int};
use std::time::Duration;

fn bad_field(field: &[u8], problem: impl Into<String>) -> Failure {
    Failure::BadField { field: shown(field), problem: problem.into() }
}

/// What stock messages call the type of the value at `index`.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state.
unsafe fn type_at(l: *mut lua_State, index: c_int) -> String {
    CStr::from_ptr(lua_typename(l, lua_type(l, index))).to_string_lossy().into_owned()
}

/// `process.define(entry, spec)` (H-6, H-7).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn define(l: *mut lua_State) -> c_int {
    let reference = string(l, 1, "define");
    if !matches!(lua_type(l, 2), LUA_TSTRING | LUA_TTABLE | LUA_TFUNCTION) {
        wrong_type(l, 2, 2, "define", "string, table or function");
    }
    luaL_checkstack(l, 8, std::ptr::null());
    if let Err(failure) = allowed(Context::with_memory(l), "define") {
        return return_failure(l, failure);
    }
    let result = entry::checked(reference).and_then(|reference| {
        let definition = match to_bytes(l, 2) {
            Some(text) => Definition {
                source: compiled(l, reference, text)?,
                method: DEFAULT_METHOD.into(),
                imports: Vec::new(),
            },
            None if lua_type(l, 2) == LUA_TFUNCTION => Definition {
                source: encoded_function(l, 2)?,
                method: DEFAULT_METHOD.into(),
                imports: Vec::new(),
            },
            None => definition_at(l, 2, reference)?,
        };
        entry::define(reference, definition);
        outdated::tell(Context::of(l).process(), &[reference.to_owned()]);
        Ok(())
    });
    raise_no_memory(l, &result);
    return_done(l, result)
}

/// A function is encoded at once, what it has captured with it.
///
/// Stack: 0
/// Raises: any
///
/// # Safety
/// Own state; a function is at `index`.
unsafe fn encoded_function(l: *mut lua_State, index: c_int) -> Result<Source, Failure> {
    if standard::is_native(l, Context::of(l), index) {
        return Err(Failure::CFunctionEntry);
    }
    let bytes = Context::of(l).encoder().encode(l, index, 1, Origin::Definition)?;
    Ok(Source::Function(reserve::shared(&bytes).ok_or(Failure::OutOfMemory)?))
}

/// Source text is compiled at once, so that a syntax error is found where it is written.
///
/// Stack: 0, room for 1
/// Raises: never
///
/// # Safety
/// Own state.
unsafe fn compiled(l: *mut lua_State, reference: &str, text: &[u8]) -> Result<Source, Failure> {
    let name = format!("={reference}");
    let source = if code::is_binary(text) { Source::Binary } else { Source::Text };
    code::compile(l, reference, text, name.as_bytes(), c"bt").map(source)
}

/// The definition in the table at `index`. Reads raw, raises nothing.
///
/// Stack: 0, room for 4
/// Raises: memory
///
/// # Safety
/// Own state; a table is at `index`, which is positive.
unsafe fn definition_at(l: *mut lua_State, index: c_int, reference: &str) -> Result<Definition, Failure> {
    let mut source = None;
    let mut method = None;
    let mut imports = Vec::new();
    let top = lua_gettop(l);
    lua_pushnil(l);
    while lua_next(l, index) != 0 {
        let field = shown_value(l, -2);
        let text = to_bytes(l, -1);
        let result = match (&*field, text) {
            (b"source", Some(text)) => source_of(l, reference, text).map(|found| source = Some(found)),
            (b"module", Some(text)) => {
                source = Some(Source::Module(String::from_utf8_lossy(text).into_owned()));
                Ok(())
            }
            (b"method", Some(text)) => {
                method = Some(String::from_utf8_lossy(text).into_owned());
                Ok(())
            }
            (b"imports", _) => imports_at(l).map(|found| imports = found),
            (b"modules" | b"meta", _) if lua_type(l, -1) == LUA_TTABLE => Ok(()),
            (b"source" | b"module" | b"method", None) => {
                Err(bad_field(&field, format!("string expected, got {}", type_at(l, -1))))
            }
            (b"modules" | b"meta", _) => {
                Err(bad_field(&field, format!("table expected, got {}", type_at(l, -1))))
            }
            _ => Err(bad_field(&field, "unknown field")),
        };
        if result.is_err() {
            lua_settop(l, top);
        }
        result?;
        lua_pop(l, 1);
    }
    let source = source.ok_or_else(|| bad_field(b"source", "source or module is missing"))?;
    Ok(Definition { source, method: method.unwrap_or_else(|| DEFAULT_METHOD.into()), imports })
}

/// The source that a text stands for: a file if it begins with `file://`, code otherwise.
///
/// Stack: 0, room for 1
/// Raises: never
///
/// # Safety
/// Own state.
unsafe fn source_of(l: *mut lua_State, reference: &str, text: &[u8]) -> Result<Source, Failure> {
    let Some(path) = text.strip_prefix(b"file://") else {
        return compiled(l, reference, text);
    };
    let path = String::from_utf8_lossy(path).into_owned();
    if path.is_empty() {
        return Err(bad_field(b"source", "file:// without a path"));
    }
    match std::path::absolute(&path) {
        Ok(path) => Ok(Source::File(path)),
        Err(error) => Err(bad_field(b"source", error.to_string())),
    }
}

/// The imports in the table on top.
///
/// Stack: 0, or more if it fails, room for 2
/// Raises: never
///
/// # Safety
/// Own state.
unsafe fn imports_at(l: *mut lua_State) -> Result<Vec<(String, String)>, Failure> {
    if lua_type(l, -1) != LUA_TTABLE {
        return Err(bad_field(b"imports", format!("table expected, got {}", type_at(l, -1))));
    }
    let mut imports = Vec::new();
    let table = lua_gettop(l);
    lua_pushnil(l);
    while lua_next(l, table) != 0 {
        let (Some(alias), Some(target)) = (to_bytes(l, -2), to_bytes(l, -1)) else {
            return Err(bad_field(b"imports", "must map names to entry references"));
        };
        if !is_reference(target) {
            let problem = format!("not an entry reference (namespace:name): {}", shown(target));
            return Err(bad_field(b"imports", problem));
        }
        imports.push((
            String::from_utf8_lossy(alias).into_owned(),
            String::from_utf8_lossy(target).into_owned(),
        ));
        lua_pop(l, 1);
    }
    Ok(imports)
}

/// What `define_host` knows.
const HOST_OPTIONS: &[&str] = &[
    "max_processes",
    "memory_limit",
    "mailbox_limit",
    "stack_size",
    "terminate_grace",
    "exit_grace",
    "jit",
    "report",
    "functions",
    "libs",
    "preload",
    "scopes",
    "init",
    "workers",
];

/// `process.define_host(host, options)` (H-24, H-25).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn define_host(l: *mut lua_State) -> c_int {
    let reference = string(l, 1, "define_host");
    table(l, 2, "define_host");
    luaL_checkstack(l, 8, std::ptr::null());
    lua_settop(l, 2);
    if let Err(failure) = allowed(Context::with_memory(l), "define_host") {
        return return_failure(l, failure);
    }
    if !is_reference(reference) {
        return return_failure(l, Failure::HostReference(reference.to_vec()));
    }
    let result = settings_at(l, 2).and_then(|settings| host::define(reference, settings));
    return_done(l, result)
}

/// The settings in the table at `index`.
///
/// Stack: 0, or more if it fails, room for 5
/// Raises: memory
///
/// # Safety
/// Own state; a table is at `index`, which is positive.
unsafe fn settings_at(l: *mut lua_State, index: c_int) -> Result<Settings, Failure> {
    let mut settings = Settings::default();
    lua_pushnil(l);
    while lua_next(l, index) != 0 {
        let field = shown_value(l, -2);
        match &*field {
            b"max_processes" => settings.max_processes = count_at(l, &field)?,
            b"memory_limit" => settings.memory_limit = count_at(l, &field)?,
            b"mailbox_limit" => settings.mailbox_limit = count_at(l, &field)?,
            b"stack_size" => {
                settings.stack_size = count_at(l, &field)?;
                if settings.stack_size < LEAST_STACK {
                    return Err(bad_field(&field, format!("must be at least {LEAST_STACK}")));
                }
            }
            b"terminate_grace" => settings.terminate_grace = span_at(l, &field)?,
            b"exit_grace" => settings.exit_grace = span_at(l, &field)?,
            b"jit" if lua_type(l, -1) == LUA_TBOOLEAN => settings.jit = lua_toboolean(l, -1) != 0,
            b"report" if lua_type(l, -1) == LUA_TBOOLEAN => settings.report = lua_toboolean(l, -1) != 0,
            b"functions" if lua_type(l, -1) == LUA_TBOOLEAN => settings.functions = lua_toboolean(l, -1) != 0,
            b"libs" => {
                settings.libraries = libraries_at(l, &field)?;
                settings.restricted = true;
            }
            b"preload" => settings.preload = preload_at(l, &field)?,
            b"scopes" => settings.scopes = scopes_at(l, &field)?,
            b"init" => match to_bytes(l, -1) {
                Some(module) => settings.init = Some(module.to_vec()),
                None => return Err(bad_field(&field, format!("string expected, got {}", type_at(l, -1)))),
            },
            b"report" | b"jit" | b"functions" => {
                return Err(bad_field(&field, format!("boolean expected, got {}", type_at(l, -1))));
            }
            b"workers" => {
                let count = count_at(l, &field)?;
                settings.set_workers(count).map_err(|problem| bad_field(&field, problem))?;
            }
            _ => {
                let near = suggestion(&field, HOST_OPTIONS.iter().copied());
                return Err(bad_field(&field, format!("unknown option{near}")));
            }
        }
        lua_pop(l, 1);
    }
    settings.check().map_err(|(field, problem)| bad_field(field.as_bytes(), problem))?;
    Ok(settings)
}

/// Gives each item of the list on top to `take`; nothing if it is no string. What `take` cannot take is shown behind `problem`.
///
/// Stack: 0, or more if it fails, room for 4
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn list_at(
    l: *mut lua_State,
    field: &[u8],
    items: &str,
    problem: &str,
    mut take: impl FnMut(&[u8]) -> Option<()>,
) -> Result<(), Failure> {
    if lua_type(l, -1) != LUA_TTABLE {
        return Err(bad_field(field, format!("table expected, got {}", type_at(l, -1))));
    }
    let mut count = 0;
    lua_pushnil(l);
    while lua_next(l, -2) != 0 {
        count += 1;
        if to_bytes(l, -1).and_then(&mut take).is_none() {
            return Err(bad_field(field, format!("{problem}: {}", shown(&shown_value(l, -1)))));
        }
        lua_pop(l, 1);
    }
    if count != lua_rawlen(l, -1) {
        return Err(bad_field(field, format!("must be a list of {items}")));
    }
    Ok(())
}

/// The list of library names on top.
///
/// Stack: 0, or more if it fails, room for 4
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn libraries_at(l: *mut lua_State, field: &[u8]) -> Result<Libraries, Failure> {
    let mut granted = Libraries::NONE;
    list_at(l, field, "names", "no such library", |name| {
        granted = granted.and(Libraries::named(name)?);
        Some(())
    })?;
    if !granted.contain(Libraries::named(b"base").unwrap_or(Libraries::NONE)) {
        return Err(bad_field(field, "base must be among them"));
    }
    Ok(granted)
}

/// Which openers the value on top names: all if it is true.
///
/// Stack: 0, or more if it fails, room for 4
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn preload_at(l: *mut lua_State, field: &[u8]) -> Result<Preload, Failure> {
    if lua_type(l, -1) == LUA_TBOOLEAN {
        return Ok(if lua_toboolean(l, -1) != 0 { Preload::All } else { Preload::None });
    }
    let mut names = Vec::new();
    list_at(l, field, "names", "not a name", |name| {
        names.push(name.to_vec());
        Some(())
    })?;
    Ok(Preload::Named(names))
}

/// The list of scope references on top.
///
/// Stack: 0, or more if it fails, room for 4
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn scopes_at(l: *mut lua_State, field: &[u8]) -> Result<Vec<Box<str>>, Failure> {
    let mut scopes = Vec::new();
    let problem = "not a scope reference (namespace:name)";
    list_at(l, field, "scope references", problem, |name| {
        let name = std::str::from_utf8(name).ok().filter(|name| is_reference(name.as_bytes()))?;
        scopes.push(name.into());
        Some(())
    })?;
    Ok(scopes)
}

/// The duration on top, at least 0.
///
/// Stack: 0, room for 2
/// Raises: memory
///
/// # Safety
/// Own state.
unsafe fn span_at(l: *mut lua_State, field: &[u8]) -> Result<Duration, Failure> {
    match time::wait_at(l, -1, "define_host") {
        Ok(length) if length >= 0 => Ok(Duration::from_nanos(length.unsigned_abs())),
        Ok(_) => Err(bad_field(field, "must not be negative")),
        Err(Failure::BareNumber { number, .. }) => Err(bad_field(field, bare_number(number))),
        Err(_) => Err(bad_field(field, format!("invalid duration: {}", shown(&shown_value(l, -1))))),
    }
}

/// The whole number on top, at least 0.
///
/// Stack: 0
/// Raises: never
///
/// # Safety
/// Own state.
unsafe fn count_at(l: *mut lua_State, field: &[u8]) -> Result<usize, Failure> {
    if lua_type(l, -1) != LUA_TNUMBER {
        return Err(bad_field(field, format!("number expected, got {}", type_at(l, -1))));
    }
    let count = to_whole(l, -1).and_then(|whole| usize::try_from(whole).ok());
    count.ok_or_else(|| bad_field(field, "must be a whole number of at least 0"))
}

/// `process.host_info(host)` (H-29).
///
/// Stack: +1 or +2
/// Raises: any
///
/// # Safety
/// Called by Lua.
pub unsafe extern "C-unwind" fn host_info(l: *mut lua_State) -> c_int {
    let reference = string(l, 1, "host_info");
    let found = std::str::from_utf8(reference).ok().and_then(host::find);
    let Some(host) = found else {
        return return_failure(l, Failure::HostNotFound(reference.to_vec()));
    };
    // Hosts stay, so that a raise from here on leaves nothing behind.
    let settings = &host.settings;
    let (processes, abandoned) = (host.processes(), host.abandoned());
    lua_createtable(l, 0, 15);
    let numbers = [
        (c"workers", settings.workers),
        (c"max_processes", settings.max_processes),
        (c"mailbox_limit", settings.mailbox_limit),
        (c"memory_limit", settings.memory_limit),
        (c"stack_size", settings.stack_size),
        (c"processes", processes),
        (c"abandoned", abandoned),
    ];
    for (name, number) in numbers {
        push_whole(l, number as i64);
        set_raw_field(l, -2, name);
    }
    for (name, value) in
        [(c"report", settings.report), (c"jit", settings.jit), (c"functions", settings.functions)]
    {
        lua_pushboolean(l, c_int::from(value));
        set_raw_field(l, -2, name);
    }
    lua_createtable(l, libraries::NAMES.len() as c_int, 0);
    let mut place = 0;
    for name in libraries::NAMES {
        if Libraries::named(name.as_bytes()).is_some_and(|library| settings.libraries.contain(library)) {
            place += 1;
            push_bytes(l, name.as_bytes());
            lua_rawseti(l, -2, place);
        }
    }
    set_raw_field(l, -2, c"libs");
    lua_createtable(l, settings.scopes.len() as c_int, 0);
    for (place, scope) in settings.scopes.iter().enumerate() {
        push_bytes(l, scope.as_bytes());
        lua_rawseti(l, -2, place as lua_Integer + 1);
    }
    set_raw_field(l, -2, c"scopes");
    match &settings.preload {
        Preload::Named(names) => {
            lua_createtable(l, names.len() as c_int, 0);
            for (place, name) in names.iter().enumerate() {
                push_bytes(l, name);
                lua_rawseti(l, -2, place as lua_Integer + 1);
            }
        }
        preload => lua_pushboolean(l, c_int::from(*preload == Preload::All)),
    }
    set_raw_field(l, -2, c"preload");
    if let Some(module) = &settings.init {
        push_bytes(l, module);
        set_raw_field(l, -2, c"init");
    }
    let spans = [(c"terminate_grace", settings.terminate_grace), (c"exit_grace", settings.exit_grace)];
    for (name, span) in spans {
        object::push(l, DurationObject(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)));
        set_raw_field(l, -2, name);
    }
    1
}
