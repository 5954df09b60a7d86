//! In which namespaces a task is: looked up only for calls that a filter on namespaces may be about, to judge them
//! ([`super::sieve`]) and to end their records with.
use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use aya_ebpf::macros::map;
use aya_ebpf::maps::PerCpuArray;
use vespid_ebpf::sieve::{Mask, Sieve, TESTS};
use vespid_ebpf::{ABSENT, Header, NAMESPACES, TOLD, TOLD_BYTES};

use super::globals::{has, offset};
use super::index::masked;
use super::pids::UPID_SIZE;
use super::read::{Task, direct, kernel_into};
use super::scratch::{Scratch, place, tells};

/// Position in [`NAMESPACES`].
const NETWORK: u32 = 3;

/// `PROC_PID_INIT_INO` in include/linux/proc_ns.h.
const INITIAL_PID_NAMESPACE: u32 = 0xefff_fffc;

/// What was looked up last on this CPU: by the program that runs, as those that do never interrupt one another.
#[repr(C)]
struct Looked {
    /// Where a pid namespace is: read to here, as there is no room for it on the stack.
    pid_namespace: u64,
    /// Inode numbers in the order of [`NAMESPACES`]; 0 for not known.
    inodes: [u32; NAMESPACES.len()],
    /// Tests that are met, as bits. In memory, where the verifier does not try each outcome apart.
    met: u32,
    /// Not 0: a test is about a namespace that is not known.
    unknown: u32,
}

#[map]
static LOOKED: PerCpuArray<Looked> = PerCpuArray::with_max_entries(1, 0);

/// Looks up the namespaces of the current task. A function of its own, as [`holds`] is: where they are called deepest,
/// little is left of the stack.
///
/// Without arguments, and with a name that is seen from outside, it is verified once in each program; otherwise it would be
/// for each state in which it can be called.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn vespid_look_up() -> i32 {
    if let Some(looked) = LOOKED.get_ptr_mut(0) {
        // SAFETY: a live map value.
        unsafe { look(looked, Task::current()) };
    }
    0
}

/// The same for those who do not care for its result.
#[inline(always)]
pub(super) fn look_up() {
    vespid_look_up();
}

/// The filters that are about where the task is that was looked up. All, if that cannot be judged.
///
/// # Safety
/// `sieve` must be a live map value.
#[inline(never)]
pub(super) unsafe fn filters(sieve: *const Sieve) -> Mask {
    let Some(looked) = LOOKED.get_ptr_mut(0) else {
        return Mask::MAX;
    };
    // SAFETY: live map values; every index is checked or masked.
    unsafe {
        (&raw mut (*looked).met).write_volatile(0);
        (&raw mut (*looked).unknown).write_volatile(0);
        let mut at = 0;
        while at < TESTS {
            let test = (&raw const (*sieve).tests[at]).read_volatile();
            let inodes = (&raw const (*looked).inodes).cast::<u32>();
            let inode = inodes.add((test.kind & 7) as usize).read_volatile();
            if test.inode != 0 && inode == 0 {
                (&raw mut (*looked).unknown).write_volatile(1);
            }
            if test.inode != 0 && inode == test.inode {
                let met = (&raw const (*looked).met).read_volatile();
                (&raw mut (*looked).met).write_volatile(met | 1 << at);
            }
            at += 1;
        }
        if (&raw const (*looked).unknown).read_volatile() != 0 {
            return Mask::MAX;
        }
        let met = (&raw const (*looked).met).read_volatile() as usize & ((1 << TESTS) - 1);
        let inside = (&raw const (*sieve).inside).cast::<Mask>().add(met).read_volatile();
        inside | (&raw const (*sieve).without.namespace).read_volatile()
    }
}

/// The filters that are about a network namespace, of which all that is known of where something was done. All, if there
/// are tests of others.
///
/// May run in an interrupt, so it keeps nothing.
///
/// # Safety
/// `sieve` must be a live map value.
#[inline(never)]
pub(super) unsafe fn filters_by_network(sieve: *const Sieve, inode: u32) -> Mask {
    let mut met = 0_u64;
    // SAFETY: a live map value; the index is masked.
    unsafe {
        let mut at = 0;
        while at < TESTS {
            let test = (&raw const (*sieve).tests[at]).read_volatile();
            if test.inode != 0 && (test.kind != NETWORK || inode == 0) {
                return Mask::MAX;
            }
            // 1 if they are the same. With a branch, the verifier would try each outcome of all tests.
            let same = u64::from(inode ^ test.inode).wrapping_sub(1) >> 63;
            met |= same << at;
            at += 1;
        }
        let inside = (&raw const (*sieve).inside).cast::<Mask>();
        let inside = inside.add(masked::<{ (1 << TESTS) - 1 }>(met)).read_volatile();
        inside | (&raw const (*sieve).without.namespace).read_volatile()
    }
}

