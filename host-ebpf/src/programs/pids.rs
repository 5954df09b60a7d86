//! From a process id, as the caller gives it, to the process that it means to the caller.
//!
//! As `find_task_by_vpid` does it: by the tree of ids that each pid namespace keeps. What was found is looked at again
//! before it is believed, since nothing is locked.
use super::globals::{has, offset};
use super::read::{Task, kernel_u8, kernel_u32, kernel_u64};

/// Size of `struct upid { int nr; struct pid_namespace *ns; }`.
pub(super) const UPID_SIZE: u64 = 16;
/// Levels of the tree: of 22 bits, which are the most that an id has, each takes four at least.
const MAX_LEVELS: u32 = 6;

/// A pid namespace.
#[derive(Clone, Copy)]
pub(super) struct Namespace {
    /// Address of its `struct pid_namespace`, or 0.
    pub(super) address: u64,
    /// How many namespaces it lies within.
    level: u64,
}

/// The pid namespace that a task lives in, not the one that its children will.
#[inline(always)]
pub(super) fn namespace(task: Task) -> Namespace {
    if !(has!(task_thread_pid) && has!(pid_level) && has!(pid_numbers) && has!(upid_ns)) {
        return Namespace { address: 0, level: 0 };
    }
    let pid = task.pointer(offset!(task_thread_pid));
    let level = u64::from(kernel_u32(pid, offset!(pid_level)));
    Namespace {
        address: kernel_u64(
            pid + level * UPID_SIZE + u64::from(offset!(pid_numbers)),
            offset!(upid_ns),
        ),
        level,
    }
}

/// Address of the `task_struct` of the thread that has the id `number` in the task's pid namespace, or 0.
#[inline(never)]
pub(super) fn find(task: Task, number: u32) -> u64 {
    find_in(namespace(task), number)
}

/// The same of an id in the initial pid namespace, which every task's id is numbered in first.
#[inline(never)]
pub(super) fn find_in_initial(task: Task, number: u32) -> u64 {
    if !(has!(task_thread_pid) && has!(pid_numbers) && has!(upid_ns)) {
        return 0;
    }
    let numbers = task.pointer(offset!(task_thread_pid)) + u64::from(offset!(pid_numbers));
    let initial = Namespace {
        address: kernel_u64(numbers, offset!(upid_ns)),
        level: 0,
    };
    find_in(initial, number)
}

#[inline(always)]
fn find_in(namespace: Namespace, number: u32) -> u64 {
    let known = has!(pid_ns_tree) && has!(xa_node_shift) && has!(xa_node_slots) && has!(xa_node_marks);
    if !(known && has!(upid_nr) && has!(pid_tasks) && has!(hlist_first) && has!(task_pid_links)) {
        return 0;
    }
    let pid = leaf(kernel_u64(namespace.address, offset!(pid_ns_tree)), number);
    let upid = pid + namespace.level * UPID_SIZE + u64::from(offset!(pid_numbers));
    if namespace.address == 0
        || kernel_u32(upid, offset!(upid_nr)) != number
        || kernel_u64(upid, offset!(upid_ns)) != namespace.address
    {
        return 0;
    }
    // The first of `pid.tasks` is the list of PIDTYPE_PID, which has one member: the thread.
    let link = kernel_u64(pid + u64::from(offset!(pid_tasks)), offset!(hlist_first));
    if link == 0 {
        return 0;
    }
    link - u64::from(offset!(task_pid_links))
}

/// What an xarray holds at an index (include/linux/xarray.h). An entry that ends in the bits 10 is a node, of which each
/// slot leads to the next level.
#[inline(always)]
fn leaf(head: u64, index: u32) -> u64 {
    // The marks follow the slots.
    let slots = (offset!(xa_node_marks) - offset!(xa_node_slots)) / 8;
    let mut entry = head;
    for _ in 0..MAX_LEVELS {
        if entry & 3 != 2 {
            break;
        }
        let node = entry - 2;
        let shift = kernel_u8(node, offset!(xa_node_shift)) & 31;
        let slot = (index >> shift) & (slots - 1);
        entry = kernel_u64(node + u64::from(slot) * 8, offset!(xa_node_slots));
    }
    entry
}
