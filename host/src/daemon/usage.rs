//! What control groups used, read from the kernel's table at intervals: each group becomes an event.
use std::time::Duration;

use vespid_ebpf::ResourceOp;
use vespid_ebpf::usage::Counter;

use crate::decode::Clock;
use crate::event::{Body, Event, Resource, Subject};
use crate::kernel::{Cgroups, Kernel, Probe, Used};

/// How long a program may go on charging an interval that is over. They take less than a microsecond, if nothing takes
/// their processor away.
const SETTLE_NS: u64 = 20_000_000;

/// Reads usage at intervals.
pub(super) struct Usage {
    interval_ns: u64,
    cgroups: Cgroups,
    /// When the present interval began, in Unix nanoseconds; 0 while nothing is measured.
    began: u64,
    /// The one before, until it is read.
    over: Option<Interval>,
}

#[derive(Clone, Copy)]
struct Interval {
    from: u64,
    to: u64,
    measured: u32,
}

impl Usage {
    pub(super) fn new(interval: Duration) -> Usage {
        Usage {
            interval_ns: u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX),
            cgroups: Cgroups::of_node(),
            began: 0,
            over: None,
        }
    }

    /// Takes in what an event says of where its process runs.
    pub(super) fn learn(&mut self, event: &Event<'_>) {
        if let Body::Exec(exec) = &event.body {
            self.cgroups
                .learn(event.subject.cgroup, exec.image.cgroup_path.as_slice());
        }
    }

    /// Gives out the events of an interval that is over, once, and says which probes came or went with a CPU.
    pub(super) fn read(&mut self, kernel: &mut Kernel, clock: &Clock, mut f: impl FnMut(&Event<'_>)) -> Vec<Probe> {
        let now = clock.now_in_events();
        let measured = kernel.measured();
        if let Some(over) = self.over.take_if(|over| now >= over.to + SETTLE_NS) {
            self.give(kernel, over, now, &mut f);
        }
        if measured == 0 {
            (self.began, self.over) = (0, None);
            return Vec::new();
        }
        if self.began == 0 {
            self.began = now;
        } else if self.over.is_none() && now.saturating_sub(self.began) >= self.interval_ns {
            match kernel.turn_usage() {
                Ok(changed) => {
                    self.over = Some(Interval {
                        from: self.began,
                        to: now,
                        measured,
                    });
                    self.began = now;
                    return changed;
                }
                Err(error) => {
                    tracing::error!("the kernel cannot be told to begin another interval of usage: {error}");
                    self.began = now;
                }
            }
        }
        Vec::new()
    }

    /// Detaches the probes, and gives out what is left.
    pub(super) fn finish(&mut self, kernel: &mut Kernel, clock: &Clock, mut f: impl FnMut(&Event<'_>)) {
        let (now, measured) = (clock.now_in_events(), kernel.measured());
        if let Some(over) = self.over.take() {
            self.give(kernel, over, now, &mut f);
        }
        kernel.detach();
        if self.began != 0 && measured != 0 {
            let last = Interval {
                from: self.began,
                to: now,
                measured,
            };
            self.give(kernel, last, now, &mut f);
        }
    }

    fn give(&mut self, kernel: &mut Kernel, over: Interval, now: u64, f: &mut impl FnMut(&Event<'_>)) {
        let cgroups = &mut self.cgroups;
        kernel.take_usage(|used| f(&event(cgroups, over, now, &used)));
    }
}

fn event<'a>(cgroups: &'a mut Cgroups, over: Interval, time: u64, used: &Used) -> Event<'a> {
    let amount = |counter: Counter| used.amounts[counter.index()];
    let resource = Resource {
        cgroup: cgroups.path(used.group).into(),
        interval: over.to - over.from,
        measured: over.measured,
        cpu: amount(Counter::Cpu),
        minor_faults: amount(Counter::MinorFaults),
        major_faults: amount(Counter::MajorFaults),
        voluntary_switches: amount(Counter::VoluntarySwitches),
        involuntary_switches: amount(Counter::InvoluntarySwitches),
        cycles: amount(Counter::Cycles),
        instructions: amount(Counter::Instructions),
        cache_misses: amount(Counter::CacheMisses),
        ..Resource::of(ResourceOp::Usage)
    };
    let nobody = u32::MAX;
    Event {
        time,
        subject: Subject {
            pid: 0,
            tid: 0,
            start: 0,
            uid: nobody,
            gid: nobody,
            cgroup: if used.group.is_v1 { 0 } else { used.group.id },
        },
        body: Body::Resource(resource),
        namespaces: [0; 8],
    }
}
