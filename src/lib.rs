//! Isolated processes, messages, channels, monitors and links for Lua 5.4 and LuaJIT.
//!
//! The way of a message: `lua::mail::send` reads the arguments, [`codec`] makes bytes of them, an [`runtime::envelope::Envelope`]
//! carries these into a [`runtime::mailbox::Mailbox`], and [`runtime::process::Process::wake`] wakes the receiver if it sleeps.
//! Its thread sorts the mail into views ([`scheduling`]), and a receive decodes it.
//!
//! The entry points that Lua's `require` calls are at the end of this page. Lua's all-in-one loader finds those of the
//! submodules in the same library.
#![warn(missing_docs)]

#[cfg(not(any(feature = "lua54", feature = "luajit")))]
compile_error!("choose the VM: --features lua54 or --features luajit");
#[cfg(all(feature = "lua54", feature = "luajit"))]
compile_error!("the module is built for one VM: either lua54 or luajit");

pub mod calendar;
pub mod codec;
mod executor;
mod lua;
mod platform;
pub mod runtime;
pub mod scheduling;
mod vm;
pub mod wire;

pub use entry_points::*;

#[cfg(not(test))]
#[global_allocator]
static ALLOCATOR: platform::reserve::Allocator = platform::reserve::Allocator;

/// What `require` calls.
#[allow(unsafe_op_in_unsafe_fn)]
mod entry_points {
    use crate::lua::{bundled, faces, install, modules, trace};
    use crate::platform;
    use crate::runtime::failure::Failure;
    use crate::runtime::{dump, fork, realm};
    use crate::vm::api::*;
    use crate::vm::context::Context;
    use crate::vm::main_state;
    use crate::vm::raise::raise_failure;
    use crate::vm::standard;
    use std::ffi::c_int;

    /// Makes the state a main process if it is no process yet, and pins the library.
    ///
    /// Stack: 0
    /// Raises: any
    ///
    /// # Safety
    /// Called by an entry point. Nothing to drop.
    unsafe fn open(l: *mut lua_State) {
        crate::vm::faces::set(&faces::FACES);
        platform::pin_library();
        platform::reserve::open();
        platform::claim_data(crate::codec::encode::Encoder::rest);
        platform::fork::watch(fork::AROUND);
        platform::at_exit(realm::stop_new_work, realm::has_threads);
        luaL_checkstack(l, 20, std::ptr::null());
        if let Err(text) = platform::os_signal::choose() {
            raise_failure(l, 1, Failure::BadSignal(text));
        }
        if let Err(text) = dump::enable() {
            raise_failure(l, 1, Failure::BadDump(text));
        }
        if platform::fork::is_severed() {
            raise_failure(l, 1, Failure::AfterFork);
        }
        install::refuse_second_copy(l);
        let known = Context::find(l).is_some();
        if let Err(error) = main_state::open(l) {
            raise_failure(l, 1, Failure::CannotStart(error.to_string()));
        }
        if !known && let Err(failure) = trace::start_if_wanted(Context::of_state(l)) {
            raise_failure(l, 1, failure);
        }
        if !known {
            install::mark_copy(l);
            standard::anchor(l, Context::of_state(l));
        }
    }

    /// `require "process"`: the module, with its globals.
    ///
    /// Stack: +1
    /// Raises: any
    ///
    /// # Safety
    /// Called by Lua.
    #[unsafe(no_mangle)]
    pub unsafe extern "C-unwind" fn luaopen_process(l: *mut lua_State) -> c_int {
        open(l);
        install::into_main(l);
        modules::push_process(l);
        modules::run_top_if_wanted(l);
        1
    }

    /// `require "process.core"`: the module alone.
    ///
    /// Stack: +1
    /// Raises: any
    ///
    /// # Safety
    /// Called by Lua.
    #[unsafe(no_mangle)]
    pub unsafe extern "C-unwind" fn luaopen_process_core(l: *mut lua_State) -> c_int {
        open(l);
        modules::push_process(l);
        modules::run_top_if_wanted(l);
        1
    }

    macro_rules! submodule {
        ($name:ident, $field:literal, $doc:literal) => {
            #[doc = $doc]
            ///
            /// Stack: +1
            /// Raises: any
            ///
            /// # Safety
            /// Called by Lua.
            #[unsafe(no_mangle)]
            pub unsafe extern "C-unwind" fn $name(l: *mut lua_State) -> c_int {
                open(l);
                modules::push_module(l, $field);
                1
            }
        };
    }

    macro_rules! bundled {
        ($name:ident, $module:literal) => {
            #[doc = concat!("`require \"process.", $module, "\"` where that is not found as a file.")]
            ///
            /// Stack: +1
            /// Raises: any
            ///
            /// # Safety
            /// Called by Lua.
            #[unsafe(no_mangle)]
            pub unsafe extern "C-unwind" fn $name(l: *mut lua_State) -> c_int {
                open(l);
                lua_pushcclosure(l, bundled::load_bundled, 0);
                lua_pushstring(l, concat!("process.", $module, "\0").as_ptr().cast());
                lua_call(l, 1, 1);
                1
            }
        };
    }

    bundled!(luaopen_process_copas, "copas");
    bundled!(luaopen_process_cqueues, "cqueues");
    bundled!(luaopen_process_guest, "guest");
    bundled!(luaopen_process_luv, "luv");
    bundled!(luaopen_process_nginx, "nginx");
    bundled!(luaopen_process_nvim, "nvim");
    bundled!(luaopen_process_pool, "pool");
    bundled!(luaopen_process_pool_arguments, "pool.arguments");
    bundled!(luaopen_process_pool_failures, "pool.failures");
    bundled!(luaopen_process_pool_guard, "pool.guard");
    bundled!(luaopen_process_pool_owner, "pool.owner");
    bundled!(luaopen_process_pool_worker, "pool.worker");
    bundled!(luaopen_process_server, "server");
    bundled!(luaopen_process_supervision, "supervision");
    bundled!(luaopen_process_supervisor, "supervisor");
    bundled!(luaopen_process_top, "top");
    bundled!(luaopen_process_supervisor_children, "supervisor.children");
    bundled!(luaopen_process_supervisor_commands, "supervisor.commands");
    bundled!(luaopen_process_supervisor_deadlines, "supervisor.deadlines");
    bundled!(luaopen_process_supervisor_failures, "supervisor.failures");
    bundled!(luaopen_process_supervisor_entry, "supervisor.entry");
    bundled!(luaopen_process_supervisor_lives, "supervisor.lives");
    bundled!(luaopen_process_supervisor_loop, "supervisor.loop");
    bundled!(luaopen_process_supervisor_queue, "supervisor.queue");
    bundled!(luaopen_process_supervisor_restarts, "supervisor.restarts");
    bundled!(luaopen_process_supervisor_spec, "supervisor.spec");

    submodule!(luaopen_process_channel, c"channel", "`require \"process.channel\"`.");
    submodule!(luaopen_process_time, c"time", "`require \"process.time\"`.");
    submodule!(luaopen_process_errors, c"errors", "`require \"process.errors\"`.");
    submodule!(luaopen_process_ctx, c"ctx", "`require \"process.ctx\"`.");
    submodule!(luaopen_process_pg, c"pg", "`require \"process.pg\"`.");
}
