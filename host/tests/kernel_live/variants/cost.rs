//! What each way costs who makes the calls. Times are told and not judged; how often programs run is.
#![expect(unsafe_code, reason = "system calls that no library wraps")]

use std::ffi::CString;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use aya::sys::{Stats, enable_stats};
use io_uring::{IoUring, opcode};
use vespid::kernel::{Settings, Way};
use vespid_ebpf::Kind;

use super::{WAYS, folder, way};
use crate::actor::{actor, c};
use crate::harness::live_with;

/// Calls of each sort between two looks at the clock, and how many times.
const CALLS: u32 = 50;
const ROUNDS: u32 = 60;

/// Makes calls, and says what one of each sort took: nanoseconds, the median of the rounds.
pub(crate) fn act() {
    let path = |name: &str| {
        c(&format!(
            "{}/{name}",
            std::env::current_dir().expect("a folder").display()
        ))
    };
    let (a, b, d, f) = (path("real/a"), path("other/a"), path("real/d"), path("real/b"));
    // SAFETY: the strings live through the calls.
    unsafe {
        say("getppid", 1, || libc::getppid());
        say("rename", 2, || {
            libc::rename(a.as_ptr(), b.as_ptr());
            libc::rename(b.as_ptr(), a.as_ptr());
        });
        say("mkdir+rmdir", 1, || {
            libc::mkdir(d.as_ptr(), 0o700);
            libc::rmdir(d.as_ptr());
        });
        say("chmod", 1, || libc::chmod(f.as_ptr(), 0o600));
        say("open+close", 1, || open(&f, 0));
        say("open to write, made anew", 1, || {
            open(&f, libc::O_CREAT | libc::O_TRUNC | libc::O_WRONLY)
        });
    }
    let Ok(mut ring) = IoUring::new(64) else { return };
    say("io_uring nop", 64, || {
        for _ in 0..64 {
            // SAFETY: it refers to nothing.
            unsafe { ring.submission().push(&opcode::Nop::new().build()).expect("room") };
        }
        ring.submit_and_wait(64).expect("completions");
        ring.completion().for_each(drop);
    });
}

fn open(path: &CString, flags: i32) -> i32 {
    // SAFETY: the string lives through the call; the descriptor is ours.
    unsafe { libc::close(libc::open(path.as_ptr(), flags, 0o600)) }
}

fn say<T>(what: &str, calls: u32, mut call: impl FnMut() -> T) {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            (0..CALLS).for_each(|_| drop(call()));
            began.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS * calls)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    println!("@{what}: {:.0}", rounds[rounds.len() / 2]);
}

fn told(folder: &Path) -> Vec<String> {
    let mut command: Command = actor("change", "cost", folder);
    let output = command.output().expect("a child");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines()
        .filter_map(|line| Some(line.split_once('@')?.1.to_owned()))
        .collect()
}

#[test]
fn a_hook_runs_for_its_own_calls_alone() {
    let statistics = enable_stats(Stats::RunTime).expect("statistics");
    for prefer in WAYS {
        let settings = Settings {
            kinds: 0,
            prefer,
            ..Settings::default()
        };
        let Some(mut live) = live_with(settings) else { return };
        let (_held, folder) = folder();
        for (name, kinds) in [
            ("nothing", 0),
            ("changes", Kind::Change.bit()),
            ("opens", Kind::Open.bit()),
        ] {
            live.kernel.want(kinds).expect("a change");
            let before = live.kernel.objects().read();
            let times = told(&folder);
            let after = live.kernel.objects().read();
            let taken = way(&live.kernel);
            let runs = |program: &str| {
                let of = |inventory: &vespid::kernel::Inventory| {
                    let mut programs = inventory.programs.iter();
                    programs
                        .find(|one| one.name == program)
                        .map(|one| (one.runs, one.run_ns))
                };
                let (was, is) = (of(&before)?, of(&after)?);
                Some((is.0 - was.0, is.1 - was.1))
            };
            let mut lines = format!(
                "\n@cost {name} wanted, changes by {}; {}\n",
                taken.name(),
                times.join("; ")
            );
            for program in &after.programs {
                if let Some((runs, ns)) = runs(&program.name).filter(|(runs, _)| *runs > 0) {
                    lines += &format!("@cost   {}: {runs} runs of {} ns\n", program.name, ns / runs);
                }
            }
            std::io::stderr().write_all(lines.as_bytes()).expect("a line");

            let rename = runs("vespid_path_rename").map(|(runs, _)| runs);
            let calls = u64::from(2 * CALLS * ROUNDS);
            match (taken, kinds == Kind::Change.bit()) {
                (Way::Tracepoints, _) => assert_eq!(rename, None),
                (Way::Fentry, true) => assert!(rename >= Some(calls) && rename < Some(2 * calls), "{rename:?}"),
                (Way::Fentry, false) => assert_eq!(rename, Some(0)),
            }
            live.collect();
        }
    }
    drop(statistics);
}
