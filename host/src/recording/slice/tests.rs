use std::collections::HashMap;
use std::io::{Cursor, Write as _};
use std::path::Path;

use proptest::prelude::*;
use vespid_ebpf::{ConnectionOp, PrivilegedOp, ResourceOp};

use super::*;
use crate::bytes::Bytes;
use crate::enrich::{Attribution, Container, Nothing, Options, Process, ProcessTable};
use crate::event::{
    Body, Connection, Event, Exec, Exit, Fork, Image, Known, KnownContainer, Open, Privileged, Resource, Subject,
};
use crate::recording::{End, Line, Reader, Sliced, VERSION};

const NOON: u64 = 1_769_860_800 * SECOND;
const DOCKER: &str = "/docker/3f4e9b1c7d2a8056e1f0c9b8a7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d8";
const PODMAN: &str = "/libpod_parent/3f4e9b1c7d2a8056e1f0c9b8a7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0ffff";

#[test]
fn a_moment_is_a_date_or_counted_from_the_first_event() {
    for (text, moment) in [
        ("2026-01-31T12:00:00Z", Moment::At(NOON)),
        ("2026-01-31T14:00:00.000000007+02:00", Moment::At(NOON + 7)),
        ("2024-02-29T12:34:56Z", Moment::At(1_709_210_096 * SECOND)),
        ("1970-01-01T00:00:00Z", Moment::At(0)),
        ("2100-03-01T00:00:00Z", Moment::At(4_107_542_400 * SECOND)),
        ("+1.5s", Moment::After(1_500_000_000)),
        ("+2m", Moment::After(120 * SECOND)),
        ("+0.000000001s", Moment::After(1)),
        ("+5ns", Moment::After(5)),
        ("+1h", Moment::After(3_600 * SECOND)),
    ] {
        assert_eq!(text.parse(), Ok(moment), "{text}");
    }
    for wrong in [
        "",
        "+",
        "+s",
        "+1",
        "+-1s",
        "1.5s",
        "+1.s",
        "+1e3s",
        "2026-01-31",
        "12:00:00Z",
        "2026-01-31T12:00:00",
        "+99999999999h",
    ] {
        let error = wrong.parse::<Moment>().unwrap_err();
        assert!(error.contains("+1.5s"), "{wrong}: {error}");
    }
}

#[test]
fn a_slice_is_written_in_toml_with_the_same_words() {
    let slice: Slice =
        toml::from_str("from = '+1s'\nkinds = ['exec', 'open']\npid_tree = 7\ncontainer = '3f4e'").unwrap();
    assert_eq!(slice.from, Some(Moment::After(SECOND)));
    assert!(slice.keeps(Kind::Exec) && slice.keeps(Kind::Fork) && !slice.keeps(Kind::Exit));
    assert!(
        toml::from_str::<Slice>("form = '+1s'")
            .unwrap_err()
            .to_string()
            .contains("form")
    );
    assert!(
        toml::from_str::<Slice>("kinds = ['opens']")
            .unwrap_err()
            .to_string()
            .contains("exec, exit, connection")
    );
}

#[test]
fn a_slice_that_cannot_hold_anything_is_refused() {
    let slice = |text: &str| toml::from_str::<Slice>(text).unwrap().check();
    assert!(
        slice("from = '+2s'\nto = '+2s'")
            .unwrap_err()
            .to_string()
            .contains("+2s")
    );
    assert!(slice("pid_tree = 0").is_err() && slice("container = ''").is_err());
    assert!(slice("from = '+2s'\nto = '2026-01-31T12:00:00Z'").is_ok());
}

fn subject(pid: u32, start: u64, uid: u32) -> Subject {
    Subject {
        pid,
        tid: pid,
        start,
        uid,
        gid: uid,
        cgroup: 1,
    }
}

fn header() -> Header {
    Header {
        version: VERSION,
        node: "n1".into(),
        boot_id: "b".into(),
        kernel: "6.18".into(),
        created: NOON,
        namespaces: crate::enrich::namespaces::FIXED,
        kinds: ["fork", "exec", "exit", "connection", "open"]
            .map(str::to_owned)
            .to_vec(),
    }
}

