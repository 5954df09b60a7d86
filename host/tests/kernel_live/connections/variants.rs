//! The same connections by either probe.
use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use vespid::kernel::{Kernel, Settings, Way};
use vespid_ebpf::Kind;

use crate::actor::actor;
use crate::harness::{Live, live, live_with, number};
use crate::storm::{Tally, attached};

/// Rows of the script by the port that was called, without what differs from one run to the next.
type Rows = BTreeMap<u64, Vec<Value>>;

/// Follows the script; gives what its SYNs said, too.
fn follow(prefer: Way) -> Option<(Live, String)> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut live = live_with(Settings {
        kinds: Kind::Connection.bit(),
        prefer,
        ..Settings::default()
    })?;
    let pid = live.run(&mut actor("connections", "", folder.path()));
    let closed = |events: &[Value]| {
        let mut closed = events.iter().filter(|event| event["pid"] == pid);
        closed.any(|event| event["connection"]["remote"] == "127.0.0.1:1010" && event["connection"]["op"] == "closed")
    };
    live.until(closed);
    let numbers = std::fs::read_to_string(folder.path().join("numbers")).expect("a file");
    Some((live, numbers))
}

fn rows(live: &Live) -> Rows {
    let mut rows = Rows::new();
    for event in live.events.iter().filter(|event| event["connection"].is_object()) {
        let row = &event["connection"];
        let port = |end: &str| {
            row[end]
                .as_str()
                .and_then(|end| end.rsplit_once(':')?.1.parse::<u64>().ok())
        };
        let (local, remote) = (port("local").expect("a port"), port("remote").expect("a port"));
        let address = |end: &str| {
            row[end]
                .as_str()
                .and_then(|end| Some(end.rsplit_once(':')?.0.to_owned()))
        };
        let own = json!({
            "op": row["op"],
            "direction": row["direction"],
            "from": address("local"),
            "to": address("remote"),
            "is_client": local > remote,
            "errno": row["errno"],
            "sent": row["sent"],
            "received": row["received"],
            "has_rtt": row["srtt"] != 0,
            "was_repeated": row["retransmits"] != 0,
            "has_lasted": row["duration"] != 0,
            "has_isns": [row["local_isn"].is_u64(), row["remote_isn"].is_u64()],
        });
        rows.entry(local.min(remote)).or_default().push(own);
    }
    rows.values_mut().for_each(|rows| rows.sort_by_key(Value::to_string));
    rows
}

/// What is seen of a port, in short: `client opened`, `server closed 104`.
fn said(rows: &Rows, port: u64) -> Vec<String> {
    let said = rows.get(&port).into_iter().flatten().map(|row| {
        let who = if row["is_client"] == true { "client" } else { "server" };
        let op = row["op"].as_str().expect("an op");
        match number(&row["errno"]) {
            0 => format!("{who} {op}"),
            errno => format!("{who} {op} {errno}"),
        }
    });
    let mut said: Vec<String> = said.collect();
    said.sort();
    said
}

fn check_the_script(live: &Live, numbers: &str) -> Rows {
    let rows = rows(live);
    let whole = ["client closed", "client opened", "server accepted", "server closed"];
    for port in [1001, 1002, 1003, 1007, 1008] {
        assert_eq!(said(&rows, port), whole, "{port}: {:#?}", rows.get(&port));
    }
    assert_eq!(said(&rows, 1004), ["client failed 111"]);
    assert_eq!(said(&rows, 1005), ["client failed 111"]);
    let cut = ["client closed 104", "client opened", "server accepted", "server closed"];
    assert_eq!(said(&rows, 1006), cut);
    // One gave up waiting; of the other nobody waited for the end.
    assert_eq!(said(&rows, 1009), ["client failed", "client failed 110"]);
    for (port, is_repeated) in [(1001, false), (1008, true)] {
        let row = |row: &&Value| row["op"] == "closed" && row["is_client"] == true;
        let closed = rows[&port].iter().find(row).expect("its end");
        assert_eq!(
            (&closed["sent"], &closed["was_repeated"]),
            (&json!(1000), &json!(is_repeated))
        );
    }
    check_numbers(live, numbers);
    rows
}

