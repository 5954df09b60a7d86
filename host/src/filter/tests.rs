//! What filters let through, and that the kernel's sieve never rejects what a plugin wants.
mod model;
mod namespaces;
mod property;
mod refused;
mod sieve;

use vespid_ebpf::{ChangeOp, ConnectionOp, Kind, PrivilegedOp, ResourceOp, SocketOp};

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
