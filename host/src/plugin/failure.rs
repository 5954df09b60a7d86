//! What can go wrong in a call to a plugin, in a fixed set of words for metrics, and with particulars for people.
use std::fmt;

use wasmtime::{FrameInfo, Trap, WasmBacktrace};

use super::limits::{OutOfMemory, TooManyHostCalls};
use super::report::BadReport;
use crate::bytes::Bytes;
use crate::filter::FilterError;

/// Longest message of a failure, in bytes: it ends in logs.
const MESSAGE_BYTES: usize = 4 << 10;

/// A failed call. The instance that it happened in must not be used again.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Failure {
    /// An instruction trapped: most often a panic or an exception of the guest's language.
    #[error("trapped: {0}")]
    Trap(String),
    /// It did not return in time.
    #[error("did not return in time: {0}")]
    Deadline(String),
    /// It needed more memory than it may have.
    #[error("needs too much memory: {0}")]
    Memory(String),
    /// It handed over more than one call may.
    #[error("returned too much: {0}")]
    Oversized(String),
    /// It called the daemon more often than one call may.
    #[error("calls the daemon too often: {0}")]
    HostCalls(String),
    /// It returned an error of its own accord.
    #[error("returned an error: {0}")]
    ErrorReturned(String),
    /// What it returned breaks the rules for reports.
    #[error("returned a bad report: {0}")]
    BadReport(#[from] BadReport),
    /// It asks for rows in a way that makes no sense.
    #[error("asks for {0}")]
    BadFilters(#[from] FilterError),
    /// An earlier call failed, and its instance is not to be used again.
    #[error("failed before, and was called again")]
    Poisoned,
}

impl Failure {
    /// A fixed word for this kind of failure.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Failure::Trap(_) => "trap",
            Failure::Deadline(_) => "deadline",
            Failure::Memory(_) => "memory",
            Failure::Oversized(_) => "oversized",
            Failure::HostCalls(_) => "host_calls",
            Failure::ErrorReturned(_) => "error_returned",
            Failure::BadReport(_) => "bad_report",
            Failure::BadFilters(_) => "bad_filters",
            Failure::Poisoned => "poisoned",
        }
    }

    /// What wasmtime says about a failed call.
    pub(super) fn from_call(error: &wasmtime::Error) -> Failure {
        let backtrace = error.downcast_ref::<WasmBacktrace>().map_or_else(String::new, trace);
        if let Some(Trap::Interrupt) = error.downcast_ref::<Trap>() {
            return Failure::Deadline(printable(&format!("it was still running{backtrace}"), MESSAGE_BYTES));
        }
        let message = printable(&format!("{}{backtrace}", error.root_cause()), MESSAGE_BYTES);
        if error.is::<OutOfMemory>() {
            Failure::Memory(message)
        } else if error.is::<TooManyHostCalls>() {
            Failure::HostCalls(message)
        } else if message.starts_with("too much data") {
            // wasmtime keeps the type of this error to itself.
            Failure::Oversized(message)
        } else {
            Failure::Trap(message)
        }
    }

    /// The same, with the error that the guest logged last in that call: of a panic, the words and the place.
    pub(super) fn after(self, last_words: Option<&str>) -> Failure {
        match (self, last_words) {
            (Failure::Trap(message), Some(words)) => Failure::Trap(format!("{words}: {message}")),
            (failure, _) => failure,
        }
    }

    /// An error that the guest returned.
    pub(super) fn returned(message: &str) -> Failure {
        Failure::ErrorReturned(printable(message, MESSAGE_BYTES))
    }
}

/// Text of a guest's, made safe for a line of log and cut after about `max` bytes.
pub(super) fn printable(text: &str, max: usize) -> String {
    let end = text.floor_char_boundary(max);
    let ellipsis = if end < text.len() { "…" } else { "" };
    format!("{}{ellipsis}", Bytes::from(&text[..end]))
}

/// Functions of a plugin in which it failed, at most this many.
const FUNCTIONS: usize = 8;
/// Longest name of one: with its type parameters a name can fill a page.
const NAME_BYTES: usize = 80;

/// Where a call was when it ended, innermost function first. How a language panics or allocates is left out, unless
/// there is nothing else.
fn trace(backtrace: &WasmBacktrace) -> String {
    let all: Vec<Function> = backtrace.frames().iter().flat_map(functions).collect();
    let own = all.iter().filter(|function| !function.is_library());
    let mut names: Vec<String> = own.map(ToString::to_string).collect();
    if names.is_empty() {
        names = all.iter().map(ToString::to_string).collect();
    }
    names.dedup();
    names.truncate(FUNCTIONS);
    if names.is_empty() {
        String::new()
    } else {
        format!(", in {}", names.join(" < "))
    }
}

struct Function {
    name: String,
    /// Source file and line, as far as the plugin says.
    place: Option<(String, u32)>,
}

/// The functions of a frame: those that were inlined, and then the one they were inlined into.
fn functions(frame: &FrameInfo) -> Vec<Function> {
    let demangled = |name: &str| format!("{:#}", rustc_demangle::demangle(name));
    let mut functions: Vec<Function> = frame
        .symbols()
        .iter()
        .map(|symbol| Function {
            name: symbol.name().map(demangled).unwrap_or_default(),
            place: symbol.file().map(str::to_owned).zip(symbol.line()),
        })
        .collect();
    // The name section has the full path of a function, and the debug information often only its last part.
    let name = frame
        .func_name()
        .map_or_else(|| format!("function {}", frame.func_index()), demangled);
    match functions.last_mut() {
        Some(function) => function.name = name,
        None => functions.push(Function { name, place: None }),
    }
    functions
}

impl Function {
    fn is_library(&self) -> bool {
        const PATHS: [&str; 3] = ["/library/", "/rust/deps/", "/dlmalloc"];
        const NAMES: [&str; 6] = ["std::", "core::", "alloc::", "dlmalloc::", "__rust", "abort"];
        match &self.place {
            Some((file, _)) => PATHS.iter().any(|path| file.contains(path)),
            None => NAMES
                .iter()
                .any(|name| self.name.trim_start_matches('<').starts_with(name)),
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name[..self.name.floor_char_boundary(NAME_BYTES)])?;
        match &self.place {
            // Where a plugin was built is nobody's business here.
            Some((file, line)) => write!(f, " ({}:{line})", file.rsplit('/').next().unwrap_or(file)),
            None => Ok(()),
        }
    }
}
