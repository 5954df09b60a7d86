//! What a probe costs whoever makes the call: each operation without probes, with probes whose rows nobody's filter
//! wants, with rows that are left out by the user and the executable or by the namespaces of the process, with rows that
//! are written, and with rows that say these namespaces, in turn within each round.
//!
//! The rows are read between the turns, not meanwhile: what the daemon does with them is another section's.
mod act;

use std::fs;

use anyhow::{Context, anyhow};
use aya::sys::{Stats, enable_stats};
use vespid::filter::{FilterText, Sift, Subscription};
use vespid::interface::vespid::plugin::describe::Kinds;
use vespid::kernel::{Introduced, Inventory, Kernel, Settings, Way};
use vespid_ebpf::sieve::{Mask, NamespaceTest, Sieve};
use vespid_ebpf::{Kind, Outcome};

pub use act::main as act_main;
use act::{Act, Actor, CALLS, CONNECTION, PROCESS};

use crate::table::{Cell, Table};

/// What is done about an operation during a turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Unwatched,
    Filtered,
    Others,
    Elsewhere,
    Written,
    Told,
}

/// They run always, as processes are known by them.
const OF_PROCESSES: [&str; 3] = ["vespid_fork", "vespid_exec", "vespid_exit"];

const TURNS: [Turn; 6] = [
    Turn::Unwatched,
    Turn::Filtered,
    Turn::Others,
    Turn::Elsewhere,
    Turn::Written,
    Turn::Told,
];

/// Nanoseconds an operation, a round each.
#[derive(Default)]
struct Times {
    unwatched: Vec<f64>,
    filtered: Vec<f64>,
    others: Vec<f64>,
    elsewhere: Vec<f64>,
    written: Vec<f64>,
    told: Vec<f64>,
}

/// What the kernel counted of one operation.
#[derive(Default)]
struct Counted {
    runs: f64,
    run_ns: f64,
    rows: f64,
}

/// All of them, in so many rounds.
///
/// # Errors
/// If the probes do not start.
pub fn table(rounds: usize) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "probes",
        "What probes add to an operation: the median of the differences within a round, ± half the distance of their \
         quartiles. The last three columns are the kernel's own count, with its statistics on",
        &[
            "operation",
            "probe",
            "unwatched ns",
            "filtered +ns",
            "others +ns",
            "elsewhere +ns",
            "written +ns",
            "told +ns",
            "±",
            "rows",
            "runs",
            "ns in the probes",
        ],
    );
    let mut kernel = start(Way::default())?;
    for act in &CALLS {
        let (times, counted) = measure(act, &mut kernel, rounds)?;
        table.row(row(act, "", times, &counted));
    }
    drop(kernel);
    for (name, probe) in [("tracepoint", Way::Tracepoints), ("sock_ops", Way::SockOps)] {
        let mut kernel = start(probe)?;
        let (times, counted) = measure(&CONNECTION, &mut kernel, rounds)?;
        table.row(row(&CONNECTION, name, times, &counted));
    }
    let (times, counted) = process()?;
    table.row(row(&PROCESS, "", times, &counted));
    Ok(table)
}

fn start(prefer: Way) -> anyhow::Result<Kernel> {
    let settings = Settings {
        kinds: 0,
        prefer,
        ..Settings::default()
    };
    Kernel::start(&settings).map_err(|error| anyhow!("{error}"))
}

fn measure(act: &Act, kernel: &mut Kernel, rounds: usize) -> anyhow::Result<(Times, Counted)> {
    let mut actor = Actor::start(act)?;
    let mut times = Times::default();
    for round in 0..=rounds {
        for turn in TURNS {
            take(kernel, act, turn, actor.id())?;
            let ns = actor.run(act.count)?;
            drain(kernel);
            // The first one only warms up.
            if round > 0 {
                times.of(turn).push(ns);
            }
        }
    }
    let counted = count(act, kernel, &mut actor)?;
    kernel.want(0)?;
    actor.end()?;
    Ok((times, counted))
}

/// Has the probes watch as a turn says.
fn take(kernel: &mut Kernel, act: &Act, turn: Turn, actor: u32) -> anyhow::Result<()> {
    let sift = match turn {
        Turn::Unwatched => {
            kernel.want(0)?;
            return Ok(());
        }
        Turn::Written => Sift::default(),
        Turn::Filtered => Sift::by(Sieve::SHUT),
        Turn::Others => by_others()?,
        Turn::Elsewhere => Sift::by(by_namespaces(0)),
        Turn::Told => Sift::by(by_namespaces(BY_NAMESPACE)),
    };
    kernel.sift(&sift)?;
    if turn == Turn::Others {
        kernel.images().introduce([Introduced {
            pid: actor,
            start_ns: start_ns(actor)?,
            exe: b"/bench",
            place: Some(false),
        }]);
    }
    kernel.want(act.kinds)?;
    let lacking = kernel.probes().iter().find_map(|probe| probe.unavailable());
    lacking.map_or(Ok(()), |why| Err(anyhow!("{why}")))
}

/// Everything is judged by who does it: the user is the right one, the executable another.
fn by_others() -> anyhow::Result<Sift> {
    let filters = r#"[{"tables": ["opens", "changes", "privileged", "sockets", "connections"], "users": [0],
        "executables": [{"exact": "/none"}]}]"#;
    let filters: FilterText = filters.parse().context("filters")?;
    let tables = Kinds::OPENS | Kinds::CHANGES | Kinds::PRIVILEGED | Kinds::SOCKETS | Kinds::CONNECTIONS;
    Ok(Sift::of([&Subscription::new(&filters.0, tables)?], &[0; 8]))
}

