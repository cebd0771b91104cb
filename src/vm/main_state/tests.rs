//! Main processes: they come with a state and go with it.

use super::*;
use crate::runtime::directory;
use crate::vm::testing::State;

#[test]
fn a_state_becomes_a_main_process_once() {
    let state = State::main();
    let pid = state.run("return process.pid()");
    // SAFETY: under `attempt`.
    let again = state.attempt(|l| unsafe { open(l).is_ok() });
    assert_eq!((again, state.run("return process.pid()")), (Ok(true), pid));
}

#[test]
fn a_closed_state_takes_its_main_process_along() {
    let state = State::main();
    let pid = state.run("return process.pid()").expect("a PID");
    assert!(directory::find(pid.as_bytes()).is_some());
    drop(state);
    assert!(directory::find(pid.as_bytes()).is_none());
}

#[test]
fn what_finalizers_make_while_the_state_closes_outlives_nothing() {
    for rounds in [1, 3] {
        let state = State::main();
        let code = format!(
            "local function guard(f)
                if newproxy then local p = newproxy(true) getmetatable(p).__gc = f return p end
                return setmetatable({{}}, {{ __gc = f }})
            end
            local left = {rounds}
            local function make()
                left = left - 1
                kept = {{ channel.new(), process.time.now(), process.listen('late' .. left) }}
                pcall(process.send, process.pid(), 'topic', 1)
                if left > 0 then kept[4] = guard(make) end
            end
            anchor = guard(make)"
        );
        assert_eq!(state.run(&code), Ok(String::new()));
    }
}

#[test]
fn processes_that_a_main_process_has_left_end_with_it() {
    let state = State::main();
    let pid = state.run("return process.spawn(function() process.inbox():receive() end, 'app:processes')");
    let pid = pid.expect("spawned");
    drop(state);
    assert!(directory::find(pid.as_bytes()).is_none());
}
