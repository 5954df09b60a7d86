//! A process in a container enters the namespaces of others, or makes itself root in new ones: the way out of it.
use vespid_plugin::prelude::*;
use vespid_plugin::{Globs, Privileged, PrivilegedOp};

use super::{Finding, name};
use crate::config;

/// `CLONE_NEW*` of the namespaces that confine (include/uapi/linux/sched.h). With a new network or host name alone
/// nothing is gained.
const CONFINING: [(u32, &str); 3] = [(0x2_0000, "mount"), (0x1000_0000, "user"), (0x2000_0000, "pid")];

pub(crate) struct Namespaces {
    except: Globs,
}

impl Namespaces {
    pub(crate) fn new(config: &config::Namespaces) -> Self {
        Namespaces {
            except: Globs::new(&config.except),
        }
    }

    pub(crate) fn find(&self, call: Privileged<'_>, process: Process<'_>) -> Option<Finding> {
        let did = match (call.op(), call.failed()) {
            (PrivilegedOp::EnterNamespace, false) => "entered",
            (PrivilegedOp::EnterNamespace, true) => "tried to enter",
            (PrivilegedOp::Unshare, false) => "made itself",
            (PrivilegedOp::Unshare, true) => "tried to make itself",
            _ => return None,
        };
        let kinds: Vec<&str> = CONFINING
            .iter()
            .filter(|(flag, _)| call.code() & flag != 0)
            .map(|(_, kind)| *kind)
            .collect();
        if kinds.is_empty() || process.container().is_none() || self.except.matches(process.exe()) {
            return None;
        }
        let kinds = kinds.join(", ");
        Some(Finding {
            rule: "namespace-escape",
            severity: Severity::Warning,
            message: format!(
                "in a container, {} (pid {}) {did} other namespaces: {kinds}",
                name(process),
                process.pid(),
            ),
            tags: &["T1611"],
            detail: format!("{did} {kinds}").into_bytes(),
            fields: vec![("namespaces", kinds)],
        })
    }
}
