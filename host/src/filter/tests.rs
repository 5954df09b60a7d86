//! What filters let through, and that the kernel's sieve never rejects what a plugin wants.
mod model;
mod namespaces;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use vespid_ebpf::sieve::TESTS;
use vespid_ebpf::{ChangeOp, ConnectionOp, Kind, PrivilegedOp, ResourceOp, SocketOp};

use model::passes;
use namespaces::{a_namespace, namespaces, table};

use super::*;
use crate::event::{Change, Connection, Exec, Exit, Open, Privileged, Resource, Socket, Subject};
use crate::event::{Image, Known};
use crate::interface::vespid::plugin::describe::{
    Filter as Given, NamespaceFilter, NamespaceKind, Pattern, PortRange, WhichNamespace,
};

/// The namespaces of the node's own.
const NODE: [u32; 8] = [11, 12, 13, 14, 15, 16, 17, 18];

const NOBODY: Whose<'static> = Whose {
    process: None,
    is_contained: false,
    node: &NODE,
};

fn nothing(tables: Kinds) -> Given {
    Given {
        tables,
        never: false,
        outcomes: Outcomes::empty(),
        places: Places::empty(),
        namespaces: Vec::new(),
        users: Vec::new(),
        executables: Vec::new(),
        paths: Vec::new(),
        accesses: Accesses::empty(),
        ops: Vec::new(),
        local_ports: Vec::new(),
        remote_ports: Vec::new(),
        remote_networks: Vec::new(),
        merge_ms: 0,
    }
}

fn every_table() -> Kinds {
    Kinds::TABLES
        .iter()
        .fold(Kinds::empty(), |all, (_, table, _)| all | *table)
}

fn subscription(given: &[Given]) -> Subscription {
    Subscription::new(given, every_table()).expect("they make sense")
}

fn event(body: Body<'static>) -> Event<'static> {
    Event {
        time: 0,
        subject: Subject {
            pid: 1,
            tid: 1,
            start: 1,
            uid: 0,
            gid: 0,
            cgroup: 0,
        },
        body,
        namespaces: [0; 8],
    }
}

fn open(path: &str, flags: u32, result: i32) -> Event<'static> {
    event(Body::Open(Open {
        path: path.as_bytes().to_vec().into(),
        typed: path.as_bytes().to_vec().into(),
        flags,
        result,
        ..Open::default()
    }))
}

fn change(op: ChangeOp) -> Event<'static> {
    event(Body::Change(Change {
        op,
        path: b"/x".to_vec().into(),
        typed: Vec::new().into(),
        target: Vec::new().into(),
        target_typed: Vec::new().into(),
        detail: Vec::new().into(),
        flags: 0,
        mode: 0,
        value: 0,
        result: 0,
        path_kind: 0,
        target_kind: 0,
    }))
}

#[test]
fn resources_are_where_they_were_used() {
    let usage = |cgroup: &'static str| {
        event(Body::Resource(Resource {
            cgroup: cgroup.into(),
            ..Resource::of(ResourceOp::Usage)
        }))
    };
    let wants = |places, cgroup, is_contained| {
        let given = Given {
            places,
            ops: vec![1],
            ..nothing(Kinds::RESOURCES)
        };
        subscription(&[given])
            .filters
            .want(&usage(cgroup), &Whose { is_contained, ..NOBODY })
    };
    assert!(wants(Places::CONTAINERS, "/docker/x", true) && !wants(Places::HOST, "/docker/x", true));
    assert!(wants(Places::HOST, "/", false) && !wants(Places::CONTAINERS, "/", false));
    assert!(!wants(Places::HOST, "", false), "it is not known where that was");
    assert!(wants(Places::empty(), "", false));
}

#[test]
fn a_table_without_a_filter_is_whole_and_one_with_several_has_what_any_describes() {
    let subscription = subscription(&[
        Given {
            paths: vec![Pattern::Exact("/etc/shadow".into())],
            ..nothing(Kinds::OPENS)
        },
        Given {
            accesses: Accesses::WRITE,
            paths: vec![Pattern::Prefix("/etc/".into())],
            ..nothing(Kinds::OPENS)
        },
    ]);
    let wants = |event: &Event<'_>| subscription.filters.want(event, &NOBODY);
    assert!(wants(&open("/etc/shadow", 0, 3)));
    assert!(wants(&open("/etc/passwd", 0o1, 3)) && !wants(&open("/etc/passwd", 0, 3)));
    assert!(wants(&open("/etc/passwd", 0o2, -13)), "attempts count");
    assert!(!wants(&open("/home/x", 0o2, 3)));
    assert!(wants(&event(Body::Exit(Exit { code: 0, signal: 0 }))));
}

