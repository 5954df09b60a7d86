//! The kernel and the daemon together, against the daemon alone: any filters and any events.
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::model::passes;
use super::namespaces::{a_namespace, namespaces, table};
use super::*;

fn a_path() -> impl Strategy<Value = String> {
    let name = select(vec![
        "a",
        "b",
        "ab",
        "etc",
        "x",
        "shadow",
        "a-name-of-more-than-thirty-one-bytes",
    ]);
    vec(name, 0..5).prop_map(|names| format!("/{}", names.join("/")))
}

fn a_pattern() -> impl Strategy<Value = Pattern> {
    let part = select(vec![
        "/",
        "a",
        "b",
        "ab",
        "etc",
        "*",
        "**",
        "?",
        "{a,b}",
        "{/x,}",
        "{a/b,/*/x}",
        "[ab]",
        "shadow",
        "/**/",
        "\\a",
        "!",
        "a-name-of-more-than-thirty-one-bytes",
    ]);
    let text = vec(part, 1..7).prop_map(|parts| parts.concat());
    prop_oneof![
        a_path().prop_map(Pattern::Exact),
        a_path().prop_map(Pattern::Prefix),
        text.clone().prop_map(Pattern::Prefix),
        text.prop_map(Pattern::Glob),
    ]
}

prop_compose! {
    fn a_filter()(
        tables in subsequence(Kinds::TABLES.to_vec(), 1..4),
        outcomes in 0..4_u8,
        paths in vec(a_pattern(), 0..4),
        accesses in subsequence(check::ACCESSES.to_vec(), 0..3),
        ops in vec(1..8_u8, 0..3),
        merge_ms in select(vec![0, 20, 1000]),
        namespaces in prop_oneof![Just(Vec::new()), vec(a_namespace(), 1..4)],
        users in prop_oneof![2 => Just(Vec::new()), 1 => vec(0..3_u32, 1..3)],
        places in select(vec![Places::empty(), Places::empty(), Places::HOST, Places::CONTAINERS]),
        executables in prop_oneof![2 => Just(Vec::new()), 1 => vec(a_pattern(), 1..3)],
        ports in prop_oneof![1 => Just([(0, 0); 2]), 2 => [(0..70_u16, 0..70_u16), (0..70_u16, 0..70_u16)]],
        networks in subsequence(vec!["10.0.0.0/8", "10.0.0.0/31", "10.0.0.1", "0.0.0.0/0", "::/0", "fd00::/8"], 0..3),
    ) -> Given {
        let tables = tables.into_iter().fold(Kinds::empty(), |all, (_, table, _)| all | table);
        let fits = |table| tables.without(table) == Kinds::empty();
        let with_outcome = Kinds::CONNECTIONS | Kinds::CHANGES | Kinds::PRIVILEGED | Kinds::SOCKETS;
        let with_op = with_outcome | Kinds::RESOURCES;
        let with_path = Kinds::OPENS | Kinds::CHANGES | Kinds::EXECS;
        let with_ends = Kinds::CONNECTIONS | Kinds::SOCKETS;
        let range = |(a, b): (u16, u16)| {
            let ranges = (fits(with_ends) && b != 0).then(|| PortRange { first: a.min(b), last: a.max(b) });
            ranges.into_iter().collect::<Vec<_>>()
        };
        let outcome = [Outcomes::empty(), Outcomes::SUCCEEDED, Outcomes::FAILED, Outcomes::SUCCEEDED | Outcomes::FAILED];
        Given {
            outcomes: if fits(with_outcome | with_path) { outcome[usize::from(outcomes)] } else { Outcomes::empty() },
            paths: if fits(with_path) { paths } else { Vec::new() },
            accesses: accesses
                .into_iter()
                .filter(|_| fits(Kinds::OPENS))
                .fold(Accesses::empty(), |all, (access, _)| all | access),
            ops: if fits(with_op) { ops } else { Vec::new() },
            merge_ms: if fits(Kinds::OPENS) { merge_ms } else { 0 },
            namespaces,
            users,
            places,
            executables,
            local_ports: range(ports[0]),
            remote_ports: range(ports[1]),
            remote_networks: networks.into_iter().filter(|_| fits(with_ends)).map(str::to_owned).collect(),
            ..nothing(tables)
        }
    }
}

fn an_end() -> impl Strategy<Value = SocketAddr> {
    let address = select(vec![
        "10.0.0.0",
        "10.0.0.1",
        "10.9.0.1",
        "192.0.2.1",
        "fd00::1",
        "::ffff:10.0.0.1",
    ]);
    (address, 0..70_u16).prop_map(|(address, port)| SocketAddr::new(address.parse().expect("an address"), port))
}

