//! Boots a machine and listens to it.
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::progress::Progress;

/// An emulated machine takes some ten seconds for each of more than a hundred tests, and twice that beside other work.
const LIMIT: Duration = Duration::from_secs(3600);

/// What a machine told.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) release: Option<String>,
    pub(super) doctor: Doctor,
    pub(super) passed: usize,
    pub(super) failed: Vec<String>,
    /// Whether it came to its end by itself.
    pub(super) has_ended: bool,
}

/// What `vespid doctor` said.
#[derive(Debug, Default)]
pub(super) struct Doctor {
    pub(super) checks: Vec<Check>,
    /// Options of the kernel's configuration.
    pub(super) config: Vec<(String, String)>,
}

/// A check of `vespid doctor`.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) name: String,
    pub(super) topic: String,
    pub(super) usable: bool,
    pub(super) found: String,
    pub(super) lost: String,
}

/// Runs a kernel to the end of its init, or for as long as it may.
///
/// # Errors
/// If there can be no machine. One that hangs is told of, and what it said until then.
pub(super) fn boot(qemu: &Path, kernel: &Path, image: &Path, log: &Path, progress: &Progress) -> anyhow::Result<Told> {
    let task = progress.task("virtual machine");
    let mut machine = Command::new(qemu);
    machine
        // Without hardware's help, as in most containers and clouds.
        .args(["-accel", accelerator(qemu)?, "-cpu", "max", "-smp", "2", "-m", "2048"])
        .args(["-nographic", "-no-reboot", "-nodefaults"])
        .arg("-chardev")
        .arg(format!("stdio,id=serial,signal=off,logfile={}", log.display()))
        .args(["-serial", "chardev:serial"])
        .args(["-append", "console=ttyS0 quiet panic=-1 lsm=landlock,lockdown,bpf"])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(image);
    let ran = task.run(&mut machine, LIMIT);
    let told = Told::of(&fs::read(log)?);
    let outcome = format!(
        "{} passed, {} failed; all of it: {}",
        told.passed,
        told.failed.len(),
        log.display()
    );
    match ran {
        Ok(()) => task.done(&outcome),
        Err(error) => task.gave_up(&format!("{error:#}; {outcome}")),
    }
    Ok(told)
}

/// How processors are emulated. Until QEMU 8.1 one could read an instruction while another replaced it, and keep what was
/// there in between: a kernel patches itself whenever a tracepoint is attached, by a breakpoint at first, and died of that.
/// With one thread for all of them, they take turns.
fn accelerator(qemu: &Path) -> anyhow::Result<&'static str> {
    let said = Command::new(qemu).arg("--version").output()?.stdout;
    let said = str::from_utf8(&said).unwrap_or_default();
    let version = said.split_whitespace().find_map(version);
    Ok(match version {
        Some(version) if version < (8, 1) => "tcg,thread=single",
        _ => "tcg,thread=multi",
    })
}

/// Major and minor of `7.2.22`.
fn version(word: &str) -> Option<(u32, u32)> {
    let mut numbers = word.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

impl Told {
    fn of(serial: &[u8]) -> Told {
        let (mut told, mut running) = (Told::default(), None);
        let lines = serial.split(|&byte| byte == b'\n');
        for line in lines.filter_map(|line| str::from_utf8(line.trim_ascii_end()).ok()) {
            // The firmware clears the screen on the first line.
            if let Some((_, release)) = line.split_once("@release ") {
                told.release = Some(release.to_owned());
            } else if let Some(found) = line.strip_prefix("@doctor ") {
                told.doctor = doctor(found);
            } else if line == "@end" {
                told.has_ended = true;
            } else if let Some((name, rest)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")) {
                running = Some(name.to_owned());
                told.note(&mut running, rest);
            } else {
                // What a test's children wrote came between its name and this.
                told.note(&mut running, line);
            }
        }
        told
    }

    /// Takes in how the test that is running ended, if this says so.
    fn note(&mut self, running: &mut Option<String>, said: &str) {
        match said {
            "ok" => self.passed += usize::from(running.take().is_some()),
            "FAILED" => self.failed.extend(running.take()),
            _ => {}
        }
    }
}

/// What `vespid doctor --json` has said; nothing if it is not that.
pub(super) fn doctor(said: &str) -> Doctor {
    let said: serde_json::Value = serde_json::from_str(said).unwrap_or_default();
    let checks = said["checks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let check = |check: &serde_json::Value| Check {
        name: text(&check["name"]),
        topic: text(&check["topic"]),
        usable: check["usable"] == true,
        found: text(&check["found"]),
        lost: text(&check["lost"]),
    };
    let config = said["config"].as_object().into_iter().flatten();
    Doctor {
        checks: checks.iter().map(check).collect(),
        config: config.map(|(option, value)| (option.clone(), text(value))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_tells_is_taken_from_between_the_kernels_lines() {
        let serial =
            b"[    0.1] hello\r\n\x1bc@release 6.1.0\r\n@doctor {\"checks\":[{\"name\":\"vespid_fork\",\"usable\":true,\
                      \"found\":\"attached\",\"lost\":\"\"}]}\r\ntest files::a ... ok\r\ntest files::b ... FAILED\r\n\
                      test files::c ... mkdir: no\r\nFAILED\r\ntest files::d ... a word\r\nok\r\n";
        let told = Told::of(serial);
        assert_eq!((told.release.as_deref(), told.passed), (Some("6.1.0"), 2));
        let failed = ["files::b".to_owned(), "files::c".to_owned()];
        assert_eq!((&told.failed[..], told.has_ended), (&failed[..], false));
        assert_eq!(
            (told.doctor.checks[0].name.as_str(), told.doctor.checks[0].usable),
            ("vespid_fork", true)
        );
        assert!(Told::of(b"@end\n").has_ended);
        let told = Told::of(b"test a ... sh: not found\r\nFAILED\r\ntest b ... noise\r\nok\r\nok\r\n");
        assert_eq!((told.passed, &told.failed[..]), (1, &["a".to_owned()][..]));
        assert!(doctor("not JSON").checks.is_empty());
    }
}