#[test]
fn conditions_are_held_against_what_they_are_about() {
    let wants = |given: Given, event: &Event<'_>| subscription(&[given]).filters.want(event, &NOBODY);
    let connection = |op, remote: &str, errno| {
        event(Body::Connection(Connection {
            op,
            direction: 0,
            local: "10.0.0.1:40000".parse().expect("an address"),
            remote: remote.parse().expect("an address"),
            cookie: 1,
            sent: 0,
            received: 0,
            duration: 0,
            srtt: 0,
            retransmits: 0,
            errno,
            netns: 0,
            local_isn: 0,
            remote_isn: 0,
        }))
    };
    let of_connections = || nothing(Kinds::CONNECTIONS);
    let to_ssh = connection(ConnectionOp::Opened, "192.0.2.7:22", 0);
    let ports = |first, last| vec![PortRange { first, last }];
    assert!(wants(
        Given {
            remote_ports: ports(22, 22),
            ..of_connections()
        },
        &to_ssh
    ));
    assert!(!wants(
        Given {
            remote_ports: ports(23, 99),
            ..of_connections()
        },
        &to_ssh
    ));
    assert!(wants(
        Given {
            local_ports: ports(32768, 65535),
            ..of_connections()
        },
        &to_ssh
    ));
    assert!(wants(
        Given {
            remote_networks: vec!["192.0.2.0/24".into()],
            ..of_connections()
        },
        &to_ssh
    ));
    assert!(!wants(
        Given {
            remote_networks: vec!["10.0.0.0/8".into()],
            ..of_connections()
        },
        &to_ssh
    ));
    assert!(wants(
        Given {
            ops: vec![1],
            ..of_connections()
        },
        &to_ssh
    ));
    assert!(!wants(
        Given {
            ops: vec![4],
            ..of_connections()
        },
        &to_ssh
    ));
    assert!(wants(
        Given {
            outcomes: Outcomes::FAILED,
            ..of_connections()
        },
        &connection(ConnectionOp::Failed, "192.0.2.7:22", 111)
    ));
    assert!(
        !wants(
            Given {
                users: vec![0],
                ..of_connections()
            },
            &to_ssh
        ),
        "nobody knows whose it is"
    );
    assert!(!wants(
        Given {
            places: Places::HOST,
            ..of_connections()
        },
        &to_ssh
    ));
    let failed = open("/a", 0, -2);
    assert!(!wants(
        Given {
            outcomes: Outcomes::SUCCEEDED,
            ..nothing(Kinds::OPENS)
        },
        &failed
    ));
    assert!(
        !wants(
            Given {
                accesses: Accesses::READ,
                ..nothing(Kinds::OPENS)
            },
            &open("/a", 0o1000_0000, 3)
        ),
        "O_PATH"
    );
}

#[test]
fn what_makes_no_sense_is_refused_by_number() {
    let refused = |given: Given, subscribed, expected: &str| {
        let filters = [nothing(Kinds::EXECS), given];
        let error = Subscription::new(&filters, subscribed).expect_err(expected).to_string();
        assert_eq!(error, format!("filter 2 {expected}"));
    };
    let all = every_table();
    let ports = |first, last| vec![PortRange { first, last }];
    refused(nothing(Kinds::empty()), all, "is about no table");
    refused(
        nothing(Kinds::OPENS | Kinds::EXECS),
        Kinds::EXECS,
        "is about opens, which the plugin does not subscribe to",
    );
    refused(
        Given {
            remote_ports: ports(1, 2),
            ..nothing(Kinds::OPENS | Kinds::SOCKETS)
        },
        all,
        "has `remote-ports`, which opens cannot be held against",
    );
    refused(
        Given {
            outcomes: Outcomes::FAILED,
            ..nothing(Kinds::EXITS)
        },
        all,
        "has `outcomes`, which exits cannot be held against",
    );
    refused(
        Given {
            outcomes: Outcomes::SUCCEEDED,
            ..nothing(Kinds::RESOURCES)
        },
        all,
        "has `outcomes`, which resources cannot be held against",
    );
    refused(
        Given {
            local_ports: ports(2, 1),
            ..nothing(Kinds::SOCKETS)
        },
        all,
        "has ports from 2 to 1, which are none",
    );
    refused(
        Given {
            remote_networks: vec!["10.0.0.0/40\n".into()],
            ..nothing(Kinds::SOCKETS)
        },
        all,
        "has the network `10.0.0.0/40\\n`, which is not in the form `10.0.0.0/8`",
    );
    refused(
        Given {
            paths: vec![Pattern::Prefix(String::new())],
            ..nothing(Kinds::OPENS)
        },
        all,
        "has an empty pattern",
    );
    refused(
        Given {
            ops: vec![32],
            ..nothing(Kinds::CHANGES)
        },
        all,
        "has the operation 32, which there is not",
    );
    refused(
        Given {
            merge_ms: 10,
            ..nothing(Kinds::OPENS | Kinds::EXECS)
        },
        all,
        "has `merge-ms`, which execs cannot be held against",
    );
    refused(
        Given {
            merge_ms: 10_001,
            ..nothing(Kinds::OPENS)
        },
        all,
        "merges for 10001 ms, and may for 10000",
    );
    let of = |which| {
        vec![NamespaceFilter {
            kind: NamespaceKind::Mount,
            which,
        }]
    };
    refused(
        Given {
            namespaces: of(WhichNamespace::Inode(0)),
            ..nothing(Kinds::OPENS)
        },
        all,
        "has the namespace 0, which there is not",
    );
    refused(
        Given {
            namespaces: of(WhichNamespace::Other).repeat(65),
            ..nothing(Kinds::OPENS)
        },
        all,
        "has 65 namespaces, and may have 64",
    );
    let many = vec![nothing(Kinds::EXECS); 257];
    let error = Subscription::new(&many, all).expect_err("too many");
    assert_eq!(error.to_string(), "257 filters, and may have 256");
}