fn an_event() -> impl Strategy<Value = Event<'static>> {
    let flags = select(vec![0, 1, 2, 3, 0o101, 0o1101, 0o1002, 0o1000_0000]);
    let kind = select(Kind::ALL.to_vec());
    let ends = (an_end(), an_end());
    (kind, a_path(), a_path(), flags, -1..2_i32, 1..8_u8, ends, 0..4_u32).prop_map(
        |(kind, path, target, flags, result, op, (local, remote), uid)| {
            let bytes = |text: &str| text.as_bytes().to_vec().into();
            let by = |event: Event<'static>| Event {
                subject: Subject { uid, ..event.subject },
                ..event
            };
            let body = match kind {
                Kind::Fork | Kind::Exit => Body::Exit(Exit { code: 0, signal: 0 }),
                Kind::Exec => Body::Exec(Exec {
                    filename: bytes(&path),
                    errno: u32::from(result < 0),
                    ..Exec::default()
                }),
                Kind::Open => return by(open(&path, flags, result)),
                Kind::Connection => Body::Connection(Connection {
                    op: ConnectionOp::from_number(op.clamp(1, 4)).expect("there are four"),
                    direction: 0,
                    local,
                    remote,
                    cookie: 1,
                    sent: 0,
                    received: 0,
                    duration: 0,
                    srtt: 0,
                    retransmits: 0,
                    errno: u32::from(result < 0),
                    netns: u32::from(op) + 13,
                    local_isn: 0,
                    remote_isn: 0,
                }),
                Kind::Change => Body::Change(Change {
                    op: ChangeOp::from_number(op).expect("there are more"),
                    path: bytes(&path),
                    typed: bytes(&path),
                    target: bytes(&target),
                    target_typed: bytes(&target),
                    detail: bytes(""),
                    flags: 0,
                    mode: 0,
                    value: 0,
                    result: result.min(0),
                    path_kind: 0,
                    target_kind: 0,
                }),
                Kind::Privileged => Body::Privileged(Privileged {
                    op: PrivilegedOp::from_number(op).expect("there are more"),
                    code: 0,
                    argument: 0,
                    target_pid: 0,
                    target_start: 0,
                    detail: bytes(""),
                    result: result.into(),
                }),
                Kind::Socket => Body::Socket(Socket {
                    op: SocketOp::from_number(op.clamp(1, 7)).expect("there are seven"),
                    family: 2,
                    protocol: 17,
                    local: Some(local).filter(|_| op != 1),
                    remote: Some(remote).filter(|_| op != 2),
                    name: bytes(""),
                    code: 0,
                    result: result.into(),
                    netns: 0,
                }),
                Kind::Resource => Body::Resource(Resource {
                    cgroup: bytes(&path),
                    ..Resource::of(ResourceOp::from_number(op.clamp(1, 2)).expect("there are two"))
                }),
            };
            by(event(body))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    /// Filtering in the kernel and then exactly is the same as filtering everything exactly. The kernel looks at the task's
    /// namespaces, and tells them; those of which it knows nothing may be known of the process.
    #[test]
    fn what_any_plugin_wants_passes_the_kernel(
        plugins in vec(vec(a_filter(), 0..4), 1..4),
        events in vec((an_event(), namespaces()), 1..24),
        known in namespaces(),
        exe in a_path(),
        is_contained in any::<bool>(),
        is_known in any::<bool>(),
        all_namespaces in any::<bool>(),
    ) {
        let plugins: Vec<_> = plugins.iter().map(|given| subscription(given)).collect();
        let sift = Sift::of(&plugins, &NODE);
        let together = plugins.iter().skip(1).fold(plugins[0].clone(), |all, next| all.or(next));
        let table = table(known, &exe, is_contained);
        let process = table.latest(1).and_then(|id| table.get(id));
        for (event, namespaces) in events {
            let told = if all_namespaces { namespaces.map(|inode| inode.max(1)) } else { namespaces };
            let event = Event { namespaces: told, ..event };
            let whose = Whose { process, ..NOBODY };
            let is_wanted = plugins.iter().any(|plugin| plugin.filters.want(&event, &whose));
            prop_assert_eq!(together.filters.want(&event, &whose), is_wanted, "{:?}", event);
            for sift in [&sift, &sift.opened()] {
                let image = process.filter(|_| is_known).map(|process| (process.exe(), process.is_contained()));
                prop_assert!(!is_wanted || passes(sift, &event, &told, image), "{:?} by {:?}", event, sift);
            }
        }
    }

    /// Opens that the kernel may merge are one and the same to every plugin that allows it, and are merged only if all do.
    #[test]
    fn what_is_merged_is_alike_to_every_plugin(
        plugins in vec(vec(a_filter(), 0..4), 1..4),
        path in a_path(),
        typed in vec(a_path(), 2),
        flags in select(vec![0, 1, 2, 0o101, 0o1101, 0o1000_0000]),
    ) {
        let given = plugins;
        let plugins: Vec<_> = given.iter().map(|given| subscription(given)).collect();
        let one = |typed: &str, result| event(Body::Open(Open {
            path: path.as_bytes().to_vec().into(),
            typed: typed.as_bytes().to_vec().into(),
            flags,
            result,
            ..Open::default()
        }));
        let (first, second) = (one(&typed[0], 3), one(&typed[1], 4));
        for plugin in &plugins {
            prop_assert_eq!(plugin.filters.want(&first, &NOBODY), plugin.filters.want(&second, &NOBODY));
        }
        let shortest = |given: &Vec<Given>| {
            let about = given.iter().filter(|filter| filter.tables.contains(Kinds::OPENS));
            about.map(|filter| filter.merge_ms).min().unwrap_or(0)
        };
        let expected = given.iter().map(shortest).min().unwrap_or(0);
        let together = plugins.iter().skip(1).fold(plugins[0].clone(), |all, next| all.or(next));
        for sift in [Sift::of(&plugins, &NODE), Sift::of([&together], &NODE)] {
            prop_assert_eq!(sift.sieve.merge_ns, u64::from(expected) * 1_000_000);
        }
    }
}
