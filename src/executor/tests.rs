//! Processes stepped by hand: births, coroutines, waits that yield and waits that keep the thread, and every way to end.

use super::code;
use super::execution::Execution;
use crate::codec::decode;
use crate::runtime::envelope::Envelope;
use crate::runtime::failure::Failure;
use crate::runtime::pool::Step;
use crate::runtime::process::Process;
use crate::runtime::{directory, exit, host, live};
use crate::vm::api::*;
use crate::vm::interrupt;
use crate::vm::startup::{Code, Program, Startup};
use crate::vm::testing::State;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A process whose thread is the test's.
struct Run {
    execution: Option<Execution>,
    process: Arc<Process>,
}

impl Run {
    /// A process with this source as its chunk, which has not run yet.
    fn of(source: &str) -> Run {
        // A main process hands in what the layers above have, and compiles.
        let main = State::main();
        let chunk = main.attempt(|l| {
            // SAFETY: under `attempt`.
            unsafe { code::compile(l, "test:run", source.as_bytes(), b"=run", c"t") }
                .map_err(|failure| failure.to_string())
        });
        let chunk = chunk.expect("nothing raises").expect("the source is right");
        interrupt::install();
        exit::open_reaper().expect("a thread for the reaper");
        let host = host::lookup(b"app:processes").expect("the host of every program");
        host.enter().expect("the host has no limit");
        live::one_more();
        let sleeper = host.sleeper();
        let process = Arc::new(Process::new("test:run", host, Arc::default(), sleeper));
        directory::insert(&process);
        process.sleeper.adopt_thread();
        let code = Code {
            module: "run".into(),
            file: None,
            program: Program::Chunk(chunk),
            method: "main".into(),
            imports: Vec::new(),
        };
        let startup =
            Startup { code, path: None, cpath: None, preload: Vec::new(), arguments: NO_ARGUMENTS.to_vec() };
        let execution = Execution::new(&process, startup);
        interrupt::adopt(execution.context());
        process.set_thread();
        Run { execution: Some(execution), process }
    }

    fn execution(&mut self) -> &mut Execution {
        self.execution.as_mut().expect("it has not ended")
    }

    /// One step, in words.
    fn step(&mut self, turns: usize) -> &'static str {
        match self.execution().step(turns) {
            Step::Over => "over",
            Step::Ready => "ready",
            Step::Waiting(None) => "waits",
            Step::Waiting(Some(_)) => "waits until",
        }
    }

    /// Steps until the process is over. What it waits for must come by itself.
    fn until_over(mut self) -> Result<String, String> {
        loop {
            match self.execution().step(usize::MAX) {
                Step::Over => return self.outcome(),
                Step::Ready => {}
                Step::Waiting(until) => {
                    let rest = until.map_or(Duration::from_millis(1), |until| {
                        until.saturating_duration_since(Instant::now())
                    });
                    std::thread::sleep(rest);
                }
            }
        }
    }

    fn send(&self, topic: &str) {
        let message = Envelope::message("{test|1}", topic.as_bytes(), NO_ARGUMENTS).expect("memory");
        assert!(self.process.deliver(message).is_ok());
    }

    /// Ends the process, which is over: its result as text, or its error.
    fn outcome(mut self) -> Result<String, String> {
        let execution = self.execution.take().expect("it has not ended");
        let outcome = execution.context().ending().take();
        if let Some((outcome, _)) = &outcome {
            execution.context().ending().set(outcome.clone(), false);
        }
        self.close(execution);
        match outcome {
            None => Err("ended by others".into()),
            Some((Err(error), _)) => Err(String::from_utf8_lossy(&error.message).into_owned()),
            Some((Ok(bytes), _)) => {
                let state = State::main();
                // SAFETY: under `attempt`.
                let pushed = state.attempt(|l| unsafe {
                    luaL_checkstack(l, 20, std::ptr::null());
                    decode::push(l, &bytes);
                    lua_setglobal(l, c"result".as_ptr());
                });
                pushed.and_then(|()| state.run("return result"))
            }
        }
    }

    fn close(&self, execution: Execution) {
        self.process.clear_thread();
        interrupt::release();
        execution.end();
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(execution) = self.execution.take() {
            exit::doom(&self.process, Failure::Terminated);
            self.close(execution);
        }
    }
}

/// A sequence of no values.
const NO_ARGUMENTS: &[u8] = &[0; 19];

/// What becomes of a process with this body of `main`.
fn result_of(body: &str) -> Result<String, String> {
    let source = format!("local function main() {body} end return {{ main = main }}");
    on_a_large_stack(move || Run::of(&source).until_over())
}

/// Runs a test on a thread with a stack as large as those of processes: waits that keep the thread, and LuaJIT's coroutines, are
/// refused on a small one.
fn on_a_large_stack<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::Builder::new().stack_size(host::LEAST_STACK.max(64 << 20));
    thread.spawn(test).expect("a thread").join().expect("no panic")
}

