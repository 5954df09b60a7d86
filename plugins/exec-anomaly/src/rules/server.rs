//! A shell below a server that the network reaches: what a web shell or an exploited service looks like from outside.
use vespid_plugin::prelude::*;
use vespid_plugin::{Exec, Globs, glob_match};

use super::{Finding, name};
use crate::{config, lists};

pub(crate) struct Servers {
    shells: Globs,
    servers: Globs,
    interpreters: Globs,
    arguments: Vec<Vec<u8>>,
    except_arguments: Vec<Vec<u8>>,
    except_commands: Vec<String>,
}

impl Servers {
    pub(crate) fn new(config: &config::Servers) -> Self {
        let bytes = |texts: &[String]| texts.iter().map(|text| text.clone().into_bytes()).collect();
        Servers {
            shells: Globs::new(&config.shells),
            servers: Globs::new(&config.servers),
            interpreters: Globs::new(lists::INTERPRETERS),
            arguments: bytes(&config.arguments),
            except_arguments: bytes(&config.except_arguments),
            except_commands: config.except_commands.clone(),
        }
    }

    pub(crate) fn find(&self, exec: Exec<'_>, process: Process<'_>) -> Option<Finding> {
        if !self.shells.matches(process.exe()) {
            return None;
        }
        // A server that executes a shell without a fork has no shell below it; it is one.
        let above = exec.previous().into_iter().chain(process.ancestors());
        let (distance, server) = above.enumerate().find(|(_, process)| self.is_server(*process))?;
        let command = process.command_line();
        if self.except_commands.iter().any(|pattern| glob_match(pattern, &command)) {
            return None;
        }
        let in_place = server.pid() == process.pid();
        let between: Vec<String> = process
            .ancestors()
            .take(distance)
            .take_while(|above| above.id() != server.id())
            .map(name)
            .collect();
        let chain = if between.is_empty() {
            String::new()
        } else {
            format!(" through {}", between.join(", "))
        };
        let relation = if in_place { "in place of" } else { "below" };
        Some(Finding {
            rule: "shell-below-server",
            severity: Severity::Critical,
            message: format!(
                "{} started {relation} {} (pid {}){chain}: {}",
                name(process),
                name(server),
                server.pid(),
                text(&command)
            ),
            tags: &["T1059.004", "T1505.003", "T1190"],
            fields: vec![("server", name(server)), ("server_pid", server.pid().to_string())],
            detail: [&server.pid().to_le_bytes()[..], &command].concat(),
        })
    }

    fn is_server(&self, process: Process<'_>) -> bool {
        let has = |texts: &[Vec<u8>]| {
            process
                .args()
                .any(|argument| texts.iter().any(|text| contains(argument, text)))
        };
        let exe = match process.exe() {
            b"" => process.comm(),
            exe => exe,
        };
        (self.servers.matches(exe) || self.interpreters.matches(exe) && has(&self.arguments))
            && !has(&self.except_arguments)
    }
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    text.is_empty() || bytes.windows(text.len()).any(|window| window == text)
}