/// Each connection's two numbers are those of its SYNs, in all its rows, crosswise at both ends.
fn check_numbers(live: &Live, numbers: &str) {
    for port in [1001_u64, 1002, 1003, 1006, 1007, 1008, 1010] {
        let mut pairs: Vec<_> = live
            .events
            .iter()
            .map(|event| &event["connection"])
            .filter(|row| {
                let ends = [&row["local"], &row["remote"]];
                ends.iter()
                    .any(|end| end.as_str().is_some_and(|end| end.ends_with(&format!(":{port}"))))
            })
            .map(|row| {
                let (local, remote) = (number(&row["local_isn"]), number(&row["remote_isn"]));
                if row["direction"] == 0 {
                    (local, remote)
                } else {
                    (remote, local)
                }
            })
            .collect();
        assert_eq!(pairs.len(), 4, "{port}");
        pairs.dedup();
        assert_eq!(pairs.len(), 1, "{port}: {pairs:?}");
        let (client, server) = pairs[0];
        for (who, number) in [("client", client), ("server", server)] {
            assert_ne!(number, 0);
            let is_v4 = port != 1002;
            let line = format!("{port} {who} {number}");
            assert!(!is_v4 || numbers.lines().any(|said| said == line), "{line}: {numbers}");
        }
    }
}

#[test]
fn either_probe_sees_the_same_connections() {
    let Some((live, numbers)) = follow(Way::Tracepoints) else {
        return;
    };
    let by_tracepoint = check_the_script(&live, &numbers);
    drop(live);
    let Some((live, numbers)) = follow(Way::SockOps) else {
        return;
    };
    let probe = live
        .kernel
        .probes()
        .iter()
        .find(|probe| probe.name == "vespid_sock_ops");
    if let Some(why) = probe.and_then(|probe| probe.unavailable()) {
        let required = std::env::var("VESPID_REQUIRE_BPF").as_deref() == Ok("1");
        assert!(!required || why.contains("control groups"), "{why}");
        eprintln!("SKIPPED: {why}");
        return;
    }
    assert_eq!(check_the_script(&live, &numbers), by_tracepoint);
}

#[test]
fn a_connection_has_the_same_numbers_on_both_sides_of_address_translation() {
    let Some(mut live) = live() else { return };
    let has = |program: &str| std::process::Command::new(program).arg("--version").output().is_ok();
    if !has("nft") || !has("ip") {
        eprintln!("SKIPPED: this needs the programs nft and ip (apt-get install nftables iproute2)");
        return;
    }
    let pid = live.run(&mut actor("translated", "", Path::new("/")));
    let row = |op: &str| {
        let rows = live.of(pid, "connection").into_iter().map(|event| &event["connection"]);
        rows.filter(|row| row["op"] == op).cloned().collect::<Vec<_>>()
    };
    let (opened, accepted) = (row("opened"), row("accepted"));
    let ([near], [far]) = (opened.as_slice(), accepted.as_slice()) else {
        assert!(opened.is_empty() && accepted.is_empty());
        eprintln!("SKIPPED: the kernel translates no addresses for nft");
        return;
    };
    assert_eq!(
        (&near["remote"], &far["local"]),
        (&json!("10.8.0.1:8080"), &json!("127.0.0.1:1020"))
    );
    assert_ne!(near["local"], far["remote"]);
    assert_eq!(
        (&near["local_isn"], &near["remote_isn"]),
        (&far["remote_isn"], &far["local_isn"])
    );
    assert!(number(&near["local_isn"]) != 0 && number(&near["remote_isn"]) != 0);
}

/// As a second daemon would, or any other program on the same control groups.
#[test]
fn probes_on_the_control_groups_stand_beside_one_another_and_leave_nothing_behind() {
    const CONNECTIONS: u64 = 20;
    let settings = Settings {
        kinds: Kind::Connection.bit(),
        prefer: Way::SockOps,
        ..Settings::default()
    };
    let Some(mut live) = live_with(settings) else { return };
    let mut second = Kernel::start(&settings).expect("probes");
    let unavailable = |kernel: &Kernel| kernel.probes().iter().any(|probe| probe.unavailable().is_some());
    if unavailable(&live.kernel) {
        eprintln!("SKIPPED: {:?}", live.kernel.probes());
        return;
    }
    let child = actor("connect-many", CONNECTIONS.to_string(), Path::new("/"))
        .stdout(std::process::Stdio::null())
        .spawn();
    let mut child = child.expect("a child");
    assert!(child.wait().expect("its end").success());
    for kernel in [&mut live.kernel, &mut second] {
        let mut tally = Tally::default();
        // Opened, accepted, and closed at both ends.
        tally.until(kernel, child.id(), |tally| tally.connections == 4 * CONNECTIONS);
    }
    drop(second);
    let one = [
        "vespid_exec",
        "vespid_exit",
        "vespid_fork",
        "vespid_sock_ops",
        "vespid_sys_exit",
    ];
    assert_eq!(attached(), one);
    live.kernel.detach();
    assert_eq!(attached(), [""; 0]);
}