/// Another thread ends the process once `when` is true of it.
fn doom_when(run: &Run, when: impl Fn(&Process) -> bool + Send + 'static) -> std::thread::JoinHandle<()> {
    let process = Arc::clone(&run.process);
    std::thread::spawn(move || {
        while !when(&process) {
            std::thread::yield_now();
        }
        exit::doom(&process, Failure::Terminated);
    })
}

// ---- birth and result

#[test]
fn main_runs_in_the_first_step_and_returns_the_result() {
    let mut run = Run::of("return { main = function() return 'done' end }");
    assert_eq!(run.step(usize::MAX), "over");
    assert_eq!(run.outcome(), Ok("done".into()));
}

#[test]
fn false_or_nil_and_a_text_are_an_error() {
    assert_eq!(result_of("return nil, 'why'"), Err("why".into()));
    assert_eq!(result_of("return false, process.errors.new('an object')"), Err("an object".into()));
    assert_eq!(result_of("return nil"), Ok("nil".into()));
    assert_eq!(result_of("return"), Ok("nil".into()));
}

#[test]
fn an_error_is_told_with_its_position() {
    assert_eq!(result_of("error('wrong')"), Err("run:1: wrong".into()));
    assert_eq!(result_of("error({ code = 7 })"), Err("{ code = 7 }".into()));
    assert_eq!(result_of("error(process.errors.new('an object'))"), Err("an object".into()));
}

#[test]
fn a_result_that_cannot_cross_is_an_error() {
    assert_eq!(result_of("return coroutine.create(print)"), Err("cannot send a thread (result)".into()));
}

#[test]
fn a_chunk_without_its_method_is_an_error() {
    let refused = Run::of("return {}").until_over();
    assert_eq!(refused, Err("entry test:run: no function main".into()));
    assert_eq!(Run::of("error('at load')").until_over(), Err("run:1: at load".into()));
}

// ---- coroutines

#[test]
fn ready_coroutines_take_turns() {
    let body = "local order = {}
        for name = 1, 3 do
            coroutine.spawn(function()
                for turn = 1, 2 do order[#order + 1] = name .. '.' .. turn process.time.sleep(0) end
            end)
        end
        for _ = 1, 4 do process.time.sleep(0) end
        return table.concat(order, ' ')";
    assert_eq!(result_of(body), Ok("1.1 2.1 3.1 1.2 2.2 3.2".into()));
}

#[test]
fn a_step_ends_when_its_turns_are_used_up() {
    let mut run =
        Run::of("return { main = function() for i = 1, 10 do process.time.sleep(0) end return 'slept' end }");
    let steps = (0..20).take_while(|_| run.step(3) == "ready").count();
    assert!((2..=5).contains(&steps), "{steps}");
    assert_eq!(run.outcome(), Ok("slept".into()));
}

#[test]
fn an_error_in_a_coroutine_ends_the_process() {
    let body = "coroutine.spawn(function() error('inner', 0) end) process.inbox():receive()";
    assert_eq!(result_of(body), Err("inner".into()));
}

#[test]
fn coroutines_that_are_left_when_main_returns_go_with_it() {
    assert_eq!(
        result_of("coroutine.spawn(function() process.inbox():receive() end) return 1"),
        Ok("1".into())
    );
}

#[test]
fn a_wait_passes_outwards_through_generators_and_protected_calls() {
    let body = "local ch = channel.new()
        local values = coroutine.wrap(function()
            for i = 1, 3 do
                local ok, got = pcall(function() return (ch:receive()) end)
                coroutine.yield(ok and got)
            end
        end)
        coroutine.spawn(function() for i = 1, 3 do ch:send(i * 10) end end)
        return values() + values() + values()";
    assert_eq!(result_of(body).map(|text| text.replace(".0", "")), Ok("60".into()));
}

#[test]
fn a_generator_that_waits_cannot_be_resumed_by_another() {
    let body = "local co = coroutine.create(function() process.inbox():receive() end)
        coroutine.spawn(function() coroutine.resume(co) end)
        process.time.sleep(0)
        local ok, text = coroutine.resume(co)
        return tostring(ok) .. ' ' .. text";
    let told = result_of(body).expect("returns");
    assert!(told.starts_with("false cannot resume"), "{told}");
}

// ---- waits

#[test]
fn a_process_waits_for_mail_and_goes_on_when_it_comes() {
    let mut run = Run::of("return { main = function() return process.inbox():receive():topic() end }");
    assert_eq!(run.step(usize::MAX), "waits");
    assert_eq!(run.step(usize::MAX), "waits");
    run.send("hello");
    assert_eq!(run.step(usize::MAX), "over");
    assert_eq!(run.outcome(), Ok("hello".into()));
}

#[test]
fn a_wait_with_a_time_out_says_until_when() {
    let mut run = Run::of("return { main = function() return process.inbox():receive('1h') end }");
    let before = Instant::now();
    let Step::Waiting(Some(until)) = run.execution().step(usize::MAX) else {
        panic!("it waits until a moment")
    };
    let span = until.duration_since(before);
    assert!(span > Duration::from_secs(3599) && span < Duration::from_secs(3601));
}

#[test]
fn a_time_out_that_is_over_gives_nothing() {
    assert_eq!(result_of("return tostring(channel.new():receive('1ms'))"), Ok("nil".into()));
}

#[test]
fn a_callback_that_waits_keeps_the_thread_and_lets_others_run() {
    let body = "local ch, ran = channel.new(), false
        coroutine.spawn(function() ran = true ch:send('b') end)
        local text = ('x'):gsub('x', function() return (ch:receive()) end)
        return text .. tostring(ran)";
    assert_eq!(result_of(body), Ok("btrue".into()));
}

#[test]
fn waits_inside_each_other_have_an_end() {
    let body = "local function deeper(n)
            local ok, text = pcall(function()
                return (('x'):gsub('x', function()
                    coroutine.spawn(function() deeper(n + 1) end)
                    return (channel.new():receive('10s'))
                end))
            end)
            if not ok then error(text, 0) end
        end
        deeper(1)";
    let told = result_of(body).expect_err("it is refused");
    assert!(told.contains("too many"), "{told}");
}

#[test]
fn a_finalizer_cannot_wait() {
    let body = "local told
        local function wait() told = select(2, pcall(process.time.sleep, '1s')) end
        if newproxy then getmetatable(newproxy(true)).__gc = wait else setmetatable({}, { __gc = wait }) end
        collectgarbage() collectgarbage()
        return tostring(told)";
    let told = result_of(body).expect("returns");
    assert!(told.contains("finalizer"), "{told}");
}

// ---- endings

#[test]
fn who_is_doomed_between_steps_runs_no_more() {
    let mut run = Run::of("return { main = function() process.inbox():receive() return 'ran' end }");
    assert_eq!(run.step(usize::MAX), "waits");
    run.send("late");
    assert!(exit::doom(&run.process, Failure::Terminated));
    assert_eq!(run.step(usize::MAX), "over");
    assert_eq!(run.outcome(), Err("ended by others".into()));
}

#[test]
fn a_wait_that_keeps_the_thread_is_left_by_a_jump() {
    on_a_large_stack(|| {
        let mut run = Run::of(
            "return { main = function()
            pcall(string.gsub, 'x', 'x', function() process.inbox():receive() end)
            return 'went on'
        end }",
        );
        let ender = doom_when(&run, |process| !process.mailbox.has_mail());
        assert_eq!(run.step(usize::MAX), "over");
        ender.join().expect("no panic");
        assert_eq!(run.outcome(), Err("ended by others".into()));
    });
}

