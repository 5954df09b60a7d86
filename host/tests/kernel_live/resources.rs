//! What control groups use, and who is killed for want of memory.
//!
//! Counters are sampled and the machine is shared, so figures are compared with what the kernel's own books say of the
//! same process, within bounds that are wide beside the error of sampling.
#![expect(unsafe_code, reason = "system calls that no library wraps")]

use std::collections::HashMap;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::json;
use vespid::filter::Sift;
use vespid::kernel::{Cgroups, Kernel, Settings, State, Used};
use vespid_ebpf::usage::Counter;
use vespid_ebpf::{Kind, ResourceOp};

use crate::actor::actor;
use crate::groups::Group;
use crate::harness::{Live, live_with, number};
use crate::storm::attached;

fn measuring() -> Option<Live> {
    live_with(Settings {
        kinds: Kind::Resource.bit(),
        ..Settings::default()
    })
}

/// What each control group used while `work` was done.
fn used(kernel: &mut Kernel, work: impl FnOnce(&mut Kernel)) -> HashMap<String, Used> {
    let settle = |kernel: &mut Kernel| {
        let until = Instant::now() + Duration::from_millis(50);
        while Instant::now() < until {
            kernel.wait(Duration::from_millis(10)).expect("a ring");
        }
    };
    kernel.turn_usage().expect("an interval");
    settle(kernel);
    kernel.take_usage(|_| ());
    work(kernel);
    kernel.turn_usage().expect("an interval");
    settle(kernel);
    let (mut cgroups, mut all) = (Cgroups::of_node(), HashMap::new());
    kernel.take_usage(|used| {
        let path = String::from_utf8(cgroups.path(used.group).to_vec()).expect("text");
        all.insert(path, used);
    });
    all
}

/// What the kernel's own books say of a child that has ended.
fn wait(child: &mut Child) -> libc::rusage {
    // SAFETY: all zeroes are a valid value, and the structure lives through the call.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        let pid = i32::try_from(child.id()).expect("a pid");
        assert_eq!(libc::wait4(pid, std::ptr::null_mut(), 0, &raw mut usage), pid);
        usage
    }
}

fn amount(used: &Used, counter: Counter) -> f64 {
    used.amounts[counter.index()] as f64
}

/// Does `act` in a group of its own; gives what was measured, and what the kernel's books say.
fn of_act(act: &str, argument: &str) -> Option<(Used, libc::rusage)> {
    let mut live = measuring()?;
    let group = Group::new(act)?;
    let mut books = None;
    let all = used(&mut live.kernel, |_| {
        let actor = actor(act, argument, Path::new("/"));
        let mut child = Group::run(&[&group], &actor).spawn().expect("a child");
        books = Some(wait(&mut child));
    });
    let used = all.get(&group.path).copied();
    let used = used.unwrap_or_else(|| panic!("{} is not in {all:#?}", group.path));
    Some((used, books.expect("its books")))
}

fn seconds(time: libc::timeval) -> f64 {
    time.tv_sec as f64 + time.tv_usec as f64 / 1e6
}

/// A hundred and fifty samples are off by a twelfth on the average; a processor that is taken away loses more.
#[test]
fn a_busy_loop_is_charged_with_its_processor_time() {
    let Some((used, books)) = of_act("spin", "1500") else {
        return;
    };
    let measured = amount(&used, Counter::Cpu) / 1e9;
    let actual = seconds(books.ru_utime) + seconds(books.ru_stime);
    assert!((0.5..1.5).contains(&(measured / actual)), "{measured} s of {actual} s");
}

#[test]
fn a_program_that_touches_memory_is_charged_with_its_page_faults() {
    let Some((used, books)) = of_act("touch", "50000") else {
        return;
    };
    let measured = amount(&used, Counter::MinorFaults);
    let actual = books.ru_minflt as f64;
    assert!(actual >= 50_000.0);
    assert!((0.8..1.2).contains(&(measured / actual)), "{measured} of {actual}");
}

#[test]
fn a_ping_pong_is_charged_with_its_context_switches() {
    let Some((used, books)) = of_act("ping-pong", "20000") else {
        return;
    };
    let [measured, involuntary] =
        [Counter::VoluntarySwitches, Counter::InvoluntarySwitches].map(|counter| amount(&used, counter));
    let (actual, put_off) = (books.ru_nvcsw as f64, books.ru_nivcsw as f64);
    assert!(actual + put_off > 20_000.0, "{actual} and {put_off}");
    let ratio = (measured + involuntary) / (actual + put_off);
    assert!(
        (0.8..1.2).contains(&ratio),
        "{measured} and {involuntary} of {actual} and {put_off}"
    );
    // Which of the two it is depends on the scheduler; the kernel's books tell them apart as well.
    let (share, actual_share) = (measured / (measured + involuntary), actual / (actual + put_off));
    assert!((share - actual_share).abs() < 0.1, "{share} of {actual_share}");
}

