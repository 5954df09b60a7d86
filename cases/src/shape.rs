//! The keys that a verdict has, so that a misspelt one is found before anything runs.

/// What may stand somewhere in a verdict.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// A string, a number, a boolean, or nothing.
    Plain,
    /// A list of one thing.
    List(&'static Shape),
    /// Any keys, with plain values.
    Map,
    /// These keys.
    Record(&'static [(&'static str, Shape)]),
}

use Shape::{List, Map, Plain, Record};

const PROCESS: Shape = Record(&[
    ("pid", Plain),
    ("start_time", Plain),
    ("ppid", Plain),
    ("uid", Plain),
    ("user", Plain),
    ("euid", Plain),
    ("login_uid", Plain),
    ("comm", Plain),
    ("exe", Plain),
    ("cmdline", List(&Plain)),
    ("cwd", Plain),
    ("tty", Plain),
    ("flags", List(&Plain)),
]);

const CONTAINER: Shape = Record(&[
    ("id", Plain),
    ("runtime", Plain),
    ("name", Plain),
    ("image", Plain),
    ("pod", Plain),
    ("namespace", Plain),
    ("owner", Plain),
    ("pod_uid", Plain),
]);

/// All kinds of events together.
const EVENT: Shape = Record(&[
    ("kind", Plain),
    ("seq", Plain),
    ("filename", Plain),
    ("errno", Plain),
    ("previous", PROCESS),
    ("code", Plain),
    ("signal", Plain),
    ("lifetime", Plain),
    ("op", Plain),
    ("direction", Plain),
    ("local_address", Plain),
    ("local_port", Plain),
    ("remote_address", Plain),
    ("remote_port", Plain),
    ("cookie", Plain),
    ("sent", Plain),
    ("received", Plain),
    ("duration", Plain),
    ("srtt", Plain),
    ("retransmits", Plain),
    ("netns", Plain),
    ("local_isn", Plain),
    ("remote_isn", Plain),
    ("path", Plain),
    ("typed", Plain),
    ("flags", Plain),
    ("mode", Plain),
    ("result", Plain),
    ("path_kind", Plain),
]);

/// A line of verdict.
pub(crate) const VERDICT: Shape = Record(&[
    ("rule", Plain),
    ("severity", Plain),
    ("message", Plain),
    ("key", Plain),
    ("tags", List(&Plain)),
    ("fields", Map),
    ("time", Plain),
    ("node", Plain),
    (
        "plugin",
        Record(&[("name", Plain), ("version", Plain), ("digest", Plain)]),
    ),
    ("event", EVENT),
    ("process", PROCESS),
    ("ancestors", List(&PROCESS)),
    ("container", CONTAINER),
    ("sequence", Record(&[("first", Plain), ("last", Plain)])),
]);

/// What a plugin itself gives of a verdict; the rest is the daemon's to add.
pub(crate) const OF_THE_PLUGIN: [&str; 6] = ["rule", "severity", "message", "key", "tags", "fields"];

/// What `severity` may be.
pub(crate) const SEVERITIES: [&str; 5] = ["info", "notice", "warning", "error", "critical"];
