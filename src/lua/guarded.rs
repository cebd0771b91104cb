//! Functions of the module tables as the severed child of a fork has them: not available (L-69).

/// A function for a module's table that returns its failures: in the severed child of a fork it returns that it is not available
/// (L-69). The others raise that when they ask for their context.
macro_rules! or_failure {
    ($function:path) => {
        or_failure!($function, return_failure)
    };
    ($function:path, $return:ident) => {{
        /// The function, or the failure in a severed process.
        ///
        /// Stack: +n, what the function returns
        /// Raises: any
        ///
        /// # Safety
        /// Called by Lua.
        unsafe extern "C-unwind" fn guarded(l: *mut lua_State) -> std::ffi::c_int {
            if crate::platform::fork::is_severed() {
                return crate::vm::error::$return(l, crate::runtime::failure::Failure::AfterFork);
            }
            $function(l)
        }
        guarded
    }};
}
pub(crate) use or_failure;

/// As [`or_failure`], for a function that raises its failures and never asks for its context.
macro_rules! or_raise {
    ($function:path) => {{
        /// The function, or an error in a severed process.
        ///
        /// Stack: +n, what the function returns
        /// Raises: any
        ///
        /// # Safety
        /// Called by Lua.
        unsafe extern "C-unwind" fn guarded(l: *mut lua_State) -> std::ffi::c_int {
            if crate::platform::fork::is_severed() {
                crate::vm::raise::raise_failure(l, 1, crate::runtime::failure::Failure::AfterFork);
            }
            $function(l)
        }
        guarded
    }};
}
pub(crate) use or_raise;