#[test]
fn a_process_killed_for_want_of_memory_is_told_with_what_it_had() {
    const LIMIT: u64 = 48 << 20;
    let Some(mut live) = measuring() else { return };
    let Some(group) = Group::with_memory("oom", LIMIT) else {
        return;
    };
    let child = live.start(&mut Group::run(&[&group], &actor("touch", "100000", Path::new("/"))));
    let pid = live.finish(child);
    // Before 6.16, two last threads that end at once may both say so.
    let exit = &live.of(pid, "exit")[0]["exit"];
    assert_eq!(exit["signal"], 9, "{exit}");
    let kill = live.only(pid, "resource");
    assert_eq!(kill["resource"]["op"], "oom_kill");
    assert_eq!((&kill["tid"], &kill["uid"]), (&kill["pid"], &json!(0)));
    let exec = live.of(pid, "exec");
    assert_eq!(
        kill["start"], exec[0]["start"],
        "the victim's, not that of who had no room"
    );
    let memory = number(&kill["resource"]["memory"]);
    // What a CPU has not handed over yet is some hundred pages.
    assert!((LIMIT / 2..LIMIT + (8 << 20)).contains(&memory), "{memory}");
}

/// Names of the samplers that run.
fn running(kernel: &Kernel) -> Vec<&'static str> {
    let probes = kernel.probes().iter();
    probes
        .filter(|probe| probe.hook.starts_with("perf_event") && probe.state == State::Attached)
        .map(|probe| probe.name)
        .collect()
}

const SOFTWARE: [&str; 4] = ["vespid_cpu", "vespid_minor", "vespid_major", "vespid_switch"];

#[test]
fn nothing_is_measured_unless_somebody_wants_usage() {
    let Some(mut live) = live_with(Settings {
        kinds: 0,
        ..Settings::default()
    }) else {
        return;
    };
    let kernel = &mut live.kernel;
    let cpus = aya::util::online_cpus().expect("processors").len();
    let attached = |name: &str| attached().iter().filter(|program| *program == name).count();
    assert_eq!((running(kernel), kernel.measured()), (vec![], 0));

    kernel.want(Kind::Resource.bit()).expect("a change");
    assert!(running(kernel).starts_with(&SOFTWARE), "{:?}", kernel.probes());
    assert_eq!(kernel.measured() & 0b11111, 0b11111);
    assert_eq!([attached("vespid_cpu"), attached("vespid_oom")], [cpus, 1]);

    // Only kills are wanted.
    let mut sift = Sift::default();
    for outcome in &mut sift.sieve.classes[Kind::Resource.index()] {
        outcome[ResourceOp::Usage as usize] = 0;
    }
    kernel.sift(&sift).expect("a change");
    kernel.want(Kind::Resource.bit()).expect("a change");
    assert_eq!((running(kernel), kernel.measured()), (vec![], 0));
    assert_eq!([attached("vespid_cpu"), attached("vespid_oom")], [0, 1]);

    kernel.sift(&Sift::default()).expect("a change");
    kernel.want(Kind::Resource.bit()).expect("a change");
    kernel.detach();
    assert_eq!(attached("vespid_cpu"), 0);
}

/// Either the machine shows them to the kernel, or it is said that it does not.
#[test]
fn hardware_counters_run_or_say_why_not() {
    let Some(live) = measuring() else { return };
    for name in ["vespid_cycles", "vespid_instr", "vespid_misses"] {
        let probe = live.kernel.probes().iter().find(|probe| probe.name == name);
        let probe = probe.expect("a probe");
        match &probe.state {
            State::Attached => {}
            State::Unavailable(why) => assert!(why.contains("no hardware counter"), "{why}"),
            State::NotNeeded => panic!("{name} is wanted"),
        }
    }
}

/// Uses its processor for so many milliseconds of processor time.
pub(crate) fn spin(milliseconds: &str) {
    let time = Duration::from_millis(milliseconds.parse().expect("a number"));
    let spent = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Duration::new(
            u64::try_from(time.tv_sec).expect("seconds"),
            u32::try_from(time.tv_nsec).expect("nanoseconds"),
        )
    };
    while spent() < time {}
}

/// Touches so many pages for the first time.
pub(crate) fn touch(pages: &str) {
    let pages: usize = pages.parse().expect("a number");
    // SAFETY: a mapping of its own, within which is written.
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let memory = libc::mmap(
            std::ptr::null_mut(),
            pages * 4096,
            libc::PROT_READ | libc::PROT_WRITE,
            flags,
            -1,
            0,
        );
        assert_ne!(memory, libc::MAP_FAILED);
        // A huge page would be one fault.
        libc::madvise(memory, pages * 4096, libc::MADV_NOHUGEPAGE);
        for page in 0..pages {
            memory.cast::<u8>().add(page * 4096).write_volatile(1);
        }
    }
}

/// Two processes on one processor take so many turns each, by two pipes.
pub(crate) fn ping_pong(turns: &str) {
    use std::io::{Read, Write};
    let turns: u32 = turns.parse().expect("a number");
    let (mut to_there, mut from_here) = {
        let (read, write) = std::io::pipe().expect("a pipe");
        (write, read)
    };
    let (mut from_there, mut to_here) = std::io::pipe().expect("a pipe");
    // SAFETY: the set is initialised, and of its own size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(0, &mut set);
        assert_eq!(libc::sched_setaffinity(0, size_of_val(&set), &raw const set), 0);
    }
    let there = std::thread::spawn(move || {
        // Threads inherit the processor.
        let mut ball = [0];
        for _ in 0..turns {
            from_here.read_exact(&mut ball).expect("a turn");
            to_here.write_all(&ball).expect("a turn");
        }
    });
    let mut ball = [0];
    for _ in 0..turns {
        to_there.write_all(&ball).expect("a turn");
        from_there.read_exact(&mut ball).expect("a turn");
    }
    there.join().expect("its end");
}
