//! What the plugin promises, near misses included.
use std::net::{Ipv4Addr, SocketAddr};

use vespid_plugin::errno::{ECONNREFUSED, ETIMEDOUT};
use vespid_plugin::testing::{BatchBuilder, ContainerRow, EPOCH, Harness, MILLISECOND, SECOND};

use super::*;

fn start(config: &str) -> Harness<TcpStats> {
    Harness::start(config).expect("a configuration")
}

fn to(host: u8, port: u16) -> SocketAddr {
    (Ipv4Addr::new(192, 0, 2, host), port).into()
}

/// One process that tries `ports` ports, of which `refused` refuse, one every `step` nanoseconds.
fn scan(exe: &str, ports: u16, refused: u16, step: u64) -> BatchBuilder {
    let mut batch = BatchBuilder::new();
    let process = batch.process(exe).id();
    for port in 0..ports {
        batch.at(u64::from(port) * step);
        let connection = batch.connect(process, to(1, 1000 + port));
        if port < refused {
            connection.fails(ECONNREFUSED);
        }
    }
    batch
}

#[test]
fn connections_are_counted_by_container_process_direction_and_port() {
    let mut plugin = start("{}");
    let mut batch = BatchBuilder::new();
    let container = batch.container("0123456789abcdef", "shop");
    let nginx = batch.process("/usr/sbin/nginx").container(container).id();
    let curl = batch.process("/usr/bin/curl").id();
    let cookie = batch.connect(nginx, to(9, 51_234)).accepted(443).cookie;
    batch.connect(curl, to(1, 443)).fails(ETIMEDOUT).retransmits = 6;
    plugin.batch(&batch);
    let served = ["0123456789ab", "nginx", "inbound", "https"];
    assert_eq!(plugin.value("accepted", served), Some(1.0));
    assert_eq!(plugin.value("active", served), Some(1.0));
    assert_eq!(plugin.value("retransmits", served), None, "nothing was sent again");
    assert_eq!(
        plugin.value("failed", ["host", "curl", "outbound", "https", "timeout"]),
        Some(1.0)
    );
    assert_eq!(
        plugin.value("retransmits", ["host", "curl", "outbound", "https"]),
        Some(6.0)
    );

    batch.next_batch();
    let closed = batch
        .connect(nginx, to(9, 51_234))
        .accepted(443)
        .closes(cookie)
        .bytes(500, 70);
    closed.duration = 20 * MILLISECOND;
    closed.srtt = 150;
    plugin.batch(&batch);
    assert_eq!(plugin.value("active", served), Some(0.0));
    assert_eq!(
        plugin.value("closed", ["0123456789ab", "nginx", "inbound", "https", "normal"]),
        Some(1.0)
    );
    assert_eq!(
        plugin.value("payload", ["0123456789ab", "nginx", "inbound", "https", "sent"]),
        Some(500.0)
    );
    assert_eq!(
        plugin.value("payload", ["0123456789ab", "nginx", "inbound", "https", "received"]),
        Some(70.0)
    );
    assert_eq!(
        plugin.value("duration", ["0123456789ab", "nginx", "inbound"]),
        Some(1.0)
    );
    assert_eq!(plugin.value("rtt", ["0123456789ab", "nginx", "inbound"]), Some(1.0));
}

#[test]
fn connections_older_than_the_daemon_do_not_make_the_gauge_negative() {
    let mut plugin = start("{}");
    let mut batch = BatchBuilder::new();
    let sshd = batch.process("/usr/sbin/sshd").id();
    batch.connect(sshd, to(1, 50_000)).accepted(22).closes(77);
    plugin.batch(&batch);
    assert_eq!(
        plugin.value("payload", ["host", "sshd", "inbound", "ssh", "sent"]),
        None
    );
    assert_eq!(plugin.value("retransmits", ["host", "sshd", "inbound", "ssh"]), None);
    assert_eq!(plugin.value("active", ["host", "sshd", "inbound", "ssh"]), None);
    assert!((plugin.total("closed") - 1.0).abs() < f64::EPSILON);
}

