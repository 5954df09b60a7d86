//! The table stays within its bounds, and what it lets go of is what is needed least.
use super::*;

#[test]
fn a_full_table_lets_go_of_the_ended_first_then_of_the_idle() {
    let mut node = Node::new(
        Options {
            capacity: 64,
            ..Options::default()
        },
        Told::default(),
    );
    node.exec(1, 0, "init");
    for pid in 2..=60 {
        node.fork(1, pid);
    }
    for pid in 2..=10 {
        node.exit(pid);
    }
    for pid in 61..=73 {
        node.fork(1, pid);
    }
    node.open(subject(1));
    assert_eq!(
        node.table.evictions(),
        Evictions {
            expired: 0,
            ended: 9,
            running: 0,
            trimmed: 0
        }
    );
    node.open(subject(11));
    for pid in 74..=80 {
        node.fork(1, pid);
    }
    assert_eq!(node.table.evictions().ended, 9);
    assert!(node.table.evictions().running >= 6);
    assert!(node.table.latest(11).is_some(), "heard of lately");
    assert!(node.table.latest(12).is_none(), "idle for the longest");
    assert!(node.table.latest(1).is_some(), "an ancestor");
}

#[test]
fn neither_a_storm_of_forks_nor_long_arguments_exceed_the_bounds() {
    let options = Options {
        capacity: 500,
        text_capacity: 100_000,
        ..Options::default()
    };
    let mut node = Node::new(options, Told::default());
    node.exec(1, 0, "nginx");
    for pid in 2..5_000 {
        node.fork(pid - 1, pid);
        let long = Image {
            args: vec![b'x'; 4_000].into(),
            ..image(pid - 1, "sh")
        };
        node.event(
            subject(pid),
            Body::Exec(Exec {
                filename: "sh".into(),
                errno: 0,
                image: long,
            }),
        );
        node.exit(pid - 1);
        assert!(node.table.len() <= 510, "{}", node.table.len());
    }
    let line = node.who(4_999);
    assert!(line.ends_with("< nginx:1") && line.matches('<').count() < 70, "{line}");
    let held = node
        .table
        .slots
        .iter()
        .map(|process| process.args().len())
        .sum::<usize>();
    assert!(held <= 110_000, "{held}");
    assert!(node.table.evictions().trimmed > 0);
}

#[test]
fn a_lost_end_is_found_by_a_sweep_and_recorded() {
    let mut node = Node::quiet();
    node.exec(1, 0, "init");
    for pid in 2..=5 {
        node.fork(1, pid);
    }
    let mut swept = 0;
    for _ in 0..3 {
        swept += node.table.sweep(2, |process| process.pid != 4);
    }
    assert_eq!(swept, 1);
    assert_eq!(node.flags(4) & process_flags::EXITED, process_flags::EXITED);
    let found = node.table.take_found();
    let [Found::Process(ended)] = &found[..] else {
        panic!("{found:?}")
    };

    let mut replay = Node::quiet();
    replay.exec(1, 0, "init");
    replay.fork(1, 4);
    replay.table.learn(ended);
    assert_eq!(replay.flags(4), node.flags(4));
}

/// The memory of images is used again, but not that of long arguments for ever more processes that have short ones.
#[test]
fn what_long_arguments_took_is_given_back() {
    let mut node = Node::new(Options::default(), Told::default());
    node.exec(1, 0, "init");
    for pid in 2..20_000 {
        // Ended processes are kept for half a minute.
        node.time += SECOND / 100;
        node.fork(1, pid);
        let args = if pid % 49 == 0 { 900 } else { 20 };
        let image = Image {
            args: vec![b'x'; args].into(),
            ..image(1, "sh")
        };
        node.event(
            subject(pid),
            Body::Exec(Exec {
                filename: "sh".into(),
                errno: 0,
                image,
            }),
        );
        node.exit(pid);
    }
    let images = node.table.slots.iter().map(|process| &process.image);
    let (room, text) = images.fold((0, 0), |(room, text), image| {
        (room + image.room(), text + image.text_len())
    });
    assert!(room < 2 * text, "{room} bytes for {text}");
}
