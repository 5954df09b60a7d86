//! Records of new processes, new images and ends.
use vespid_ebpf::{ExecRaw, ExitRaw, ForkRaw, PathEnd, exec_flags};

use super::{Clock, DecodeError, fixed, path, path_end, until_nul};
use crate::bytes::Bytes;
use crate::event::{Exec, Exit, Fork, Image, process_flags};

pub(super) fn fork(record: &[u8], clock: Clock) -> Result<Fork, DecodeError> {
    let (raw, tail) = fixed::<ForkRaw>(record)?;
    tail.parts([])?;
    Ok(Fork {
        child_pid: raw.child_pid,
        child_start: clock.unix(raw.child_start_ns),
        child_cgroup: raw.child_cgroup,
    })
}

pub(super) fn exec<'a>(record: &'a [u8], clock: Clock, joined: &'a mut Vec<u8>) -> Result<Exec<'a>, DecodeError> {
    let (raw, tail) = fixed::<ExecRaw>(record)?;
    let lens = [raw.filename_len, raw.args_len, raw.exe_len, raw.cwd_len, raw.cgroup_len];
    let [filename, args, exe, cwd, cgroup] = tail.parts(lens)?;
    let (exe_end, cwd_end) = (path_end("exe_end", raw.exe_end)?, path_end("cwd_end", raw.cwd_end)?);
    let filename = Bytes::from(filename);
    if raw.errno != 0 {
        return Ok(Exec {
            filename,
            errno: raw.errno,
            image: Image::default(),
        });
    }
    path::join(exe, exe_end, joined)?;
    let exe_to = joined.len();
    path::join(cwd, cwd_end, joined)?;
    let cwd_to = joined.len();
    path::join(cgroup, PathEnd::TaskRoot, joined)?;
    // Fixed-size names are borrowed from the record, not from the copy of its fixed part.
    let names = record.get(COMM_AT..COMM_AT + 32).unwrap_or_default();
    let (comm, tty) = names.split_at(16);
    let image = Image {
        ppid: raw.ppid,
        parent_start: clock.unix(raw.parent_start_ns),
        euid: raw.euid,
        egid: raw.egid,
        login_uid: raw.login_uid,
        session: raw.session,
        capabilities: raw.capabilities,
        namespaces: raw.namespaces,
        flags: image_flags(raw.flags),
        comm: Bytes::from(until_nul(comm)),
        tty: terminal(until_nul(tty)),
        exe: Bytes::from(&joined[..exe_to]),
        args: Bytes::from(args),
        args_total: raw.args_total,
        cwd: Bytes::from(&joined[exe_to..cwd_to]),
        cgroup_path: Bytes::from(&joined[cwd_to..]),
    };
    Ok(Exec {
        filename,
        errno: 0,
        image,
    })
}

/// The kernel calls `/dev/pts/0` `pts0`; everybody else, /proc and `ps` among them, `pts/0`.
fn terminal(name: &[u8]) -> Bytes<'_> {
    match name.strip_prefix(b"pts") {
        Some(number @ [b'0'..=b'9', ..]) => Bytes::from([b"pts/", number].concat()),
        _ => Bytes::from(name),
    }
}

const COMM_AT: usize = std::mem::offset_of!(ExecRaw, comm);
const _: () = assert!(std::mem::offset_of!(ExecRaw, tty) == COMM_AT + 16);

/// Arguments that could not be read are arguments of which nothing is carried.
fn image_flags(raw: u32) -> u32 {
    let pairs = [
        (
            exec_flags::ARGS_TRUNCATED | exec_flags::ARGS_UNREADABLE,
            process_flags::ARGS_TRUNCATED,
        ),
        (exec_flags::MEMFD, process_flags::MEMFD),
        (exec_flags::DELETED, process_flags::DELETED),
        (exec_flags::UPPER, process_flags::UPPER),
    ];
    pairs
        .iter()
        .filter(|(from, _)| raw & from != 0)
        .fold(0, |flags, (_, to)| flags | to)
}

pub(super) fn exit(record: &[u8]) -> Result<Exit, DecodeError> {
    let (raw, tail) = fixed::<ExitRaw>(record)?;
    tail.parts([])?;
    let signal = raw.status & 0x7f;
    let code = if signal == 0 { (raw.status >> 8) & 0xff } else { 0 };
    Ok(Exit { code, signal })
}