/// When a process started, to a clock tick of a hundredth of a second.
fn start_ns(pid: u32) -> anyhow::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = fields.split(' ').nth(19).context("a start")?;
    Ok(ticks.parse::<u64>()? * 10_000_000)
}

/// The bit of a filter on a namespace.
const BY_NAMESPACE: Mask = 1;

/// Everything is judged by that filter, which is about these.
fn by_namespaces(inside: Mask) -> Sieve {
    let mut sieve = Sieve::SHUT;
    sieve.kinds = u32::MAX;
    sieve.classes.as_flattened_mut().as_flattened_mut().fill(BY_NAMESPACE);
    let without = &mut sieve.without;
    for other in [&mut without.path, &mut without.user, &mut without.image]
        .into_iter()
        .chain(&mut without.ends)
    {
        *other = Mask::MAX;
    }
    sieve.telling = BY_NAMESPACE;
    sieve.inside.fill(inside);
    // The network namespace, as a connection is in none else.
    sieve.tests[0] = NamespaceTest { kind: 3, inode: 1 };
    sieve
}

/// The kernel's own figures, while rows are written.
fn count(act: &Act, kernel: &mut Kernel, actor: &mut Actor) -> anyhow::Result<Counted> {
    take(kernel, act, Turn::Written, actor.id())?;
    // On for as long as the descriptor is open.
    let statistics = enable_stats(Stats::RunTime).context("the kernel's statistics")?;
    let before = (kernel.objects().read(), rows(kernel, act.kinds));
    actor.run(act.count)?;
    let after = (kernel.objects().read(), rows(kernel, act.kinds));
    drop(statistics);
    drain(kernel);
    let times = f64::from(act.count + act.count.div_ceil(10));
    Ok(since(&before.0, &after.0, act.kinds).per(times, after.1 - before.1))
}

/// Rows of these kinds so far.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn rows(kernel: &Kernel, kinds: u32) -> f64 {
    let counters = kernel.counters();
    let wanted = Kind::ALL.iter().filter(|kind| kinds & kind.bit() != 0);
    wanted.map(|kind| counters.get(*kind, Outcome::Written)).sum::<u64>() as f64
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn since(before: &Inventory, after: &Inventory, kinds: u32) -> Counted {
    let sum = |inventory: &Inventory| {
        // Those of processes run always: beside others they are not counted.
        let is_counted = |name: &str| OF_PROCESSES.contains(&name) == (kinds & Kind::TREE != 0);
        let programs = inventory.programs.iter().filter(|program| is_counted(&program.name));
        programs.fold((0, 0), |(runs, ns), program| (runs + program.runs, ns + program.run_ns))
    };
    let (before, after) = (sum(before), sum(after));
    Counted {
        runs: (after.0 - before.0) as f64,
        run_ns: (after.1 - before.1) as f64,
        rows: 0.0,
    }
}

impl Counted {
    fn per(self, times: f64, rows: f64) -> Counted {
        Counted {
            runs: self.runs / times,
            run_ns: self.run_ns / times,
            rows: rows / times,
        }
    }
}

/// Processes are watched by whatever probes there are, and take far longer than it costs: only the kernel's count is
/// exact enough.
fn process() -> anyhow::Result<(Times, Counted)> {
    let mut actor = Actor::start(&PROCESS)?;
    let mut times = Times::default();
    times.unwatched.push(actor.run(PROCESS.count)?);
    let mut kernel = start(Way::default())?;
    let counted = count(&PROCESS, &mut kernel, &mut actor)?;
    actor.end()?;
    Ok((times, counted))
}

fn drain(kernel: &mut Kernel) {
    while kernel.drain(usize::MAX, |_| {}) > 0 {}
}

impl Times {
    fn of(&mut self, turn: Turn) -> &mut Vec<f64> {
        match turn {
            Turn::Unwatched => &mut self.unwatched,
            Turn::Filtered => &mut self.filtered,
            Turn::Others => &mut self.others,
            Turn::Elsewhere => &mut self.elsewhere,
            Turn::Written => &mut self.written,
            Turn::Told => &mut self.told,
        }
    }
}

fn row(act: &Act, probe: &'static str, mut times: Times, counted: &Counted) -> [Cell; 12] {
    let added = |with: &[f64]| {
        let mut added: Vec<f64> = with
            .iter()
            .zip(&times.unwatched)
            .map(|(with, without)| with - without)
            .collect();
        added.sort_unstable_by(f64::total_cmp);
        added
    };
    let (filtered, others, elsewhere) = (added(&times.filtered), added(&times.others), added(&times.elsewhere));
    let (written, told) = (added(&times.written), added(&times.told));
    times.unwatched.sort_unstable_by(f64::total_cmp);
    let spread = (quartile(&written, 3) - quartile(&written, 1)) / 2.0;
    let some = |number: f64, decimals| {
        if number > 0.0 {
            Cell::number(number, decimals)
        } else {
            Cell::Empty
        }
    };
    [
        act.what.into(),
        probe.into(),
        Cell::number(quartile(&times.unwatched, 2), 0),
        Cell::number(quartile(&filtered, 2), 0),
        Cell::number(quartile(&others, 2), 0),
        Cell::number(quartile(&elsewhere, 2), 0),
        Cell::number(quartile(&written, 2), 0),
        Cell::number(quartile(&told, 2), 0),
        Cell::number(spread, 0),
        some(counted.rows, 1),
        some(counted.runs, 1),
        some(counted.run_ns, 0),
    ]
}

/// A quartile of what is sorted; none of nothing.
fn quartile(sorted: &[f64], quarter: usize) -> f64 {
    let at = (sorted.len() * quarter / 4).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
