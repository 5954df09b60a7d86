//! What is said over the control socket. A request is one line, such as
//! `{"version":1,"request":"resume","plugin":"file-audit"}`; the answer is one line, `{"version":1,"ok":…}` or
//! `{"version":1,"refused":{"code":"unknown_plugin","message":"…"}}`; then the daemon closes.
//!
//! Fields may be added within a version. A client of another version is told so, whatever it asks.
use serde::{Deserialize, Serialize};

use crate::plugin::config::nearest;

/// Version of the protocol.
pub const VERSION: u32 = 1;
/// Longest request, its newline included.
pub const MAX_REQUEST_BYTES: usize = 4 << 10;
/// Longest answer, its newline included.
pub const MAX_ANSWER_BYTES: usize = 16 << 20;

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// What /plugins shows.
    Plugins,
    /// Look at the plugin directory now.
    Reload,
    /// End a quarantine.
    Resume {
        /// Of this plugin.
        plugin: String,
    },
    /// The comparison with the shadow.
    Shadow {
        /// Of this plugin.
        plugin: String,
    },
    /// Make the shadow the active one.
    Promote {
        /// Of this plugin.
        plugin: String,
    },
    /// What `vespid top` shows.
    View,
    /// The probes, and what the daemon has in the kernel.
    Probes,
    /// Where every event went.
    Ledger,
}

impl Request {
    /// Whether it changes what runs.
    #[must_use]
    pub fn is_change(&self) -> bool {
        matches!(self, Request::Reload | Request::Resume { .. } | Request::Promote { .. })
    }
}

/// A request with its version, as it is sent.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Envelope<'a> {
    pub(super) version: u32,
    #[serde(flatten)]
    pub(super) request: &'a Request,
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// An answer with its version, as it is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Answer<T> {
    pub(super) version: u32,
    #[serde(flatten)]
    pub(super) outcome: Outcome<T>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome<T> {
    Ok(T),
    Refused(Refused),
}

/// Why a request was not fulfilled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// For programs.
    pub code: Code,
    /// For people: what happened, and what to do.
    pub message: String,
}

/// Kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request is none that this daemon understands.
    BadRequest,
    /// The client speaks another version of the protocol.
    Version,
    /// The client's user may not ask.
    Denied,
    /// Too many clients wait already, or the request took too long. Trying again may help.
    Busy,
    /// There is no plugin of that name.
    UnknownPlugin,
    /// The plugin is not in a state that allows it: no shadow, no quarantine.
    Conflict,
    /// It was tried and did not work. Nothing has changed.
    Failed,
    /// One that this client does not know.
    #[serde(other)]
    Other,
}

impl Refused {
    /// A refusal.
    pub fn new(code: Code, message: impl Into<String>) -> Refused {
        let message = message.into();
        Refused { code, message }
    }

    /// There is no plugin `name`; there are `known`.
    #[must_use]
    pub fn unknown_plugin<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Refused {
        let known: Vec<&str> = known.into_iter().collect();
        let hint = if let Some(near) = nearest(name, known.iter().copied()) {
            format!("; did you mean `{near}`?")
        } else if known.is_empty() {
            "; none runs at all".to_owned()
        } else {
            format!("; there are {}", known.join(", "))
        };
        let name = name.escape_debug();
        Refused::new(Code::UnknownPlugin, format!("there is no plugin `{name}`{hint}"))
    }

    /// The plugin's state does not allow it.
    pub fn conflict(message: impl Into<String>) -> Refused {
        Refused::new(Code::Conflict, message)
    }

    /// It was tried, and failed.
    pub fn failed(message: impl Into<String>) -> Refused {
        Refused::new(Code::Failed, message)
    }
}

/// Whether a plugin's verdicts and metrics are exported, or compared with the active one's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Exported.
    #[default]
    Active,
    /// Compared.
    Shadow,
}

impl Mode {
    /// As it is shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Mode::Active => "active",
            Mode::Shadow => "shadow",
        }
    }
}

/// A plugin that was started, swapped, stopped, resumed or promoted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Change {
    /// Its name.
    pub plugin: String,
    /// Its mode now, or before it stopped.
    pub mode: Mode,
    /// Its version now, or before it stopped.
    pub version: String,
    /// The version before, if it replaced one.
    pub before: Option<String>,
    /// What else is worth a word: `state carried over`, `started cold: …`.
    pub note: Option<String>,
}

/// A file that did not become a plugin. What ran before runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RefusedFile {
    /// The file.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// What came of a look at the plugin directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reloaded {
    /// Plugins that did not run before.
    pub started: Vec<Change>,
    /// Plugins that run with another file or configuration now.
    pub swapped: Vec<Change>,
    /// Plugins whose file is gone.
    pub stopped: Vec<Change>,
    /// Files that did not become a plugin.
    pub refused: Vec<RefusedFile>,
    /// Plugins that run as before.
    pub unchanged: u64,
}

/// Reads a request.
///
/// # Errors
/// If it is none of this version.
pub(super) fn parse(line: &[u8]) -> Result<Request, Refused> {
    let bad = |error: serde_json::Error| Refused::new(Code::BadRequest, format!("this is not a request: {error}"));
    let Versioned { version } = serde_json::from_slice(line).map_err(bad)?;
    if version != VERSION {
        let message =
            format!("this daemon speaks version {VERSION} of the control protocol, the request is version {version}");
        return Err(Refused::new(Code::Version, message));
    }
    serde_json::from_slice(line).map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Result<Request, Code>) {
        assert_eq!(
            parse(line.as_bytes()).map_err(|refused| refused.code),
            expected,
            "{line}"
        );
    }

    #[test]
    fn requests_are_read_and_everything_else_is_refused() {
        check(r#"{"version":1,"request":"reload"}"#, Ok(Request::Reload));
        check(r#"{"request":"view","version":1,"later":true}"#, Ok(Request::View));
        let plugin = "a".to_owned();
        check(
            r#"{"version":1,"request":"shadow","plugin":"a"}"#,
            Ok(Request::Shadow { plugin }),
        );
        check(r#"{"version":2,"request":"something new"}"#, Err(Code::Version));
        check(r#"{"version":1,"request":"resume"}"#, Err(Code::BadRequest));
        check(r#"{"version":1,"request":"reboot"}"#, Err(Code::BadRequest));
        check(r#"{"request":"reload"}"#, Err(Code::BadRequest));
        check("", Err(Code::BadRequest));
        check("\u{1}GET / HTTP/1.1", Err(Code::BadRequest));
        check(&"[".repeat(4_000), Err(Code::BadRequest));
    }

    #[test]
    fn what_is_sent_is_what_is_read() {
        for request in [
            Request::Plugins,
            Request::Promote {
                plugin: "x\n\"y".to_owned(),
            },
        ] {
            let sent = serde_json::to_vec(&Envelope {
                version: VERSION,
                request: &request,
            })
            .expect("JSON");
            assert_eq!(parse(&sent), Ok(request));
        }
    }

    #[test]
    fn an_unknown_plugin_is_told_with_the_nearest_name() {
        let known = ["file-audit", "tcp-stats"];
        let message = |name| Refused::unknown_plugin(name, known).message;
        assert_eq!(
            message("file_audti"),
            "there is no plugin `file_audti`; did you mean `file-audit`?"
        );
        assert_eq!(
            message("zzz"),
            "there is no plugin `zzz`; there are file-audit, tcp-stats"
        );
        let alone = Refused::unknown_plugin("x", []).message;
        assert_eq!(alone, "there is no plugin `x`; none runs at all");
    }
}
