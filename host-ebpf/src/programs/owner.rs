//! Whose a connection is. The network stack changes a connection's state in whatever context it runs, so the owner is
//! noted when it is known: at `connect`, and when `accept` returns.
//!
//! An entry is made when a connection starts and removed when it closes, and `accept` only fills in what is there: so
//! nothing is left behind, whichever of them comes first. What closes while nobody follows connections does stay; the
//! daemon looks after that.
use aya_ebpf::macros::map;
use aya_ebpf::maps::HashMap;
use vespid_ebpf::{MAX_OWNERS, OWNER_BYTES};

use super::globals::{offset, self_tgid};
use super::header::{cgroup_id, start_ns};
use super::read::{Task, direct};

pub(super) const OUTBOUND: u8 = 0;
pub(super) const INBOUND: u8 = 1;
pub(super) const UNKNOWN: u8 = 2;

#[map]
static OWNERS: HashMap<u64, Owner> = HashMap::with_max_entries(MAX_OWNERS as u32, 0);

/// What is known of a connection's owner.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Owner {
    pub(super) start_ns: u64,
    pub(super) cgroup: u64,
    pub(super) began_ns: u64,
    pub(super) pid: u32,
    pub(super) tid: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// [`OUTBOUND`], [`INBOUND`] or [`UNKNOWN`].
    pub(super) inbound: u8,
    /// 1: the daemon's own, not to be reported.
    pub(super) own: u8,
    pub(super) reserved: [u8; 6],
    /// Of an inbound connection, once it is established.
    pub(super) isns: Isns,
}

/// Initial sequence numbers.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Isns {
    pub(super) local: u32,
    pub(super) remote: u32,
}

// The daemon knows the table too.
const _: () = assert!(size_of::<Owner>() == OWNER_BYTES);

impl Owner {
    /// Nobody yet.
    #[inline(always)]
    pub(super) fn nobody(began_ns: u64, inbound: u8) -> Owner {
        Owner {
            start_ns: 0,
            cgroup: 0,
            began_ns,
            pid: 0,
            tid: 0,
            uid: 0,
            gid: 0,
            inbound,
            own: 0,
            reserved: [0; 6],
            isns: Isns { local: 0, remote: 0 },
        }
    }

    /// A task.
    #[inline(always)]
    pub(super) fn of(task: Task, began_ns: u64, inbound: u8) -> Owner {
        let cred: *const u8 = task.follow(offset!(task_real_cred));
        let pid = task.field(offset!(task_tgid));
        Owner {
            start_ns: start_ns(task),
            cgroup: cgroup_id(task),
            pid,
            tid: task.field(offset!(task_pid)),
            // SAFETY: the verifier knows the type of `task_struct.real_cred`.
            uid: unsafe { direct(cred, offset!(cred_uid)) },
            // SAFETY: as above.
            gid: unsafe { direct(cred, offset!(cred_gid)) },
            own: u8::from(pid == self_tgid()),
            ..Owner::nobody(began_ns, inbound)
        }
    }
}

/// The owner of a connection, by the socket's cookie.
#[inline(always)]
pub(super) fn find(cookie: u64) -> Option<Owner> {
    // SAFETY: entries are removed only by the socket's own close, after which its cookie is not asked for again.
    OWNERS.get_ptr(cookie).map(|owner| unsafe { *owner })
}

/// Notes the owner of a connection that starts. A full table is not an error: see [`MAX_OWNERS`].
#[inline(always)]
pub(super) fn note(cookie: u64, owner: &Owner) {
    let _full = OWNERS.insert(cookie, owner, 0);
}

/// Notes the owner of a connection that started already, if it is still there.
#[inline(always)]
pub(super) fn renote(cookie: u64, owner: &Owner) {
    const BPF_EXIST: u64 = 2;
    let _gone = OWNERS.insert(cookie, owner, BPF_EXIST);
}

/// Forgets a connection that closed.
#[inline(always)]
pub(super) fn forget(cookie: u64) {
    let _unknown = OWNERS.remove(cookie);
}