fn recording(lines: &[Line<'_>]) -> Reader {
    let mut text = serde_json::to_vec(&header()).unwrap();
    for line in lines {
        text.push(b'\n');
        serde_json::to_writer(&mut text, line).unwrap();
    }
    let events = lines.iter().filter(|line| matches!(line, Line::Event(_))).count() as u64;
    write!(
        text,
        "\n{}\n",
        serde_json::to_string(&Line::End(End { events })).unwrap()
    )
    .unwrap();
    Reader::new(Path::new("r.jsonl"), Box::new(Cursor::new(text))).unwrap()
}

/// A process and its container.
type Seen = (String, Option<Container>);

/// What a plugin may see of a process and those above it, as it was and as it is, and of whom something was done to.
fn describe(table: &ProcessTable, attribution: &Attribution) -> Vec<Seen> {
    let one = |process: &Process| {
        let container = process.container().and_then(|id| table.containers().get(id));
        let process = format!(
            "{} {} {} {}/{}/{}/{} {:x} {} {} {} {} {:?}",
            process.pid,
            process.ppid,
            process.start,
            process.uid,
            process.gid,
            process.euid,
            process.login_uid,
            process.flags,
            Bytes::from(process.comm()),
            Bytes::from(process.exe()),
            Bytes::from(process.args()),
            Bytes::from(process.cgroup()),
            process.namespaces(),
        );
        (process, container.cloned())
    };
    let previous = table.previous().filter(|_| attribution.has_previous);
    let mut out: Vec<Seen> = previous.map(&one).into_iter().collect();
    for mut next in [attribution.process, attribution.target] {
        while let Some(process) = next.and_then(|id| table.get(id)) {
            out.push(one(process));
            next = process.parent;
        }
        out.push(("-".to_owned(), None));
    }
    out
}

/// Whose each event is, by the event's time, as a replay finds out.
fn replay(mut next: impl FnMut(&mut dyn FnMut(&Line<'_>)) -> bool) -> Vec<(u64, Kind, Vec<Seen>)> {
    let mut table = ProcessTable::new(Options::default(), Box::new(Nothing));
    let mut seen = Vec::new();
    while next(&mut |line| match line {
        Line::Known(known) => table.learn(known),
        Line::Container(known) => table.learn_container(known),
        Line::Account(known) => table.learn_account(known),
        Line::Event(event) => {
            let attribution = table.observe(event);
            seen.push((event.time, event.body.kind(), describe(&table, &attribution)));
        }
        Line::Lost(_) | Line::End(_) => {}
    }) {}
    seen
}

fn replay_slice(lines: &[Line<'_>], slice: &Slice) -> Vec<(u64, Kind, Vec<Seen>)> {
    let mut sliced = Sliced::new(recording(lines), slice).unwrap();
    replay(|take| sliced.pull(take).unwrap())
}

/// By `next` instead of `pull`, with what the end line counts.
fn read_slice(lines: &[Line<'_>], slice: &Slice) -> (Vec<String>, u64) {
    let mut sliced = Sliced::new(recording(lines), slice).unwrap();
    let (mut out, mut counted) = (Vec::new(), 0);
    while let Some(line) = sliced.next().unwrap() {
        if let Line::End(end) = line {
            counted = end.events;
        }
        out.push(serde_json::to_string(&line).unwrap());
    }
    (out, counted)
}

#[derive(Clone, Debug)]
struct Step {
    what: u8,
    who: u32,
    other: u32,
    pause: u64,
    uid: u32,
    group: u32,
}

fn step() -> impl Strategy<Value = Step> {
    let pause = prop_oneof![8 => 1..1_000_000_000_u64, 1 => 1..60_000_000_000_u64];
    (0..14_u8, 0..8_u32, 0..8_u32, pause, 0..3_u32, 0..4_u32).prop_map(|(what, who, other, pause, uid, group)| Step {
        what,
        who,
        other,
        pause,
        uid,
        group,
    })
}

/// A recording of few pids, used again and again; some of it unseen, so that ends and forks are missing.
fn lines(steps: &[Step]) -> Vec<Line<'static>> {
    let mut time = NOON;
    let mut starts: [u64; 8] = std::array::from_fn(|at| NOON - 1_000 * SECOND + at as u64 * 20 * SECOND);
    let mut parents = [(0, 0); 8];
    let groups = ["/", DOCKER, PODMAN, "/machine/chosen"];
    let mut out = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        time += step.pause;
        let pid = |who: u32| 10 + who;
        let (who, other) = (step.who as usize, step.other as usize);
        let subject = subject(pid(step.who), starts[who], step.uid);
        let image = |ppid: u32, parent_start: u64| Image {
            ppid,
            parent_start,
            login_uid: step.uid,
            comm: format!("c{at}").into_bytes().into(),
            exe: format!("/bin/c{at}").into_bytes().into(),
            args: format!("c{at}\0-x\0").into_bytes().into(),
            cgroup_path: groups[step.group as usize].into(),
            namespaces: [step.group; 8],
            ..Image::default()
        };
        let parent = parents[who];
        let event = |body| {
            Line::Event(Event {
                time,
                subject,
                body,
                namespaces: [0; 8],
            })
        };
        // As the daemon asks: before the event that needs it.
        if step.group == 3 && matches!(step.what, 4 | 5 | 9) {
            out.push(Line::Container(KnownContainer {
                cgroup: "/machine/chosen".into(),
                id: "chosen-id".into(),
                name: "chosen".into(),
                ..KnownContainer::default()
            }));
        }
        let line = match step.what {
            0..=2 if step.who != step.other => {
                parents[other] = (subject.pid, subject.start);
                starts[other] = time - 500;
                event(Body::Fork(Fork {
                    child_pid: pid(step.other),
                    child_start: time - 500,
                    child_cgroup: 1 + u64::from(step.uid / 2),
                }))
            }
            // A process that nobody saw begin.
            3 => {
                starts[who] = time - 700;
                parents[who] = (0, 0);
                continue;
            }
            4 | 5 => event(Body::Exec(Exec {
                filename: "f".into(),
                errno: 0,
                image: image(parent.0, parent.1),
            })),
            6 => event(Body::Exec(Exec {
                filename: "f".into(),
                errno: 2,
                image: Image::default(),
            })),
            7 => event(Body::Exit(Exit { code: 0, signal: 0 })),
            8 => {
                let local = "127.0.0.1:1".parse().unwrap();
                event(Body::Connection(Connection {
                    op: ConnectionOp::Closed,
                    direction: 0,
                    local,
                    remote: local,
                    cookie: 1,
                    sent: 0,
                    received: 0,
                    duration: 0,
                    srtt: 0,
                    retransmits: 0,
                    errno: 0,
                    netns: 0,
                    local_isn: 0,
                    remote_isn: 0,
                }))
            }
            11 => event(Body::Privileged(Privileged {
                op: PrivilegedOp::Ptrace,
                code: 0,
                argument: 0,
                detail: Bytes::default(),
                result: 0,
                target_pid: pid(step.other),
                target_start: if step.group == 0 { 0 } else { starts[other] },
            })),
            9 => Line::Known(Known {
                subject: Subject {
                    start: subject.start / 10_000_000 * 10_000_000,
                    ..subject
                },
                image: image(parent.0, 0),
                restated: None,
            }),
            10 => Line::Container(KnownContainer {
                id: DOCKER.strip_prefix("/docker/").unwrap().into(),
                image: format!("i{at}").into_bytes().into(),
                labels: format!("app=i{at}\0").into_bytes().into(),
                owner: format!("Deployment/i{at}").into_bytes().into(),
                ..KnownContainer::default()
            }),
            _ => event(Body::Open(Open {
                path: "/p".into(),
                typed: "p".into(),
                ..Open::default()
            })),
        };
        out.push(line);
    }
    out
}

fn slice() -> impl Strategy<Value = Slice> {
    let moment = || proptest::option::of((0..200 * SECOND).prop_map(Moment::After));
    let kinds = proptest::sample::subsequence(
        vec![Kind::Exec, Kind::Exit, Kind::Connection, Kind::Open, Kind::Privileged],
        0..5,
    );
    let container = proptest::option::weighted(
        0.3,
        proptest::sample::select(vec![
            "3f4e9b1c7d2a8056e1f0c9b8a7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c",
            "chosen-id",
        ]),
    );
    (
        moment(),
        moment(),
        kinds,
        proptest::option::weighted(0.5, 10..18_u32),
        container,
    )
        .prop_map(|(from, to, kinds, pid_tree, container)| Slice {
            from,
            to,
            kinds: kinds.into_iter().map(EventKind).collect(),
            pid_tree,
            container: container.map(str::to_owned),
        })
        .prop_filter("can hold something", |slice| slice.check().is_ok())
}

/// For each event of a part that has a container of its own, or a process in one: the container's id and name.
fn containers(lines: &[Line<'_>], slice: &str) -> Vec<String> {
    let slice: Slice = toml::from_str(slice).unwrap();
    let mut sliced = Sliced::new(recording(lines), &slice).unwrap();
    let mut table = ProcessTable::new(Options::default(), Box::new(Nothing));
    let mut out = Vec::new();
    while sliced
        .pull(|line| match line {
            Line::Known(known) => table.learn(known),
            Line::Container(known) => table.learn_container(known),
            Line::Event(event) => {
                let whose = table.observe(event);
                let process = whose.process.and_then(|id| table.get(id)?.container());
                let container = whose.container.or(process).and_then(|id| table.containers().get(id));
                let text = |text: &[u8]| Bytes::from(text).to_string();
                out.push(container.map_or("none".into(), |container| {
                    format!("{} {}", &text(&container.id)[..4], text(&container.name))
                }));
            }
            _ => {}
        })
        .unwrap()
    {}
    out
}

#[test]
fn what_a_container_used_is_in_a_part_about_it() {
    let event = |at: u64, subject, body| {
        let time = NOON + at * SECOND;
        Line::Event(Event {
            time,
            subject,
            body,
            namespaces: [0; 8],
        })
    };
    let nobody = subject(0, 0, u32::MAX);
    let usage = |at, cgroup: &'static str| {
        let usage = Resource {
            cgroup: cgroup.into(),
            ..Resource::of(ResourceOp::Usage)
        };
        event(at, nobody, Body::Resource(usage))
    };
    let told = |cgroup: &'static str, id: &'static str, name: &'static str| {
        Line::Container(KnownContainer {
            cgroup: cgroup.into(),
            id: id.into(),
            name: name.into(),
            ..KnownContainer::default()
        })
    };
    let image = Image {
        cgroup_path: DOCKER.into(),
        ..Image::default()
    };
    let exec = Exec {
        image,
        ..Exec::default()
    };
    let shop = subject(10, NOON, 0);
    let lines = [
        told("", DOCKER.strip_prefix("/docker/").unwrap(), "shop"),
        event(1, shop, Body::Exec(exec)),
        usage(2, DOCKER),
        usage(3, "/"),
        told("/machine/chosen", "chosen-id", "other"),
        usage(4, "/machine/chosen"),
        // Nobody runs in it, so it was asked for again.
        told("/machine/chosen", "chosen-id", "other"),
        usage(5, "/machine/chosen"),
        usage(6, DOCKER),
        event(7, shop, Body::Resource(Resource::of(ResourceOp::OomKill))),
    ];
    assert_eq!(containers(&lines, "container = '3f4e'"), ["3f4e shop"; 4]);
    assert_eq!(containers(&lines, "container = 'chosen-id'"), ["chos other"; 2]);
    assert_eq!(
        containers(&lines, "kinds = ['resource']\nfrom = '+0.5s'"),
        [
            "3f4e shop",
            "none",
            "chos other",
            "chos other",
            "3f4e shop",
            "3f4e shop"
        ]
    );
    assert_eq!(containers(&lines, "kinds = ['resource']\npid_tree = 10"), ["3f4e shop"]);
}

/// How many histories: more with `PROPTEST_CASES`.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").map_or(1_000, |cases| cases.parse().expect("a number"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]
    #[test]
    fn kept_events_have_the_same_processes_as_in_the_whole(steps in proptest::collection::vec(step(), 1..150), slice in slice()) {
        let lines = lines(&steps);
        let mut whole = recording(&lines);
        let whole = replay(|take| whole.next().unwrap().inspect(|line| take(line)).is_some());
        let whole: HashMap<_, _> = whole.into_iter().map(|(time, kind, seen)| (time, (kind, seen))).collect();
        let sliced = replay_slice(&lines, &slice);
        let (read, counted) = read_slice(&lines, &slice);
        prop_assert_eq!(counted, sliced.len() as u64);
        prop_assert_eq!(read.iter().filter(|line| line.starts_with("{\"event\"")).count(), sliced.len());
        let first = whole.keys().min().copied().unwrap_or(0);
        for (time, kind, seen) in sliced {
            let (whole_kind, whole_seen) = &whole[&time];
            prop_assert_eq!(*whole_kind, kind);
            let processes = |seen: &[Seen]| seen.iter().map(|(process, _)| process.clone()).collect::<Vec<_>>();
            prop_assert_eq!(processes(&seen), processes(whole_seen), "{:?}", &read);
            // The reader may remember a container for longer.
            if let ((_, Some(container)), (_, Some(whole_container))) = (&seen[0], &whole_seen[0]) {
                prop_assert!(container.covers(whole_container), "{:?}", &read);
            }
            prop_assert!(slice.keeps(kind));
            prop_assert!(slice.from.is_none_or(|from| from.of(first) <= time) && slice.to.is_none_or(|to| time < to.of(first)));
        }
    }
}
