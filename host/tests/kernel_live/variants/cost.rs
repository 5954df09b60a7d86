//! What each way costs who makes the calls. Times are told and not judged; how often programs run is.
#![expect(unsafe_code, reason = "system calls that no library wraps")]

use std::ffi::CString;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use aya::sys::{Stats, enable_stats};
use io_uring::{IoUring, opcode};
use vespid::kernel::{Settings, Way};
use vespid_ebpf::Kind;

use super::{WAYS, folder, way};
use crate::actor::{actor, c};
use crate::harness::{Live, live_with};

/// Calls of each sort between two looks at the clock, and how many times.
const CALLS: u32 = 50;
const ROUNDS: u32 = 60;

/// Makes calls, and says what one of each sort took: nanoseconds, the least of the rounds, as others make it more.
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
    let least = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            (0..CALLS).for_each(|_| drop(call()));
            began.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS * calls)
        })
        .fold(f64::MAX, f64::min);
    println!("@{what}: {least:.0}");
}

/// Has the calls made, while the ring is read as it is by the daemon; says what they took.
fn told(live: &mut Live, folder: &Path) -> Vec<String> {
    let mut child = actor("change", "cost", folder).spawn().expect("a child");
    while child.try_wait().expect("a child").is_none() {
        live.kernel.wait(Duration::from_millis(10)).expect("a ring");
        live.kernel.drain(usize::MAX, |_| ());
    }
    let output = child.wait_with_output().expect("its output");
    let text = String::from_utf8(output.stdout).expect("text");
    let lines = text.lines();
    lines
        .filter_map(|line| Some(line.split_once('@')?.1.to_owned()))
        .collect()
}

#[test]
fn a_hook_runs_for_its_own_calls_alone() {
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
            let began = Instant::now();
            live.kernel.want(kinds).expect("a change");
            let changed_in = began.elapsed().as_millis();
            let times = told(&mut live, &folder);
            let statistics = enable_stats(Stats::RunTime).expect("statistics");
            let before = live.kernel.objects().read();
            told(&mut live, &folder);
            let after = live.kernel.objects().read();
            drop(statistics);
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
            let mut lines = vec![format!(
                "\n@cost {name} wanted after {changed_in} ms (started in {} ms), by {}; {}",
                live.kernel.started_in().as_millis(),
                taken.name(),
                times.join("; ")
            )];
            for program in &after.programs {
                if let Some((runs, ns)) = runs(&program.name).filter(|(runs, _)| *runs > 0) {
                    lines.push(format!("@cost   {}: {runs} runs of {} ns", program.name, ns / runs));
                }
            }
            writeln!(std::io::stderr(), "{}", lines.join("\n")).expect("lines");

            let rename = runs("vespid_path_rename").map(|(runs, _)| runs);
            let calls = u64::from(2 * CALLS * ROUNDS);
            match (taken, kinds == Kind::Change.bit()) {
                (Way::Tracepoints | Way::SockOps, _) => assert_eq!(rename, None),
                (Way::Fentry, true) => assert!(rename >= Some(calls) && rename < Some(2 * calls), "{rename:?}"),
                (Way::Fentry, false) => assert_eq!(rename, Some(0)),
            }
        }
    }
}
