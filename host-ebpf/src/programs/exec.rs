//! `sched_process_exec(task, old_pid, bprm)`: runs in the task, once its new image is in place.
use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_kernel_str, bpf_probe_read_user};
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use vespid_ebpf::{ABSENT, ExecRaw, Kind, MAX_ARGS, MAX_TYPED, Outcome, PathEnd, exec_flags};

use super::counters::count;
use super::globals::{has, offset};
use super::header::{header, is_own, start_ns};
use super::images;
use super::output::send;
use super::overlay;
use super::pids;
use super::read::{Task, direct, kernel, kernel_u32, kernel_u64};
use super::scratch::{EXEC_SIZE, Scratch, of_exec, place};
use super::sieve;
use super::walk::{append_cgroup, append_path, cgroup_step, mixed, path_step};

#[btf_tracepoint(function = "sched_process_exec")]
fn vespid_exec(ctx: BtfTracePointContext) -> i32 {
    if is_own() {
        return 0;
    }
    let sent = of_exec().and_then(|scratch| {
        // SAFETY: a scratch from its map; the verifier knows the type of `bprm`.
        unsafe { describe(scratch, Task(ctx.arg(0)), direct(ctx.arg(2), offset!(bprm_filename))) }
    });
    if sent.is_none() {
        count(Kind::Exec, Outcome::Unreadable);
    }
    0
}

/// Puts the record together in the order of its tail, and writes it. `None` if it did not fit the scratch, which
/// would be a mistake of ours.
#[inline(always)]
unsafe fn describe(scratch: *mut Scratch<EXEC_SIZE>, task: Task, filename: u64) -> Option<()> {
    // SAFETY: `scratch` points into its map; `place` checks what is written.
    unsafe {
        let raw: *mut ExecRaw = (&raw mut (*scratch).record).cast();
        let at = &raw mut (*scratch).walk.at;
        at.write_volatile(size_of::<ExecRaw>() as u64);

        let (from, out) = place(scratch, MAX_TYPED + MAX_ARGS)?;
        let with_nul = bpf_probe_read_kernel_str(out.cast(), MAX_TYPED as u32, filename as *const c_void);
        let filename_len = if with_nul > 0 { with_nul as u64 - 1 } else { 0 };
        at.write_volatile(from + filename_len);

        let mm = task.pointer(offset!(task_mm));
        let arg_start = kernel_u64(mm, offset!(mm_arg_start));
        let args_total = kernel_u64(mm, offset!(mm_arg_end)).wrapping_sub(arg_start) & 0xffff_ffff;
        let mut flags = if args_total > MAX_ARGS as u64 {
            exec_flags::ARGS_TRUNCATED
        } else {
            0
        };
        let mut args_len = args_total.min(MAX_ARGS as u64);
        let (from, out) = place(scratch, MAX_ARGS)?;
        if bpf_probe_read_user(out.cast(), args_len as u32, arg_start as *const c_void) != 0 {
            flags |= exec_flags::ARGS_UNREADABLE;
            args_len = 0;
        }
        at.write_volatile(from + args_len);

        let exe_file = kernel_u64(mm, offset!(mm_exe_file));
        let (exe_len, exe_end) = append_path(scratch, exec_path_step, task, exe_file + u64::from(offset!(file_path)));
        flags |= unlinked(scratch, exe_end, exe_file);
        let mut image = (&raw const (*scratch).walk.names).read_volatile();
        if overlay::is_upper(kernel_u64(exe_file, offset!(file_inode))) {
            flags |= exec_flags::UPPER;
        }
        let pwd = task.pointer(offset!(task_fs)) + u64::from(offset!(fs_pwd));
        let (cwd_len, cwd_end) = append_path(scratch, exec_path_step, task, pwd);
        let (cgroup_len, cgroup) = append_cgroup(scratch, exec_cgroup_step, task);

        let len = at.read_volatile();
        let parent: *const u8 = task.follow(offset!(task_real_parent));
        let cred: *const u8 = task.follow(offset!(task_real_cred));
        (&raw mut (*raw).header).write(header(Kind::Exec, len as u32, task));
        (*raw).parent_start_ns = {
            let leader: *const u8 = direct(parent, offset!(task_group_leader));
            direct(leader, offset!(task_start))
        };
        (*raw).ppid = direct(parent, offset!(task_tgid));
        (*raw).euid = direct(cred, offset!(cred_euid));
        (*raw).egid = direct(cred, offset!(cred_egid));
        (*raw).login_uid = if has!(task_loginuid) {
            task.field(offset!(task_loginuid))
        } else {
            u32::MAX
        };
        (*raw).session = if has!(task_sessionid) {
            task.field(offset!(task_sessionid))
        } else {
            u32::MAX
        };
        (*raw).args_total = args_total as u32;
        (*raw).capabilities = if has!(cred_cap_effective) {
            direct(cred, offset!(cred_cap_effective))
        } else {
            0
        };
        namespaces(&raw mut (*raw).namespaces, task);
        let epoch = sieve::epoch();
        if epoch != 0 {
            // The same path, file and place have the same answer.
            image = mixed(image, kernel_u64(exe_file, offset!(file_inode)));
            image = mixed(image, kernel_u64(cgroup, offset!(kn_id)));
            image = mixed(
                image,
                u64::from((*raw).namespaces[2]) << 32 | u64::from(flags) << 8 | exe_end as u64,
            );
            // What lies in no directory has a name that is not among those hashes.
            image = if exe_end as u8 == PathEnd::Unnamed as u8 {
                0
            } else {
                images::number(image)
            };
            images::note(epoch, task.field(offset!(task_tgid)), start_ns(task), image);
        } else {
            image = 0;
        }
        (*raw).image = image;
        (*raw).flags = flags;
        (*raw).errno = 0;
        let comm = task.0.add(offset!(task_comm) as usize);
        bpf_probe_read_kernel((&raw mut (*raw).comm).cast(), 16, comm.cast());
        terminal(&raw mut (*raw).tty, task);
        (*raw).filename_len = filename_len as u16;
        (*raw).args_len = args_len as u16;
        (*raw).exe_len = exe_len;
        (*raw).cwd_len = cwd_len;
        (*raw).cgroup_len = cgroup_len;
        (*raw).exe_end = exe_end as u8;
        (*raw).cwd_end = cwd_end as u8;
        (*raw).reserved = 0;
        send(Kind::Exec, scratch)
    }
}

