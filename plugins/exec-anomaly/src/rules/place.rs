//! Programs in places where programs do not belong: temporary folders, memory, nowhere.
use vespid_plugin::prelude::*;
use vespid_plugin::{Exec, Globs};

use super::Finding;
use crate::{config, lists};

pub(crate) struct Places {
    /// With a `/` at the end.
    temporary: Vec<Vec<u8>>,
    interpreters: Globs,
    except_memfd: Globs,
}

impl Places {
    pub(crate) fn new(config: &config::Places) -> Self {
        let folder = |folder: &String| format!("{}/", folder.trim_end_matches('/')).into_bytes();
        let shells = lists::SHELLS.iter().copied();
        Places {
            temporary: config.temporary.iter().map(folder).collect(),
            interpreters: Globs::new(config.interpreters.iter().map(String::as_str).chain(shells)),
            except_memfd: Globs::new(&config.except_memfd),
        }
    }

    pub(crate) fn find(&self, exec: Exec<'_>, process: Process<'_>) -> Option<Finding> {
        let exe = process.exe();
        if process.is_memfd() {
            return (!self.except_memfd.matches(exe)).then(|| Finding {
                rule: "run-from-memory",
                severity: Severity::Critical,
                message: format!(
                    "{} runs a program that exists in memory only ({})",
                    started_by(process),
                    text(exe)
                ),
                tags: &["T1620", "T1027.011"],
                detail: Vec::new(),
                fields: Vec::new(),
            });
        }
        if let Some(finding) = self.in_temporary(exec, process) {
            return Some(finding);
        }
        process.is_deleted().then(|| Finding {
            rule: "run-deleted",
            severity: Severity::Warning,
            message: format!("{} runs {}, which has been deleted", started_by(process), text(exe)),
            tags: &["T1070.004"],
            detail: Vec::new(),
            fields: Vec::new(),
        })
    }

    fn in_temporary(&self, exec: Exec<'_>, process: Process<'_>) -> Option<Finding> {
        let exe = process.exe();
        let script = absolute(process.cwd(), exec.filename());
        let (how, path) = if self.is_temporary(exe) {
            ("executable", exe.to_vec())
        } else if self.is_temporary(&script) {
            ("script", script)
        } else {
            ("argument", self.script_argument(process)?)
        };
        Some(Finding {
            rule: "run-from-tmp",
            severity: Severity::Warning,
            message: format!("{} runs {} from a temporary folder", started_by(process), text(&path)),
            tags: &["T1059", "T1036.005"],
            fields: vec![("path", text(&path).to_string()), ("how", how.to_owned())],
            detail: path,
        })
    }

    fn is_temporary(&self, path: &[u8]) -> bool {
        self.temporary.iter().any(|folder| path.starts_with(folder))
    }

    /// The first argument of an interpreter that is no option, if it is a file in a temporary folder. What follows `-c`,
    /// `-e` or `-m` is no file.
    fn script_argument(&self, process: Process<'_>) -> Option<Vec<u8>> {
        if !self.interpreters.matches(process.exe()) {
            return None;
        }
        for argument in process.args().skip(1) {
            match argument {
                b"-c" | b"-e" | b"-m" | b"-r" => return None,
                option if option.starts_with(b"-") => {}
                file => return Some(absolute(process.cwd(), file)).filter(|path| self.is_temporary(path)),
            }
        }
        None
    }
}

/// The parent, as the beginning of a sentence.
fn started_by(process: Process<'_>) -> String {
    match process.parent() {
        Some(parent) => format!("{} (pid {})", text(parent.name()), parent.pid()),
        None => "an unknown process".to_owned(),
    }
}

/// A path made absolute by its words alone.
fn absolute(cwd: &[u8], path: &[u8]) -> Vec<u8> {
    let base = if path.starts_with(b"/") { &b""[..] } else { cwd };
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in base.split(|byte| *byte == b'/').chain(path.split(|byte| *byte == b'/')) {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.iter().flat_map(|part| [b"/", *part].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_made_absolute_by_its_words() {
        assert_eq!(absolute(b"/home/eve", b"../../tmp/./x"), b"/tmp/x");
        assert_eq!(absolute(b"/tmp", b"x.sh"), b"/tmp/x.sh");
        assert_eq!(absolute(b"/tmp", b"/bin//sh"), b"/bin/sh");
        assert_eq!(absolute(b"/", b"../.."), b"");
    }
}
