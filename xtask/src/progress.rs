//! Long work that shows what it does: on a terminal one moving line a task, elsewhere plain lines.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Of a line as much is shown.
const PLAIN_WIDTH: usize = 160;
const PLAIN_EVERY: Duration = Duration::from_secs(10);
const TAIL_LINES: usize = 25;

/// Shows any number of tasks at once.
pub(crate) struct Progress {
    bars: Option<MultiProgress>,
    logs: PathBuf,
}

impl Progress {
    /// The full output of each task is kept in a file below `logs`.
    pub(crate) fn new(logs: &Path) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self {
            bars: terminal.then(MultiProgress::new),
            logs: logs.to_path_buf(),
        }
    }

    /// A line of its own, above the moving ones.
    pub(crate) fn say(&self, line: &str) {
        match &self.bars {
            // Only a closed terminal can refuse the line, and then nobody reads it.
            Some(bars) => drop(bars.println(line)),
            None => eprintln!("{line}"),
        }
    }

    fn log_path(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{}.log", name.replace(' ', "-")))
    }

    /// Begins a task. `name` also names its log.
    pub(crate) fn task(&self, name: &'static str) -> Task<'_> {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix:.bold} {elapsed:>4} {wide_msg:.dim}") {
                bar.set_style(style);
            }
            bar.set_prefix(name);
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if bar.is_none() {
            eprintln!("  {name}: started");
        }
        // There is none when the task never ran before.
        drop(fs::remove_file(self.log_path(name)));
        Task {
            progress: self,
            name,
            bar,
            start: Instant::now(),
        }
    }
}

/// One piece of work, made of commands.
pub(crate) struct Task<'a> {
    progress: &'a Progress,
    name: &'static str,
    bar: Option<ProgressBar>,
    start: Instant,
}

impl Task<'_> {
    /// Runs `command` to its end, showing the line that it printed last.
    ///
    /// # Errors
    /// It cannot be started, takes longer than `limit` (it is then killed), or fails: with the end of its output.
    pub(crate) fn run(&self, command: &mut Command, limit: Duration) -> anyhow::Result<()> {
        let (reader, writer) = std::io::pipe()?;
        let program = command.get_program().to_string_lossy().into_owned();
        command
            .stdin(std::process::Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer);
        let mut child = command.spawn().with_context(|| format!("cannot start {program}"))?;
        // The command holds the pipe's writing ends: without this the reader would never see the end.
        command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());

        let (sender, lines) = sync_channel(64);
        let reading = std::thread::Builder::new().name("output".into()).spawn(move || {
            for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        })?;
        let log_path = self.progress.log_path(self.name);
        fs::create_dir_all(&self.progress.logs)?;
        let mut log = File::options().create(true).append(true).open(&log_path)?;
        let followed = self.follow(&lines, &mut log, Instant::now() + limit);
        drop(lines);
        if followed.is_err() {
            child.kill()?;
        }
        let status = child.wait()?;
        let tail = match followed {
            Ok(tail) => tail,
            // The reader is not waited for: a grandchild may still hold the pipe.
            Err(Stopped::Late) => bail!("{program} took longer than {} s and was stopped", limit.as_secs()),
            Err(Stopped::Log(error)) => {
                return Err(error).with_context(|| format!("cannot write {}", log_path.display()));
            }
        };
        if reading.join().is_err() {
            bail!("reading the output of {program} failed");
        }
        if !status.success() {
            bail!(
                "{program} failed ({status}):\n{}\n(all of it: {})",
                tail.join("\n"),
                log_path.display()
            );
        }
        Ok(())
    }

    fn follow(&self, lines: &Receiver<Vec<u8>>, log: &mut File, deadline: Instant) -> Result<Vec<String>, Stopped> {
        let mut tail = std::collections::VecDeque::new();
        let mut said = Instant::now();
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    log.write_all(&line)
                        .and_then(|()| log.write_all(b"\n"))
                        .map_err(Stopped::Log)?;
                    let line = printable(&line);
                    if line.is_empty() {
                        continue;
                    }
                    match &self.bar {
                        Some(bar) => bar.set_message(line.clone()),
                        None if said.elapsed() >= PLAIN_EVERY => {
                            said = Instant::now();
                            let start: String = line.chars().take(PLAIN_WIDTH).collect();
                            eprintln!("  {}: {:>3} s, {start}", self.name, self.start.elapsed().as_secs());
                        }
                        None => {}
                    }
                    if tail.len() == TAIL_LINES {
                        tail.pop_front();
                    }
                    tail.push_back(line);
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(tail.into()),
                Err(RecvTimeoutError::Timeout) => return Err(Stopped::Late),
            }
        }
    }

    /// Shows what the task does between its commands.
    pub(crate) fn show(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.to_owned());
        }
    }

    /// Ends the task well.
    pub(crate) fn done(self, outcome: &str) {
        self.end("✓", outcome);
    }

    /// Ends a task whose failure has a remedy.
    pub(crate) fn gave_up(self, outcome: &str) {
        self.end("–", outcome);
    }

    fn end(self, mark: &str, outcome: &str) {
        let line = format!(
            "{mark} {}: {outcome} ({:.0} s)",
            self.name,
            self.start.elapsed().as_secs_f32()
        );
        self.progress.say(&line);
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

enum Stopped {
    Late,
    Log(std::io::Error),
}

/// A line as it may be shown: without escape codes, tabs and what a carriage return overwrote.
fn printable(line: &[u8]) -> String {
    let last = line
        .split(|byte| *byte == b'\r')
        .rfind(|part| !part.is_empty())
        .unwrap_or_default();
    last.utf8_chunks()
        .flat_map(|chunk| chunk.valid().chars())
        .filter(|c| !c.is_control())
        .collect::<String>()
        .trim()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress() -> Progress {
        Progress {
            bars: None,
            logs: std::env::temp_dir().join(format!("vespid-xtask-{}", std::process::id())),
        }
    }

    #[test]
    fn a_failing_command_is_reported_with_the_end_of_its_output() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo first; echo the reason >&2; exit 3"]);
        let error = progress()
            .task("a failing command")
            .run(&mut command, Duration::from_secs(10))
            .unwrap_err();
        assert!(error.to_string().contains("first\nthe reason"), "{error}");
    }

    #[test]
    fn a_command_that_hangs_is_stopped_at_its_limit() {
        let mut command = Command::new("sleep");
        let start = Instant::now();
        let error = progress()
            .task("a hanging command")
            .run(command.arg("600"), Duration::from_millis(50))
            .unwrap_err();
        assert!(error.to_string().contains("took longer"), "{error}");
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_line_is_shown_without_what_would_disturb_the_terminal() {
        assert_eq!(printable(b" 10 %\r 20 %\r"), "20 %");
        assert_eq!(printable(b"\tred\x07 \xff "), "red");
    }
}
