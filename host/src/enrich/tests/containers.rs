//! Which container a process is in, and what is known of that.
use super::*;

/// A pod's container as its runtime describes it.
fn described(id: &str) -> KnownContainer<'static> {
    KnownContainer {
        id: id.as_bytes().to_vec().into(),
        name: "shop".into(),
        image: "shop:1".into(),
        pod: "shop-0".into(),
        labels: "app=shop\0".into(),
        owner: "StatefulSet/shop".into(),
        ..KnownContainer::default()
    }
}

#[test]
fn a_container_is_inherited_and_left() {
    let mut node = Node::quiet();
    node.exec_in(1, 0, "/init.scope", 1);
    node.fork(1, 2);
    assert_eq!(node.container(2), "");
    node.exec_in(2, 1, DOCKER, 2);
    node.fork(2, 3);
    assert_eq!(
        (node.container(2), node.container(3)),
        ("docker 3f4e".into(), "docker 3f4e".into())
    );
    // The v2 path says nothing if containers live in v1 hierarchies.
    node.exec_in(3, 2, "/", 2);
    assert_eq!(node.container(3), "docker 3f4e");
    node.exec_in(3, 2, "/system.slice/x.service", 1);
    assert_eq!(node.container(3), "");
    // Nobody is left in it, nor descends from somebody who was.
    node.exit(2);
    node.exit(3);
    node.at(2_000).open(subject(1));
    node.open(subject(1));
    assert!(node.table.containers().is_empty());
}

#[test]
fn where_the_v2_path_says_nothing_the_first_process_of_a_container_is_asked_for() {
    let mut source = Told::default();
    let mut first = known(2, 1, "x");
    first.image.cgroup_path = DOCKER.into();
    source.processes.insert(2, first);
    let mut node = Node::new(Options::default(), source);
    node.exec_in(1, 0, "/", 1);
    node.fork(1, 2);
    let live = node.exec_in(2, 1, "/", 2);
    let flags = |node: &Node| node.table.previous().map(|process| process.flags);
    let live_flags = flags(&node);
    assert!(live.has_previous);
    assert_eq!(node.container(2), "docker 3f4e");

    let mut replay = Node::quiet();
    replay.exec_in(1, 0, "/", 1);
    replay.fork(1, 2);
    for found in node.table.take_found() {
        if let Found::Process(known) = found {
            replay.table.learn(&known);
        }
    }
    let replayed = replay.exec_in(2, 1, "/", 2);
    assert!(replayed.has_previous);
    assert_eq!(flags(&replay), live_flags);
    assert_eq!(replay.container(2), "docker 3f4e");
}

#[test]
fn a_container_with_a_chosen_name_is_asked_for_and_found_again_in_a_replay() {
    let mut source = Told::default();
    source.containers.insert(b"/demo1".to_vec(), "demo1");
    let mut node = Node::new(Options::default(), source);
    node.exec_in(1, 0, "/", 1);
    node.exec_in(2, 1, "/demo1", 2);
    assert_eq!(node.container(2), "runc demo");
    let found = node.table.take_found();
    let [Found::Container(container)] = &found[..] else {
        panic!("{found:?}")
    };

    let mut replay = Node::quiet();
    replay.exec_in(1, 0, "/", 1);
    replay.table.learn_container(container);
    replay.exec_in(2, 1, "/demo1", 2);
    assert_eq!(replay.container(2), "runc demo");
}

/// Name, image and pod of the container that a process is in.
fn about(node: &Node, pid: u32) -> [String; 3] {
    let process = node.table.get(node.table.latest(pid).unwrap()).unwrap();
    let container = node.table.containers().get(process.container().unwrap()).unwrap();
    [&container.name, &container.image, &container.pod].map(|text| String::from_utf8(text.to_vec()).unwrap())
}

#[test]
fn a_container_is_described_before_its_first_event_and_so_it_is_in_a_replay() {
    let mut source = Told::default();
    source.descriptions.insert(b"shop1".to_vec(), described("shop1"));
    let mut node = Node::new(Options::default(), source);
    node.exec_in(1, 0, "/", 1);
    node.exec_in(2, 1, "/k8s.io/shop1", 2);
    node.exec_in(3, 1, "/k8s.io/shop1", 2);
    assert_eq!(about(&node, 2), ["shop", "shop:1", "shop-0"]);
    let found = node.table.take_found();
    let [Found::Container(container)] = &found[..] else {
        panic!("{found:?}")
    };

    let mut replay = Node::quiet();
    replay.exec_in(1, 0, "/", 1);
    replay.table.learn_container(container);
    replay.exec_in(2, 1, "/k8s.io/shop1", 2);
    assert_eq!(about(&replay, 2), about(&node, 2));
    assert_eq!(
        replay.container(2),
        node.container(2),
        "who made it is told by the path"
    );
}

#[test]
fn what_a_runtime_says_late_counts_from_then_on_unless_the_container_is_gone() {
    let source = Told::default();
    let late = source.late.clone();
    let mut node = Node::new(Options::default(), source);
    node.exec_in(1, 0, "/", 1);
    node.exec_in(2, 1, "/k8s.io/shop1", 2);
    let version = |node: &Node| node.table.containers().by_id(b"shop1").unwrap().version;
    let before = version(&node);
    assert_eq!(about(&node, 2), ["", "", ""]);
    late.lock().unwrap().extend([described("shop1"), described("gone")]);
    node.open(subject(2));
    assert_eq!(about(&node, 2), ["shop", "shop:1", "shop-0"]);
    assert!(version(&node) > before, "a batch shows it anew");
    assert_eq!(node.table.take_found(), [Found::Container(described("shop1"))]);
    assert!(node.table.containers().by_id(b"gone").is_none());
}
