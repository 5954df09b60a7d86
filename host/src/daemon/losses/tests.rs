use proptest::prelude::*;
use vespid_ebpf::Kind;

use super::*;
use crate::enrich::{Nothing, Options};
use crate::event::{Body, Event, Exit, Subject};

const OPEN: usize = Kind::Open.index();

fn opens(count: u64) -> ByKind {
    let mut counts = ByKind::default();
    counts[OPEN] = count;
    counts
}

/// A table that knows a process in each of these control groups, on the host.
fn table(cgroups: impl IntoIterator<Item = u64>) -> ProcessTable {
    let mut table = ProcessTable::new(Options::default(), Box::new(Nothing));
    for cgroup in cgroups {
        let pid = u32::try_from(cgroup).expect("small") + 1;
        table.observe(&Event {
            time: 1,
            subject: Subject {
                pid,
                tid: pid,
                start: 1,
                uid: 0,
                gid: 0,
                cgroup,
            },
            body: Body::Exit(Exit { code: 0, signal: 0 }),
            namespaces: [0; 8],
        });
    }
    table
}

fn total(losses: &Losses) -> u64 {
    losses.read().values().map(|counts| counts[OPEN]).sum()
}

#[test]
fn what_has_an_owner_goes_to_it_and_the_rest_to_others() {
    let mut losses = Losses::default();
    let mut table = table([7]);
    losses.book(opens(10), &[(7, opens(6)), (8, opens(3))], &mut table);
    let read = losses.read();
    assert_eq!((read[HOST][OPEN], read[OTHER][OPEN]), (6, 4));
    // More of it was there already than the kernel had counted for all: that comes with the next.
    losses.book(opens(1), &[(7, opens(9))], &mut table);
    losses.book(opens(2), &[(7, opens(9))], &mut table);
    let read = losses.read();
    assert_eq!((read[HOST][OPEN], read[OTHER][OPEN]), (9, 4));
    // Forgotten by the kernel, and back.
    losses.book(opens(2), &[(7, opens(2))], &mut table);
    assert_eq!(losses.read()[HOST][OPEN], 11);
}

#[test]
fn rows_are_bounded_and_the_quiet_make_room() {
    let mut losses = Losses::default();
    let names: Vec<Arc<str>> = (0..=MAX_ROWS).map(|number| format!("c{number}").into()).collect();
    for name in &names[..MAX_ROWS] {
        losses.add(Some(name), &opens(1));
    }
    losses.add(Some(&names[MAX_ROWS]), &opens(5));
    assert_eq!((losses.rows.len(), losses.other[OPEN]), (MAX_ROWS, 5));
    losses.readings += QUIET + 1;
    losses.add(Some(&names[MAX_ROWS]), &opens(5));
    assert_eq!((losses.rows.len(), losses.other[OPEN]), (MAX_ROWS, 6));
    assert_eq!(losses.rows[&names[MAX_ROWS]].counts[OPEN], 5);
}

proptest! {
    /// Whatever the kernel remembers and forgets, the rows together are what the ledger has, and none runs backwards.
    #[test]
    fn the_rows_are_the_ledger(
        readings in prop::collection::vec((0..50_u64, prop::collection::btree_map(0..6_u64, 0..60_u64, 0..5)), 1..30),
    ) {
        let mut losses = Losses::default();
        let mut table = table([0, 1, 2]);
        let mut booked = 0;
        let mut before = ByContainer::new();
        for (lost, counts) in readings {
            let by_cgroup: Vec<_> = counts.into_iter().map(|(cgroup, count)| (cgroup, opens(count))).collect();
            losses.book(opens(lost), &by_cgroup, &mut table);
            booked += lost;
            prop_assert_eq!(total(&losses), booked);
            let now = losses.read();
            for (name, counts) in &before {
                prop_assert!(now[name][OPEN] >= counts[OPEN]);
            }
            before = now;
        }
    }
}
