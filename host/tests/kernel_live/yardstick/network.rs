//! The network: whom a container talks to, and what listens at the other end of a shell.
use super::container::Bundle;
use super::{in_container, is_by, number, text};

/// A shell that is served over the network, and somebody who ends it.
pub(super) const REMOTE_SHELL: &str = "echo exit | timeout 20 /bin/nc -l -p 4444 > /dev/null & \
                                       until /bin/nc 127.0.0.1 4444 -e /bin/sh; do :; done";

/// Takes one connection on a port of an address that is not this machine's.
fn reach(address: &str, program: &str) -> String {
    format!(
        "ip addr add {address}/32 dev lo; echo | timeout 20 /bin/nc -l -p 443 > /dev/null & \
         while ! netstat -ltn | grep -q :443; do :; done; {program}"
    )
}

#[test]
fn a_container_speaks_to_the_api_server() {
    let script = reach("10.96.0.1", "/bin/nc 10.96.0.1 443 < /dev/null");
    let bundle = Bundle::new(&script).map(|mut bundle| {
        let environment = bundle.spec["process"]["env"].as_array_mut().expect("a list");
        environment.push("KUBERNETES_SERVICE_HOST=10.96.0.1".into());
        bundle.grant(["CAP_NET_ADMIN"])
    });
    let row = in_container("the connection", bundle, |row| {
        is_by(row, "connection", "/bin/nc") && text(row, "/event/op") == "opened"
    });
    let Some(row) = row else { return };
    assert_eq!(
        (text(&row, "/event/remote_address"), number(&row, "/event/remote_port")),
        ("10.96.0.1", 443)
    );
}

#[test]
fn a_packet_socket_in_a_container() {
    let bundle = Bundle::new("/bin/arping -c 1 -I lo 127.0.0.1").map(|bundle| bundle.grant(["CAP_NET_RAW"]));
    let row = in_container("the socket", bundle, |row| {
        is_by(row, "privileged", "/bin/arping") && text(row, "/event/op") == "raw_socket"
    });
    let Some(row) = row else { return };
    let code = libc::AF_PACKET | libc::SOCK_DGRAM << 16;
    assert_eq!(row["event"]["code"], code);
    assert!(
        row["event"]["result"].as_i64().is_some_and(|result| result > 2),
        "{row}"
    );
}

#[test]
fn standard_input_and_output_become_a_connection() {
    let Some(bundle) = Bundle::new(REMOTE_SHELL) else {
        return;
    };
    let Some(mut stage) = super::Stage::new() else { return };
    bundle.run(&mut stage);
    // busybox leaves standard error alone.
    for descriptor in 0..2 {
        let row = stage.row(&format!("the socket as {descriptor}"), |row| {
            bundle.has(row)
                && text(row, "/event/op") == "stdio_socket"
                && number(row, "/event/code") == descriptor
                && row["event"]["result"] == descriptor
        });
        assert_eq!(text(&row, "/event/detail"), "127.0.0.1:4444");
    }
}

#[test]
fn ssh_to_a_port_that_is_not_its_own() {
    let ssh = "ssh -F none -o BatchMode=yes -o ConnectTimeout=5 -p 443 nobody@203.0.113.7 true";
    if !std::path::Path::new("/usr/bin/ssh").exists() {
        eprintln!("SKIPPED: ssh is not installed");
        return;
    }
    let bundle = Bundle::new(&reach("203.0.113.7", ssh)).map(|bundle| bundle.grant(["CAP_NET_ADMIN"]));
    let row = in_container("the connection", bundle, |row| {
        is_by(row, "connection", "/usr/bin/ssh") && text(row, "/event/op") == "opened"
    });
    let Some(row) = row else { return };
    assert_eq!(
        (text(&row, "/event/remote_address"), number(&row, "/event/remote_port")),
        ("203.0.113.7", 443)
    );
}