#[test]
fn code_that_computes_is_left_by_a_jump_whatever_it_catches() {
    on_a_large_stack(|| {
        for body in [
            "while true do end",
            "while true do pcall(function() while true do end end) end",
            "coroutine.wrap(function() while true do end end)()",
            "while true do local t = {} for i = 1, 10 do t[i] = {} end end",
        ] {
            let mut run = Run::of(&format!("return {{ main = function() {body} end }}"));
            let ender = doom_when(&run, |_| true);
            assert_eq!(run.step(usize::MAX), "over");
            ender.join().expect("no panic");
            assert_eq!(run.outcome(), Err("ended by others".into()), "{body}");
        }
    });
}

#[test]
fn what_a_jump_has_passed_is_closed_and_its_finalizers_run() {
    on_a_large_stack(|| {
        let other = State::main();
        let pid = other.run("return process.pid()").expect("a PID");
        let mut run = Run::of(&format!(
            "local function tell() process.send('{pid}', 'closed') end
            return {{ main = function()
                if newproxy then proxy = newproxy(true) getmetatable(proxy).__gc = tell
                else proxy = setmetatable({{}}, {{ __gc = tell }}) end
                process.send('{pid}', 'begins')
                coroutine.wrap(function() pcall(function() while true do end end) end)()
            end }}"
        ));
        let process = Arc::clone(&run.process);
        let ender = std::thread::spawn(move || {
            let main = directory::find(pid.as_bytes()).expect("the main process");
            while !main.mailbox.has_mail() {
                std::thread::yield_now();
            }
            exit::doom(&process, Failure::Terminated);
        });
        assert_eq!(run.step(usize::MAX), "over");
        ender.join().expect("no panic");
        assert_eq!(run.outcome(), Err("ended by others".into()));
        let told = other
            .run("local inbox = process.inbox() return inbox:receive():topic(), inbox:receive('0s'):topic()");
        assert_eq!(told, Ok("begins, closed".into()));
    });
}

#[test]
fn an_upgrade_puts_a_new_state_in_the_place_of_the_old_one() {
    let code = "
        process.define('test:upgraded', [[
            return { main = function(n) old = (old or 0) + 1 return 'new ' .. n .. ' ' .. old end }
        ]])
        return process.exec(function()
            old = 41
            process.upgrade('test:upgraded', 7)
        end, 'app:processes')";
    assert_eq!(State::main().run(code), Ok("new 7 1".into()));
}

#[test]
fn a_stack_that_overflows_is_an_error_like_others() {
    let told = result_of("local function f() return 1 + f() end return f()").expect_err("overflows");
    assert!(told.contains("stack overflow"), "{told}");
}