/// Plain loads, but for the pid namespace of who is not in the initial one.
#[inline(always)]
unsafe fn look(looked: *mut Looked, task: Task) {
    // SAFETY: `looked` points into a map value; the verifier knows the type of each pointer on the way.
    unsafe {
        let out = &raw mut (*looked).inodes;
        let proxy: *const u8 = if has!(task_nsproxy) {
            task.follow(offset!(task_nsproxy))
        } else {
            core::ptr::null()
        };
        let of_proxy = |pointer: u32, inum: u32| -> u32 {
            if !has!(task_nsproxy) || pointer == ABSENT || inum == ABSENT {
                return 0;
            }
            let namespace: *const u8 = direct(proxy, pointer);
            direct(namespace, inum)
        };
        (*out)[0] = of_proxy(offset!(nsproxy_cgroup), offset!(cgroup_ns_inum));
        (*out)[1] = of_proxy(offset!(nsproxy_ipc), offset!(ipc_ns_inum));
        (*out)[2] = of_proxy(offset!(nsproxy_mnt), offset!(mnt_ns_inum));
        (*out)[3] = of_proxy(offset!(nsproxy_net), offset!(net_inum));
        (*out)[4] = 0;
        pid_namespace(looked, task);
        (*out)[5] = of_proxy(offset!(nsproxy_time), offset!(time_ns_inum));
        (*out)[6] = if has!(cred_user_ns) && has!(user_ns_inum) {
            let cred: *const u8 = task.follow(offset!(task_real_cred));
            let user: *const u8 = direct(cred, offset!(cred_user_ns));
            direct(user, offset!(user_ns_inum))
        } else {
            0
        };
        (*out)[7] = of_proxy(offset!(nsproxy_uts), offset!(uts_ns_inum));
    }
}

#[inline(always)]
unsafe fn pid_namespace(looked: *mut Looked, task: Task) {
    if !(has!(task_thread_pid) && has!(pid_level) && has!(pid_numbers) && has!(upid_ns) && has!(pid_ns_inum)) {
        return;
    }
    // SAFETY: `looked` points into a map value; the verifier knows the type of `task_struct.thread_pid`.
    unsafe {
        let pid: *const u8 = task.follow(offset!(task_thread_pid));
        let level: u32 = direct(pid, offset!(pid_level));
        let inode = &raw mut (*looked).inodes[4];
        if level == 0 {
            inode.write_volatile(INITIAL_PID_NAMESPACE);
            return;
        }
        let number = pid as u64 + u64::from(level) * UPID_SIZE + u64::from(offset!(pid_numbers));
        let found = &raw mut (*looked).pid_namespace;
        kernel_into(found.cast(), 8, number, offset!(upid_ns));
        kernel_into(inode.cast(), 4, found.read_volatile(), offset!(pid_ns_inum));
    }
}

/// Ends the record that a scratch holds with what was looked up for it, if anything was, and if there is room.
///
/// # Safety
/// `scratch` must point into its map, and hold all of a record.
#[inline(never)]
pub(super) unsafe fn tell<const SIZE: usize>(scratch: *mut Scratch<SIZE>) {
    // SAFETY: the caller's promise; `place` checks what is written.
    unsafe {
        if !tells(scratch) {
            return;
        }
        let Some(looked) = LOOKED.get_ptr(0) else { return };
        let Some((at, out)) = place(scratch, TOLD_BYTES) else {
            return;
        };
        let told: *const c_void = (&raw const (*looked).inodes).cast();
        bpf_probe_read_kernel(out.cast(), TOLD_BYTES as u32, told);
        let len = at + TOLD_BYTES as u64;
        (&raw mut (*scratch).walk.at).write_volatile(len);
        let header: *mut Header = (&raw mut (*scratch).record).cast();
        (*header).len = len as u32;
        (*header).kind |= TOLD;
    }
}

/// What was looked up, in a word: two that differ are hardly ever the same.
#[inline(always)]
pub(super) fn folded() -> u32 {
    let Some(looked) = LOOKED.get_ptr(0) else { return 0 };
    let mut folded = 0_u32;
    let mut at = 0;
    while at < NAMESPACES.len() {
        // SAFETY: a live map value.
        let inode = unsafe { (&raw const (*looked).inodes[at]).read_volatile() };
        folded = (folded ^ inode).wrapping_mul(0x9e37_79b1);
        folded ^= folded >> 15;
        at += 1;
    }
    folded
}
