pub(crate) mod script;
mod variants;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;

use serde_json::{Value, json};

use crate::actor::actor;
use crate::harness::{Live, live, number};

/// Connections of a process by what happened to them.
fn of<'a>(live: &'a Live, pid: u32, op: &str) -> Vec<&'a Value> {
    live.of(pid, "connection")
        .into_iter()
        .filter(|event| event["connection"]["op"] == op)
        .collect()
}

fn check_both_ends(address: &str) {
    let Some(mut live) = live() else { return };
    let mut server = live.start(&mut actor("serve", address, Path::new("/")));
    let lines = BufReader::new(server.stdout.take().expect("its output")).lines();
    let mut lines = lines.map_while(Result::ok);
    let bound = lines
        .find_map(|line| line.strip_prefix("listening ").map(str::to_owned))
        .expect("its address");
    // The rest has to be read, or the server waits for it.
    let rest = std::thread::spawn(move || lines.count());
    let client = live.run(&mut actor("connect", &bound, Path::new("/")));
    let server = live.finish(server);
    rest.join().expect("its output");
    live.until(|events| {
        let closed = events.iter().filter(|event| event["connection"]["op"] == "closed");
        closed
            .map(|event| number(&event["pid"]))
            .filter(|pid| [client.into(), server.into()].contains(pid))
            .count()
            == 2
    });

    let [opened, closed] = ["opened", "closed"].map(|op| of(&live, client, op)[0]["connection"].clone());
    assert_eq!((&opened["remote"], &opened["direction"]), (&json!(bound), &json!(0)));
    assert_eq!((&opened["cookie"], &opened["errno"]), (&closed["cookie"], &json!(0)));
    assert_eq!(
        (&closed["sent"], &closed["received"]),
        (&json!(1000), &json!(50)),
        "{closed:#?}"
    );
    assert!(number(&closed["duration"]) > number(&opened["duration"]));
    assert!(number(&closed["srtt"]) > 0 && number(&closed["netns"]) > 0);
    let link = std::fs::read_link("/proc/self/ns/net").expect("a namespace");
    assert_eq!(link.to_string_lossy(), format!("net:[{}]", closed["netns"]));

    let [accepted, far] = ["accepted", "closed"].map(|op| of(&live, server, op)[0]["connection"].clone());
    assert_eq!((&accepted["local"], &accepted["direction"]), (&json!(bound), &json!(1)));
    assert_eq!(
        (&accepted["remote"], &accepted["cookie"]),
        (&opened["local"], &far["cookie"])
    );
    assert_eq!((&far["sent"], &far["received"]), (&json!(50), &json!(1000)), "{far:#?}");
    assert_ne!(accepted["cookie"], opened["cookie"]);
}

#[test]
fn both_ends_of_a_v4_connection_are_seen() {
    check_both_ends("127.0.0.1:0");
}

#[test]
fn both_ends_of_a_v6_connection_are_seen() {
    check_both_ends("[::1]:0");
}

#[test]
fn a_refused_connection_is_a_failure_with_its_error() {
    let Some(mut live) = live() else { return };
    let free = TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address")
        .to_string();
    let pid = live.run(&mut actor("connect-refused", &free, Path::new("/")));
    let failed = &live.only(pid, "connection")["connection"];
    assert_eq!(
        (&failed["op"], &failed["errno"]),
        (&json!("failed"), &json!(libc::ECONNREFUSED))
    );
    assert_eq!(
        (&failed["remote"], &failed["sent"], &failed["received"]),
        (&json!(free), &json!(0), &json!(0))
    );
}