#[test]
fn a_table_that_is_never_wanted_is_not_subscribed_to() {
    let never = |tables| Given {
        never: true,
        ..nothing(tables)
    };
    let writes = Given {
        accesses: Accesses::WRITE,
        ..nothing(Kinds::OPENS)
    };
    let subscription = subscription(&[never(Kinds::OPENS | Kinds::EXECS), writes]);
    assert_eq!(subscription.tables, every_table().without(Kinds::EXECS));
    assert!(
        subscription.filters.want(&open("/x", 1, 3), &NOBODY) && !subscription.filters.want(&open("/x", 0, 3), &NOBODY)
    );
}

#[test]
fn two_subscriptions_together_have_what_either_wants() {
    let reads = subscription(&[Given {
        accesses: Accesses::READ,
        ..nothing(Kinds::OPENS)
    }]);
    let writes = subscription(&[Given {
        accesses: Accesses::WRITE,
        ..nothing(Kinds::OPENS)
    }]);
    let wants = |subscription: &Subscription, flags| subscription.filters.want(&open("/x", flags, 3), &NOBODY);
    let both = reads.or(&writes);
    assert!(wants(&both, 0) && wants(&both, 1) && !wants(&both, 0o1000_0000));
    let whole = reads.or(&Subscription::whole(Kinds::OPENS));
    assert!(wants(&whole, 0o1000_0000), "a whole table stays whole");
    assert_eq!(reads.or(&reads), reads);
}

#[test]
fn the_kernel_leaves_out_what_the_shipped_kinds_of_patterns_cannot_fit() {
    let sift = Sift::of(
        [&subscription(&[
            Given {
                accesses: Accesses::READ,
                paths: vec![
                    Pattern::Exact("/etc/shadow".into()),
                    Pattern::Glob("{/root,/home/*}/.ssh/id_{rsa,ed25519}".into()),
                    Pattern::Glob("{/root,/home/*}/.aws/*".into()),
                    Pattern::Prefix("/etc/sudoers.d/".into()),
                ],
                ..nothing(Kinds::OPENS)
            },
            Given {
                ops: vec![1, 3],
                ..nothing(Kinds::CHANGES)
            },
        ])],
        &NODE,
    );
    let names: Vec<_> = sift.names.keys().map(|name| name.escape_ascii().to_string()).collect();
    assert_eq!(names, [".aws", "id_ed25519", "id_rsa", "shadow", "sudoers.d"]);
    for path in [
        "/etc/shadow",
        "/srv/shadow",
        "/root/.aws/credentials",
        "/etc/sudoers.d/a/b",
        "/x/id_rsa",
    ] {
        assert!(passes(&sift, &open(path, 0, 3), &NODE, None), "{path}");
        assert!(!passes(&sift, &open(path, 1, 3), &NODE, None), "{path} is only written");
    }
    for path in ["/etc/passwd", "/etc/shadow/x", "/root/.aws/x/y", "/id_rsa/x", "/"] {
        assert!(!passes(&sift, &open(path, 0, 3), &NODE, None), "{path}");
    }
    for (path, passing) in [("/etc/passwd", false), ("/shadow/x", true), ("/x/.aws/y/z", true)] {
        assert_eq!(passes(&sift, &open(path, 0, -2), &NODE, None), passing, "{path}, tried");
    }
    assert!(
        passes(&sift, &change(ChangeOp::Rename), &NODE, None) && !passes(&sift, &change(ChangeOp::Unlink), &NODE, None)
    );
}

/// What one of them describes passes, and what none does is left out as long as it meets a condition of none of those that
/// share a bit.
#[test]
fn filters_beyond_those_that_can_be_told_apart_share_a_bit() {
    let given: Vec<Given> = (0..100_u32)
        .map(|user| Given {
            users: vec![user],
            ops: vec![if user % 2 == 0 { 1 } else { 3 }],
            ..nothing(Kinds::CHANGES)
        })
        .collect();
    let sift = Sift::of([&subscription(&given)], &NODE);
    let passes = |user, op| {
        let change = change(op);
        let subject = Subject {
            uid: user,
            ..change.subject
        };
        passes(&sift, &Event { subject, ..change }, &NODE, None)
    };
    let (even, odd) = (
        ChangeOp::from_number(1).expect("one"),
        ChangeOp::from_number(3).expect("one"),
    );
    for user in 0..100 {
        assert!(passes(user, if user % 2 == 0 { even } else { odd }), "{user}");
        let is_alone = user < 62;
        assert_eq!(
            passes(user, if user % 2 == 0 { odd } else { even }),
            !is_alone,
            "{user}"
        );
    }
    assert!(!passes(100, even) && !passes(99, ChangeOp::from_number(2).expect("one")));
}

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
