//! Questions about a batch, each asked of row views and of bare columns.
//!
//! The columns' side is what somebody writes who cares for nothing but speed: no view, no function of the SDK.
use vespid_plugin::bindings::vespid::plugin::events;
use vespid_plugin::{Batch, basename};

/// Something to find out about a batch.
pub(crate) type Question = fn(&events::Batch) -> (u64, usize);

/// A name, and the question asked of rows and of columns.
pub(crate) const QUESTIONS: [(&str, Question, Question); 2] = [
    ("opens", opens_by_row, opens_by_column),
    ("execs", execs_by_row, execs_by_column),
];

/// Writes below /etc by programs whose parent is a bash: their number and the lengths of their paths.
fn opens_by_row(batch: &events::Batch) -> (u64, usize) {
    let mut found = (0, 0);
    for open in Batch::new(batch).opens() {
        if open.writes() && !open.failed() && open.path().starts_with(b"/etc/") {
            let parent = open.process().and_then(|process| process.parent());
            if parent.is_some_and(|parent| parent.comm() == b"bash") {
                found.0 += 1;
                found.1 += open.path().len();
            }
        }
    }
    found
}

fn opens_by_column(batch: &events::Batch) -> (u64, usize) {
    let Some(opens) = &batch.opens else { return (0, 0) };
    let mut found = (0, 0);
    let conditions = opens.flags.iter().zip(&opens.result);
    for ((path, process), (flags, result)) in opens.path.iter().zip(&opens.process).zip(conditions) {
        let writes = flags & 0o10_000_000 == 0 && (matches!(flags & 3, 1 | 2) || flags & 0o20_001_100 != 0);
        if writes && *result >= 0 && string(batch, *path).starts_with(b"/etc/") {
            let Some(parent) = batch.processes.parent.get(*process as usize) else {
                continue;
            };
            let Some(comm) = batch.processes.comm.get(*parent as usize) else {
                continue;
            };
            if string(batch, *comm) == b"bash" {
                found.0 += 1;
                found.1 += string(batch, *path).len();
            }
        }
    }
    found
}

/// What the executables' names are made of, and when the last ran.
fn execs_by_row(batch: &events::Batch) -> (u64, usize) {
    let mut found = (0, 0);
    for exec in Batch::new(batch).execs() {
        if let Some(process) = exec.process().filter(|_| !exec.failed()) {
            found.0 = exec.time().max(found.0) ^ u64::from(process.uid());
            found.1 += basename(process.exe()).len() + exec.filename().len();
        }
    }
    found
}

fn execs_by_column(batch: &events::Batch) -> (u64, usize) {
    let Some(execs) = &batch.execs else { return (0, 0) };
    let mut found = (0, 0);
    let times = execs.time.iter().zip(&execs.errno);
    for ((process, filename), (time, errno)) in execs.process.iter().zip(&execs.filename).zip(times) {
        let process = *process as usize;
        if *errno == 0 && process < batch.processes.pid.len() {
            found.0 = (*time).max(found.0) ^ u64::from(batch.processes.uid[process]);
            found.1 += last_part(string(batch, batch.processes.exe[process])).len();
            found.1 += string(batch, *filename).len();
        }
    }
    found
}

fn string(batch: &events::Batch, id: u32) -> &[u8] {
    let ends = &batch.strings.ends;
    let start = id.checked_sub(1).map_or(0, |before| ends[before as usize]);
    &batch.strings.blob[start as usize..ends[id as usize] as usize]
}

fn last_part(path: &[u8]) -> &[u8] {
    match memchr::memrchr(b'/', path) {
        Some(slash) => &path[slash + 1..],
        None => path,
    }
}