/// Whether the executable, whose path was appended last, lies in no directory: a memfd, whose only name is `memfd:…`,
/// or a file that was unlinked.
#[inline(always)]
unsafe fn unlinked(scratch: *mut Scratch<EXEC_SIZE>, end: PathEnd, file: u64) -> u32 {
    let inode = kernel_u64(file, offset!(file_inode));
    if !has!(inode_nlink) || kernel::<u32>(inode, offset!(inode_nlink)) != Some(0) {
        return 0;
    }
    if end as u8 == PathEnd::Unnamed as u8 {
        // SAFETY: `scratch` points into its map, and the offset is checked.
        unsafe {
            let at = (&raw const (*scratch).walk.from).read_volatile();
            if at > (EXEC_SIZE - 8) as u64 {
                return 0;
            }
            let name = (&raw const (*scratch).record).cast::<u8>().add(at as usize);
            if name.cast::<[u8; 6]>().read() == *b"memfd:" {
                return exec_flags::MEMFD;
            }
        }
    }
    exec_flags::DELETED
}

/// Name of the controlling terminal, or zeroes.
#[inline(always)]
unsafe fn terminal(out: *mut [u8; 16], task: Task) {
    // SAFETY: `out` points into a map value.
    unsafe {
        out.cast::<[u64; 2]>().write([0; 2]);
        if has!(signal_tty) && has!(tty_name) && has!(task_signal) {
            let tty = kernel_u64(task.pointer(offset!(task_signal)), offset!(signal_tty));
            if tty != 0 {
                let name = tty + u64::from(offset!(tty_name));
                bpf_probe_read_kernel_str(out.cast(), 16, name as *const c_void);
            }
        }
    }
}

/// Inode numbers of the task's namespaces, in the order of [`vespid_ebpf::NAMESPACES`].
#[inline(always)]
unsafe fn namespaces(out: *mut [u32; 8], task: Task) {
    let nsproxy = if has!(task_nsproxy) {
        task.pointer(offset!(task_nsproxy))
    } else {
        0
    };
    let of_proxy = |pointer: u32, inum: u32| {
        if pointer == ABSENT || inum == ABSENT {
            0
        } else {
            kernel_u32(kernel_u64(nsproxy, pointer), inum)
        }
    };
    let pid_ns = pids::namespace(task).address;
    let user_ns = if has!(cred_user_ns) {
        kernel_u64(task.pointer(offset!(task_real_cred)), offset!(cred_user_ns))
    } else {
        0
    };
    // SAFETY: `out` points into a map value.
    unsafe {
        (*out)[0] = of_proxy(offset!(nsproxy_cgroup), offset!(cgroup_ns_inum));
        (*out)[1] = of_proxy(offset!(nsproxy_ipc), offset!(ipc_ns_inum));
        (*out)[2] = of_proxy(offset!(nsproxy_mnt), offset!(mnt_ns_inum));
        (*out)[3] = of_proxy(offset!(nsproxy_net), offset!(net_inum));
        (*out)[4] = if has!(pid_ns_inum) {
            kernel_u32(pid_ns, offset!(pid_ns_inum))
        } else {
            0
        };
        (*out)[5] = of_proxy(offset!(nsproxy_time), offset!(time_ns_inum));
        (*out)[6] = if has!(user_ns_inum) {
            kernel_u32(user_ns, offset!(user_ns_inum))
        } else {
            0
        };
        (*out)[7] = of_proxy(offset!(nsproxy_uts), offset!(uts_ns_inum));
    }
}

unsafe extern "C" fn exec_path_step(_: u64, _: *mut c_void) -> i64 {
    // SAFETY: the scratch is from its map.
    of_exec().map_or(1, |scratch| unsafe { path_step(scratch) })
}

unsafe extern "C" fn exec_cgroup_step(_: u64, _: *mut c_void) -> i64 {
    // SAFETY: the scratch is from its map.
    of_exec().map_or(1, |scratch| unsafe { cgroup_step(scratch) })
}
