//! The kernel's audit with its daemon, as a peer. A kernel has one of each, so where somebody uses them this keeps off.
//!
//! Once audit has been on, the kernel takes every call of processes that begin later through it until the next boot, even if
//! it is off again, unless a rule says that none of them is to be audited. That rule is what stays behind; so nobody is
//! measured with audit who does not ask for it.
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::Signal;
use tempfile::TempDir;

use super::load::Load;
use super::seen::{DRAIN, Seen};
use crate::program::{Process, installed, pause};

/// How long the daemon may take to start.
const START: Duration = Duration::from_secs(5);
/// What Debian's own rules set, instead of the kernel's 64.
const BACKLOG: &str = "8192";
/// Marks the records of our rule.
const KEY: &str = "vespid-bench";
/// With it, what starts later costs as much as it did before.
const NOBODY: &str = "never,task";

/// Why there is no such peer here, if there is none.
pub(super) fn lacks() -> Option<String> {
    if installed("auditd").is_none() || installed("auditctl").is_none() {
        return Some("it is not installed".to_owned());
    }
    match is_free() {
        Ok(true) => None,
        Ok(false) => Some("a kernel has one audit daemon, and here somebody has rules or a daemon already".to_owned()),
        Err(error) => Some(format!("{error:#}")),
    }
}

fn is_free() -> anyhow::Result<bool> {
    let is_unused = status("pid")? == "0" && status("enabled")? == "0";
    Ok(is_unused && (rules()? == "No rules" || is_left_behind()?))
}

/// Whether the only rule is that which this leaves behind.
fn is_left_behind() -> anyhow::Result<bool> {
    Ok(rules()? == format!("-a {NOBODY}"))
}

fn rules() -> anyhow::Result<String> {
    Ok(control(&["-l"])?.trim().to_owned())
}

/// The call that a load makes again and again.
fn call(load: Load) -> Option<&'static str> {
    match load {
        Load::Exec => Some("execve"),
        Load::Open => Some("openat"),
        Load::Tcp | Load::Work => None,
    }
}

/// Whether it can watch a load.
pub(super) fn watches(load: Load) -> bool {
    call(load).is_some()
}

/// Starts it, runs `work`, which is this load, and ends it.
pub(super) fn watch<T>(load: Load, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(T, Seen)> {
    let call = call(load).context("audit has no rule for this load")?;
    let audit = Audit::start(call)?;
    let (cpu, lost) = (audit.daemon.cpu_seconds(), lost()?);
    let done = work()?;
    pause(DRAIN);
    let (cpu, lost) = (audit.daemon.cpu_seconds() - cpu, self::lost()? - lost);
    let resident_bytes = audit.daemon.resident_bytes();
    let delivered = audit.delivered()?;
    let seen = Seen {
        events: Some(delivered + lost),
        delivered: Some(delivered),
        dropped: (lost > 0.0).then(|| ("lost".to_owned(), lost)).into_iter().collect(),
        cpu_seconds: cpu,
        resident_bytes,
        ..Seen::default()
    };
    Ok((done, seen))
}

/// As long as it is there, the kernel audits a call of all processes.
struct Audit {
    daemon: Process,
    folder: TempDir,
    /// What the kernel had before.
    backlog: String,
    call: &'static str,
}

impl Audit {
    fn start(call: &'static str) -> anyhow::Result<Audit> {
        ensure!(is_free()?, "somebody else began to audit");
        let folder = TempDir::new()?;
        std::fs::create_dir(folder.path().join("plugins"))?;
        std::fs::write(folder.path().join("auditd.conf"), config(folder.path()))?;
        let mut command = Command::new(installed("auditd").context("auditd is not installed")?);
        command.arg("-n").arg("-c").arg(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut audit = Audit {
            daemon: Process(command.spawn()?),
            folder,
            backlog: status("backlog_limit")?,
            call,
        };
        let begin = Instant::now();
        while status("pid")? == "0" {
            if audit.daemon.0.try_wait()?.is_some() || begin.elapsed() > START {
                bail!("auditd does not start");
            }
            pause(Duration::from_millis(50));
        }
        if is_left_behind()? {
            control(&["-d", NOBODY])?;
        }
        control(&["-b", BACKLOG])?;
        control(&audit.rule("-a"))?;
        Ok(audit)
    }

    fn rule(&self, action: &'static str) -> [&'static str; 8] {
        [action, "always,exit", "-F", "arch=b64", "-S", self.call, "-k", KEY]
    }

    /// The records of our rule that are in the log.
    fn delivered(&self) -> anyhow::Result<f64> {
        let log = std::fs::read_to_string(self.folder.path().join("audit.log"))?;
        let key = format!("key=\"{KEY}\"");
        let is_ours = |line: &&str| line.starts_with("type=SYSCALL ") && line.ends_with(&key);
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        Ok(log.lines().filter(is_ours).count() as f64)
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        // Each of these for itself: what was not done yet has nothing to undo.
        let _no_rule = control(&self.rule("-d"));
        self.daemon.end(Signal::TERM);
        let _as_before = control(&["-b", &self.backlog]);
        let _as_before = control(&["-e", "0"]);
        let _unaudited = control(&["-a", NOBODY]);
    }
}

/// As Debian has it, but for where it writes, and that no log is full.
fn config(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "local_events = yes\nwrite_logs = yes\nlog_file = {folder}/audit.log\nlog_group = root\nlog_format = RAW\n\
         flush = INCREMENTAL_ASYNC\nfreq = 50\nmax_log_file = 4096\nmax_log_file_action = ignore\nspace_left = 75\n\
         space_left_action = ignore\nadmin_space_left = 50\nadmin_space_left_action = ignore\n\
         disk_full_action = ignore\ndisk_error_action = ignore\nplugin_dir = {folder}/plugins\n"
    )
}

fn lost() -> anyhow::Result<f64> {
    status("lost")?
        .parse()
        .context("auditctl does not say how much was lost")
}

/// What the kernel says of its audit.
fn status(what: &str) -> anyhow::Result<String> {
    let status = control(&["-s"])?;
    let mut lines = status.lines().filter_map(|line| line.split_once(' '));
    let found = lines.find(|(name, _)| *name == what);
    Ok(found.context("auditctl does not say it")?.1.to_owned())
}

fn control(args: &[&str]) -> anyhow::Result<String> {
    let file = installed("auditctl").context("auditctl is not installed")?;
    let output = Command::new(file).args(args).output()?;
    if !output.status.success() {
        let why = String::from_utf8(output.stderr)?;
        bail!(
            "auditctl {}: {}",
            args.join(" "),
            why.lines().next().unwrap_or_default()
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}