#[test]
fn open_connections_survive_a_new_instance() {
    let mut plugin = start("{}");
    let mut batch = BatchBuilder::new();
    let psql = batch.process("/usr/bin/psql").id();
    let cookie = batch.connect(psql, to(1, 5432)).cookie;
    batch.connect(psql, to(2, 5432));
    plugin.batch(&batch);
    assert_eq!(plugin.replace(), Restored::Warm);
    batch.next_batch().connect(psql, to(1, 5432)).closes(cookie);
    plugin.batch(&batch);
    assert_eq!(
        plugin.value("active", ["host", "psql", "outbound", "postgresql"]),
        Some(1.0)
    );
}

#[test]
fn process_names_beyond_the_limit_are_other() {
    let mut plugin = start(r#"{"max_process_names": 2}"#);
    let mut batch = BatchBuilder::new();
    for name in ["/bin/a", "/bin/b", "/bin/c", "/bin/d"] {
        let process = batch.process(name).id();
        batch.connect(process, to(1, 80));
    }
    plugin.batch(&batch);
    assert_eq!(plugin.value("opened", ["host", "a", "outbound", "http"]), Some(1.0));
    assert_eq!(plugin.value("opened", ["host", "other", "outbound", "http"]), Some(2.0));
}

#[test]
fn many_ports_with_refusals_are_a_scan_reported_once_a_window() {
    let mut plugin = start(r#"{"refused": {"limit": 1000}}"#);
    let outcome = plugin.batch(&scan("/usr/bin/nmap", 200, 150, MILLISECOND));
    assert_eq!(
        outcome.lines(),
        [
            "warning port-scan: nmap (pid 1000) tried 21 ports within 60 s, last 192.0.2.1:1020; 21 of 21 attempts failed"
        ]
    );
    assert_eq!(outcome.verdicts[0].tags, ["T1046"]);
}

/// Verdicts on one process that tries ports of one host: at which second, from which port to which, and whether they
/// refuse.
fn tries(attempts: &[(u64, std::ops::Range<u16>, bool)]) -> usize {
    let mut batch = BatchBuilder::new();
    let process = batch.process("/usr/bin/nmap").id();
    for (second, ports, refused) in attempts {
        for port in ports.clone() {
            let connection = batch.at(second * SECOND).connect(process, to(1, port));
            if *refused {
                connection.fails(ECONNREFUSED);
            }
        }
    }
    start(r#"{"refused": {"limit": 1000}}"#).batch(&batch).verdicts.len()
}

#[test]
fn a_window_has_a_beginning_and_an_end() {
    assert_eq!(tries(&[(0, 0..20, true), (59, 20..21, true)]), 1);
    assert_eq!(tries(&[(0, 0..20, true), (60, 20..21, true)]), 0, "the first are over");
    assert_eq!(tries(&[(0, 0..1, true), (60, 1..21, true)]), 0, "one is over");
    assert_eq!(tries(&[(0, 0..21, true), (59, 0..21, true)]), 1, "reported once");
    assert_eq!(tries(&[(0, 0..21, true), (60, 0..21, true)]), 2, "and once more");
}

#[test]
fn the_share_of_failures_is_that_of_the_last_windows() {
    let again = |times, refused| vec![(0, 7..8, refused); times];
    assert_eq!(
        tries(&[again(84, false), vec![(0, 100..121, true)]].concat()),
        1,
        "20 %"
    );
    assert_eq!(
        tries(&[again(85, false), vec![(0, 100..121, true)]].concat()),
        0,
        "below"
    );
    assert_eq!(
        tries(&[again(160, false), vec![(60, 100..121, true)]].concat()),
        1,
        "half is forgotten"
    );
    assert_eq!(
        tries(&[again(170, false), vec![(60, 100..121, true)]].concat()),
        0,
        "half is not"
    );
    let successes = vec![(60, 100..121, false)];
    assert_eq!(tries(&[again(40, true), successes.clone()].concat()), 1);
    assert_eq!(tries(&[again(10, true), successes].concat()), 0);
}

#[test]
fn what_is_nearly_a_scan_is_none() {
    let quiet = r#"{"refused": {"limit": 1000}}"#;
    let verdicts = |config: &str, batch: &BatchBuilder| start(config).batch(batch).verdicts.len();
    assert_eq!(
        verdicts(quiet, &scan("/usr/bin/nmap", 20, 20, MILLISECOND)),
        0,
        "as many ports as allowed"
    );
    assert_eq!(
        verdicts(quiet, &scan("/usr/bin/nmap", 40, 40, 4 * SECOND)),
        0,
        "slower than the window"
    );
    assert_eq!(
        verdicts(quiet, &scan("/usr/bin/haproxy", 100, 3, MILLISECOND)),
        0,
        "nearly all succeed"
    );
    let excepted = r#"{"refused": {"limit": 1000}, "except": ["/opt/*/scanner"]}"#;
    assert_eq!(
        verdicts(excepted, &scan("/opt/corp/scanner", 100, 100, MILLISECOND)),
        0,
        "excepted"
    );
}

#[test]
fn many_hosts_are_a_scan_too() {
    let mut batch = BatchBuilder::new();
    let process = batch.process("/tmp/worm").id();
    for host in 0..60 {
        batch.connect(process, to(host, 22)).fails(ETIMEDOUT);
    }
    let outcome = start("{}").batch(&batch);
    assert_eq!(outcome.rules(), ["port-scan"]);
    assert!(outcome.lines()[0].contains("tried 51 hosts"));
}

#[test]
fn a_burst_of_refusals_is_reported_when_it_starts_and_when_it_ends() {
    let mut plugin = start("{}");
    let mut batch = BatchBuilder::new();
    let app = batch.process("/srv/app").id();
    for i in 0..30_u64 {
        batch
            .at(i * 100 * MILLISECOND)
            .connect(app, to(1, 6379))
            .fails(ECONNREFUSED);
    }
    assert_eq!(
        plugin.batch(&batch).lines(),
        ["notice refused-burst: app (pid 1000) was refused more than 20 times within 10 s, last by 192.0.2.1:6379"]
    );
    assert_eq!(plugin.tick(10 * SECOND).lines(), [""; 0]);
    assert_eq!(
        plugin.tick(33 * SECOND).lines(),
        ["info refused-burst-ended: app (pid 1000) was refused 30 times in 2.9 s"]
    );
}

#[test]
fn twenty_refusals_in_ten_seconds_are_no_burst() {
    let mut plugin = start("{}");
    let mut batch = BatchBuilder::new();
    let app = batch.process("/srv/app").id();
    for i in 0..60_u64 {
        batch
            .at(i * 500 * MILLISECOND)
            .connect(app, to(1, 6379))
            .fails(ECONNREFUSED);
    }
    assert_eq!(plugin.batch(&batch).lines(), [""; 0]);
}

#[test]
fn the_shipped_configuration_is_the_default() {
    let shipped: Config = toml::from_str(include_str!("../tcp-stats.toml")).expect("a configuration");
    assert_eq!(shipped, Config::default());
}

#[test]
fn a_wrong_configuration_says_what_is_wrong() {
    let refusal = |config: &str| Harness::<TcpStats>::start(config).err().expect("a refusal");
    assert_eq!(
        refusal(r#"{"scan": {"port": 5}}"#),
        "unknown key `scan.port`; did you mean `ports`?"
    );
    assert_eq!(
        refusal(r#"{"scan": {"min_failed_percent": 101}}"#),
        "`scan.min_failed_percent`: 101 is more than 100"
    );
    for (config, part) in [
        (r#"{"scan": {"window_seconds": 0}}"#, "at least 1"),
        (r#"{"refused": {"window_seconds": 0}}"#, "at least 1"),
        (r#"{"scan": {"ports": 10001}}"#, "at most 10000"),
        (r#"{"scan": {"hosts": 10001}}"#, "at most 10000"),
        (r#"{"refused": {"limit": 10001}}"#, "at most 10000"),
    ] {
        assert!(refusal(config).contains(part), "{config}");
    }
    start(r#"{"scan": {"ports": 10000, "hosts": 10000, "min_failed_percent": 100}, "refused": {"limit": 10000}}"#);
    assert!(refusal(r#"{"except": "nmap"}"#).starts_with("`except`: invalid type: string"));
}

/// Both ends of a connection from a client in a container to a server on the host, `translated` on the way.
fn both_ends(batch: &mut BatchBuilder, translated: bool, is_server_first: bool) {
    let container = batch.container("0123456789abcdef", "shop");
    let app = batch.process("/srv/app").container(container).id();
    let postgres = batch.process("/usr/bin/postgres").id();
    let client: SocketAddr = (Ipv4Addr::new(10, 4, 0, 2), 51_234).into();
    let server: SocketAddr = (Ipv4Addr::new(10, 4, 0, 1), 5432).into();
    for is_server in [is_server_first, !is_server_first] {
        if is_server {
            let end = batch.connect(postgres, client).accepted(5432);
            end.local = server;
        } else {
            let called = if translated { to(9, 80) } else { server };
            batch.connect(app, called).local = client;
        }
    }
}

#[test]
fn a_call_within_the_node_has_both_ends_whoever_is_seen_first_and_whatever_address_was_called() {
    for (translated, is_server_first) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut plugin = start("{}");
        let mut batch = BatchBuilder::new();
        both_ends(&mut batch, translated, is_server_first);
        plugin.batch(&batch);
        let edge = ["0123456789ab", "app", "host", "postgres", "postgresql"];
        assert_eq!(plugin.value("calls", edge), Some(1.0));
        plugin.tick(10 * SECOND);
        assert!((plugin.total("calls") - 1.0).abs() < f64::EPSILON);
    }
}

/// A caller behind a masquerade, and a published port: neither end knows the other's address.
#[test]
fn ends_that_know_no_address_of_one_another_are_put_together_by_their_sequence_numbers() {
    let mut plugin = start("{}");
    let mut batch = BatchBuilder::new();
    let app = batch.process("/srv/app").id();
    let postgres = batch.process("/usr/bin/postgres").id();
    // Two connections from the same port to the same service, of which only the numbers tell which is which.
    for (caller, called) in [(7, 8), (9, 8)] {
        let client = batch.connect(app, to(9, 80));
        client.local = ([10, 4, 0, 2], 51_234).into();
        (client.local_isn, client.remote_isn) = (caller, called);
    }
    let server = batch.connect(postgres, to(77, 1025)).accepted(5432);
    (server.local_isn, server.remote_isn) = (8, 9);
    plugin.batch(&batch);
    let edge = ["host", "app", "host", "postgres", "postgresql"];
    assert_eq!(plugin.value("calls", edge), Some(1.0));
    plugin.tick(10 * SECOND);
    assert_eq!(
        plugin.value("calls", ["host", "app", "elsewhere", "", "http"]),
        Some(1.0)
    );
    assert!((plugin.total("calls") - 2.0).abs() < f64::EPSILON);
}

#[test]
fn an_end_whose_other_does_not_come_has_it_elsewhere() {
    let mut plugin = start("{}");
    let mut batch = BatchBuilder::new();
    let curl = batch.process("/usr/bin/curl").id();
    let nginx = batch.process("/usr/sbin/nginx").id();
    batch.connect(curl, to(1, 443));
    batch.connect(nginx, to(7, 50_000)).accepted(80);
    plugin.batch(&batch);
    assert!(plugin.total("calls").abs() < f64::EPSILON, "it may still come");
    plugin.tick(SECOND);
    assert!(plugin.total("calls").abs() < f64::EPSILON, "it may still come");
    plugin.tick(2 * SECOND);
    assert_eq!(
        plugin.value("calls", ["host", "curl", "elsewhere", "", "https"]),
        Some(1.0)
    );
    assert_eq!(
        plugin.value("calls", ["elsewhere", "", "host", "nginx", "http"]),
        Some(1.0)
    );
}

#[test]
fn a_port_that_is_used_again_is_another_call() {
    let mut plugin = start("{}");
    let mut batch = BatchBuilder::new();
    let wrk = batch.process("/usr/bin/wrk").id();
    batch.connect(wrk, to(1, 80));
    batch.connect(wrk, to(2, 80));
    plugin.batch(&batch);
    plugin.tick(2 * SECOND);
    assert_eq!(
        plugin.value("calls", ["host", "wrk", "elsewhere", "", "http"]),
        Some(2.0)
    );
}

#[test]
fn loopback_addresses_of_different_network_namespaces_are_different() {
    let mut plugin = start("{}");
    let mut batch = BatchBuilder::new();
    let curl = batch.process("/usr/bin/curl").id();
    let nginx = batch.process("/usr/sbin/nginx").id();
    let [here, there]: [SocketAddr; 2] = [50_000, 80].map(|port| (Ipv4Addr::LOCALHOST, port).into());
    let client = batch.connect(curl, there);
    (client.local, client.netns) = (here, 1);
    let server = batch.connect(nginx, here).accepted(80);
    (server.local, server.netns) = (there, 2);
    plugin.batch(&batch);
    plugin.tick(2 * SECOND);
    assert_eq!(
        plugin.value("calls", ["host", "curl", "elsewhere", "", "http"]),
        Some(1.0)
    );
    assert_eq!(
        plugin.value("calls", ["elsewhere", "", "host", "nginx", "http"]),
        Some(1.0)
    );
}

#[test]
fn a_new_instance_finds_the_other_end_of_what_waited() {
    let mut plugin = start("{}");
    let mut batch = BatchBuilder::new();
    let curl = batch.process("/usr/bin/curl").id();
    let nginx = batch.process("/usr/sbin/nginx").id();
    batch.connect(curl, to(1, 80));
    plugin.batch(&batch);
    assert_eq!(plugin.replace(), Restored::Warm);
    batch.next_batch();
    let server = batch.connect(nginx, ([10, 0, 0, 1], 40_000)).accepted(80);
    server.local = to(1, 80);
    plugin.batch(&batch);
    assert_eq!(
        plugin.value("calls", ["host", "curl", "host", "nginx", "http"]),
        Some(1.0)
    );
}

/// What an earlier build of the plugin wrote as version 3: an end that waits is its own name, whoever shares it.
#[test]
fn a_state_is_in_the_form_of_its_version() {
    let open = vec![(
        ["host", "curl", "outbound", "http"].map(|label| label.as_bytes().to_vec()),
        vec![7_u64],
    )];
    let caller = (0_u32, 17_u32, 18_u32);
    let half = (true, 80_u16, b"host".to_vec(), b"curl".to_vec());
    let halves = (vec![(caller, (EPOCH, half))], 1_u64 << 14, 2 * SECOND);
    let mut plugin = start("{}");
    assert_eq!(plugin.restore(3, &state::save(&(open, halves))), Restored::Warm);

    let mut batch = BatchBuilder::new();
    let nginx = batch.process("/usr/sbin/nginx").id();
    let server = batch.connect(nginx, ([10, 0, 0, 1], 40_000)).accepted(80);
    (server.local_isn, server.remote_isn) = (18, 17);
    let curl = batch.process("/usr/bin/curl").id();
    batch.connect(curl, to(1, 80)).closes(7);
    plugin.batch(&batch);
    let edge = ["host", "curl", "host", "nginx", "http"];
    assert_eq!(plugin.value("calls", edge), Some(1.0));
    assert_eq!(plugin.value("active", ["host", "curl", "outbound", "http"]), Some(0.0));
}

#[test]
fn a_service_is_called_by_what_made_its_pod_else_by_its_pod_its_name_or_its_id() {
    let row = |name: &str, namespace: &str, pod: &str, owner: &str| ContainerRow {
        id: b"0123456789abcdef".to_vec(),
        name: name.into(),
        namespace: namespace.into(),
        pod: pod.into(),
        owner: owner.into(),
        ..ContainerRow::default()
    };
    for (container, service) in [
        (
            row("till", "shop", "till-0", "StatefulSet/till"),
            "shop/StatefulSet/till",
        ),
        (row("etcd", "kube-system", "etcd-n1", "Node/n1"), "kube-system/etcd-n1"),
        (row("till", "shop", "till-0", ""), "shop/till-0"),
        (row("till", "", "", ""), "till"),
        (row("", "", "", ""), "0123456789ab"),
    ] {
        let mut plugin = start("{}");
        let mut batch = BatchBuilder::new();
        let container = batch.described_container(container);
        let app = batch.process("/srv/app").container(container).id();
        batch.connect(app, to(1, 443));
        plugin.batch(&batch);
        plugin.tick(2 * SECOND);
        let edge = [service, "app", "elsewhere", "", "https"];
        assert_eq!(plugin.value("calls", edge), Some(1.0), "{service}");
    }
}
