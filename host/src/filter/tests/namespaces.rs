//! Filters on namespaces: whose they are, and that the kernel's judgement is the daemon's.
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use vespid_ebpf::sieve::TESTS;

use super::model::passes;
use super::*;
use crate::enrich::{Nothing, Options, ProcessTable};

pub(super) fn a_namespace() -> impl Strategy<Value = NamespaceFilter> {
    let kind = select(vec![NamespaceKind::Mount, NamespaceKind::Network, NamespaceKind::User]);
    let which = prop_oneof![
        Just(WhichNamespace::Node),
        Just(WhichNamespace::Other),
        select(vec![13, 14, 21, 22, 23]).prop_map(WhichNamespace::Inode),
    ];
    (kind, which).prop_map(|(kind, which)| NamespaceFilter { kind, which })
}

/// Those of a process: its own node's, others, or not known.
pub(super) fn namespaces() -> impl Strategy<Value = [u32; 8]> {
    let which = vec(select(vec![0, 1, 1, 21, 22]), 8);
    which.prop_map(|which| std::array::from_fn(|kind| if which[kind] == 1 { NODE[kind] } else { which[kind] }))
}

/// A table with one process, 1, in these.
pub(super) fn table(namespaces: [u32; 8], exe: &str, is_contained: bool) -> ProcessTable {
    let mut table = ProcessTable::new(Options::default(), Box::new(Nothing));
    let cgroup = if is_contained {
        format!("/docker/{}", "a".repeat(64))
    } else {
        "/system.slice".into()
    };
    let image = Image {
        namespaces,
        exe: exe.as_bytes().into(),
        cgroup_path: cgroup.as_bytes().into(),
        ..Image::default()
    };
    table.learn(&Known {
        subject: open("/", 0, 0).subject,
        image,
        restated: None,
    });
    table
}

pub(super) fn socket() -> Event<'static> {
    event(Body::Socket(Socket {
        op: SocketOp::Bound,
        family: 2,
        protocol: 17,
        local: None,
        remote: None,
        name: Vec::new().into(),
        code: 0,
        result: 0,
        netns: 0,
    }))
}

#[test]
fn namespaces_are_those_of_the_process_unless_the_event_says_more() {
    let inside = |kind, which| NamespaceFilter { kind, which };
    let (mount, network) = (NamespaceKind::Mount, NamespaceKind::Network);
    let away = |kind: usize, inode| {
        let mut namespaces = NODE;
        namespaces[kind] = inode;
        namespaces
    };
    let wants = |namespaces: &[NamespaceFilter], known: [u32; 8], told: [u32; 8]| {
        let given = Given {
            namespaces: namespaces.to_vec(),
            ..nothing(Kinds::OPENS)
        };
        let table = table(known, "/x", false);
        let process = table.latest(1).and_then(|id| table.get(id));
        let event = Event {
            namespaces: told,
            ..open("/x", 0, 3)
        };
        subscription(&[given])
            .filters
            .want(&event, &Whose { process, ..NOBODY })
    };
    let untold = [0; 8];
    let elsewhere = [inside(mount, WhichNamespace::Other)];
    assert!(!wants(&elsewhere, NODE, untold) && wants(&elsewhere, away(2, 21), untold));
    assert!(wants(&elsewhere, NODE, away(2, 21)), "it has left since");
    assert!(!wants(&elsewhere, away(2, 21), NODE), "it has come back since");
    assert!(!wants(&elsewhere, untold, untold), "nobody knows");
    let on_the_node = [inside(mount, WhichNamespace::Node)];
    assert!(wants(&on_the_node, NODE, untold) && !wants(&on_the_node, away(2, 21), untold));
    assert!(!wants(&on_the_node, untold, untold), "nobody knows");
    let any = [
        inside(mount, WhichNamespace::Inode(21)),
        inside(mount, WhichNamespace::Inode(22)),
    ];
    assert!(wants(&any, away(2, 22), untold) && !wants(&any, away(2, 23), untold));
    let each = [
        inside(mount, WhichNamespace::Other),
        inside(network, WhichNamespace::Node),
    ];
    assert!(wants(&each, away(2, 21), untold) && !wants(&each, [21; 8], untold) && !wants(&each, NODE, untold));
}

#[test]
fn a_plugin_about_one_namespace_does_not_let_all_names_of_another_pass() {
    let keys = subscription(&[Given {
        paths: vec![Pattern::Exact("/etc/shadow".into())],
        ..nothing(Kinds::OPENS)
    }]);
    let pod = subscription(&[Given {
        namespaces: vec![NamespaceFilter {
            kind: NamespaceKind::Network,
            which: WhichNamespace::Inode(21),
        }],
        ..nothing(Kinds::OPENS)
    }]);
    let sift = Sift::of([&keys, &pod], &NODE);
    let in_the_pod = [11, 12, 21, 21, 15, 16, 17, 18];
    assert!(
        passes(&sift, &open("/etc/shadow", 0, 3), &NODE, None) && passes(&sift, &open("/x", 0, 3), &in_the_pod, None)
    );
    assert!(!passes(&sift, &open("/x", 0, 3), &NODE, None) && !passes(&sift, &open("/x", 0, 3), &[22; 8], None));
}

#[test]
fn more_namespaces_than_can_be_told_apart_all_pass_and_are_all_told() {
    let others = (50..).take(TESTS + 1).map(|inode| NamespaceFilter {
        kind: NamespaceKind::Pid,
        which: WhichNamespace::Inode(inode),
    });
    let many = subscription(&[Given {
        namespaces: others.collect(),
        ..nothing(Kinds::OPENS)
    }]);
    let sift = Sift::of([&many], &NODE);
    assert!(passes(&sift, &open("/x", 0, 3), &NODE, None));
    assert_ne!(sift.sieve.telling, 0);
}

proptest! {
    /// What is told by the kernel is enough: if all is, only what somebody may want passes by its namespaces.
    #[test]
    fn namespaces_alone_are_judged_exactly_by_the_kernel(
        plugins in vec(vec(a_namespace(), 1..4), 1..4),
        told in namespaces(),
    ) {
        let told = told.map(|inode| inode.max(1));
        let filters: Vec<_> = plugins
            .into_iter()
            .map(|namespaces| Given { namespaces, ..nothing(Kinds::SOCKETS) })
            .collect();
        let subscription = subscription(&filters);
        let sift = Sift::of([&subscription], &NODE);
        let event = Event { namespaces: told, ..socket() };
        if sift.sieve.tests[0].inode != 0 {
            prop_assert_eq!(passes(&sift, &event, &told, None), subscription.filters.want(&event, &NOBODY));
        }
    }
}
