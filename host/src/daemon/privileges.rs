//! What each thread of the daemon may do: little, and most of them nothing.
//!
//! Linux keeps capabilities by thread, and a thread starts with those of the one that starts it. So the collector's
//! thread, which attaches probes for as long as the daemon lives, is started first and calls [`keep_for_collector`];
//! then [`drop_all`] is called where everything else is started from.
//!
//! This bounds what the daemon does by mistake or by being misled: which files it opens for somebody, what a process
//! that it starts may do. It is no wall between its threads: they share their memory, and who runs native code in one of
//! them has what any of them has. That is what the sandbox of the plugins is for.
use anyhow::Context;
use caps::{CapSet, Capability, CapsHashSet};

/// Attaching probes and changing their maps.
const BPF: [Capability; 2] = [Capability::CAP_BPF, Capability::CAP_PERFMON];
/// Reading /proc of any process.
const PROC: [Capability; 2] = [Capability::CAP_SYS_PTRACE, Capability::CAP_DAC_READ_SEARCH];

/// Keeps for the calling thread, and those it starts from now on, only what the collector needs for its whole life:
/// `CAP_BPF` and `CAP_PERFMON`, to have probes come and go; `CAP_SYS_PTRACE` and `CAP_DAC_READ_SEARCH`, to read /proc of
/// any process. Where the daemon was given `CAP_SYS_ADMIN` in place of the first two, that is kept.
///
/// The first two are for Linux before 5.19, which asks for them at every use of a map or a probe, reading a counter
/// included; later ones only ask when a program is loaded.
///
/// Of these it keeps what it has. Privileges cannot be had back, neither by running a program (not even as root or one
/// with capabilities of its own) nor in any other way.
///
/// # Errors
/// If the kernel refuses. The thread may have lost a part of its privileges then, and should end.
pub fn keep_for_collector() -> anyhow::Result<()> {
    let held = caps::read(None, CapSet::Permitted).context("cannot read the capabilities of this thread")?;
    let mut kept: CapsHashSet = PROC.into_iter().collect();
    if BPF.iter().all(|capability| held.contains(capability)) {
        kept.extend(BPF);
    } else {
        kept.insert(Capability::CAP_SYS_ADMIN);
    }
    keep_only(&kept)
}

/// Drops every capability for the calling thread, and those it starts from now on. They cannot be had back, as for
/// [`keep_for_collector`]; other threads that run already keep theirs.
///
/// The user stays the same: root still owns root's files, but what belongs to others is open to it only as far as
/// their permissions say.
///
/// # Errors
/// As for [`keep_for_collector`].
pub fn drop_all() -> anyhow::Result<()> {
    keep_only(&CapsHashSet::new())
}

/// Keeps what of `kept` the calling thread has.
fn keep_only(kept: &CapsHashSet) -> anyhow::Result<()> {
    let refused = "the kernel refuses to take away capabilities";
    let held = caps::read(None, CapSet::Permitted).context(refused)?;
    let kept: CapsHashSet = held.intersection(kept).copied().collect();
    // Otherwise root would have all of them again in every program that it runs.
    rustix::thread::set_no_new_privs(true).context("the kernel refuses to rule out new privileges")?;
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).context(refused)? {
        caps::clear(None, CapSet::Bounding).context(refused)?;
    }
    caps::clear(None, CapSet::Ambient).context(refused)?;
    caps::set(None, CapSet::Inheritable, &CapsHashSet::new()).context(refused)?;
    caps::set(None, CapSet::Effective, &kept).context(refused)?;
    caps::set(None, CapSet::Permitted, &kept).context(refused)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::process::Command;

    use super::*;

    /// A line of the thread's status: `Cap…` as a mask.
    struct Status(HashMap<String, u64>);

    impl Status {
        fn parse(text: &str) -> Status {
            let masks = text.lines().filter_map(|line| line.split_once(":\t"));
            let masks = masks.filter(|(name, _)| name.starts_with("Cap") || *name == "NoNewPrivs");
            Status(
                masks
                    .map(|(name, mask)| (name.to_owned(), u64::from_str_radix(mask, 16).expect("a mask")))
                    .collect(),
            )
        }

        /// Of the calling thread, as others see it.
        fn own() -> Status {
            let tid = rustix::thread::gettid().as_raw_nonzero();
            let path = format!("/proc/self/task/{tid}/status");
            Status::parse(&std::fs::read_to_string(path).expect("its status"))
        }

        fn of(&self, set: &str) -> u64 {
            self.0[set]
        }
    }

    fn mask(capabilities: &[Capability]) -> u64 {
        capabilities
            .iter()
            .fold(0, |mask, capability| mask | capability.bitmask())
    }

    /// In a thread of its own.
    fn apart<T: Send>(f: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| scope.spawn(f).join().expect("a thread"))
    }

    #[test]
    fn the_collector_keeps_what_it_needs_and_nobody_else_loses_anything() {
        let before = Status::own();
        let after = apart(|| {
            keep_for_collector().expect("fewer capabilities");
            Status::own()
        });
        let bpf = mask(&BPF);
        let kept = if before.of("CapPrm") & bpf == bpf {
            bpf
        } else {
            mask(&[Capability::CAP_SYS_ADMIN])
        };
        let kept = before.of("CapPrm") & (kept | mask(&PROC));
        assert_eq!([after.of("CapEff"), after.of("CapPrm")], [kept; 2]);
        assert_eq!(
            [after.of("CapInh"), after.of("CapAmb"), after.of("NoNewPrivs")],
            [0, 0, 1]
        );
        let now = Status::own();
        assert_eq!(
            (now.of("CapEff"), now.of("NoNewPrivs")),
            (before.of("CapEff"), before.of("NoNewPrivs"))
        );
    }

    #[test]
    fn sys_admin_stands_in_for_what_an_older_set_up_does_not_grant() {
        let admin = Capability::CAP_SYS_ADMIN;
        if Status::own().of("CapEff") & admin.bitmask() == 0 {
            eprintln!("SKIPPED: without CAP_SYS_ADMIN");
            return;
        }
        let after = apart(|| {
            keep_only(
                &[admin, Capability::CAP_SYS_PTRACE, Capability::CAP_CHOWN]
                    .into_iter()
                    .collect(),
            )
            .expect("fewer");
            keep_for_collector().expect("fewer");
            Status::own()
        });
        assert_eq!(after.of("CapEff"), mask(&[admin, Capability::CAP_SYS_PTRACE]));
    }

    #[test]
    fn nothing_is_left_and_nothing_comes_back() {
        let (own, of_thread, of_program) = apart(|| {
            drop_all().expect("no capabilities");
            drop_all().expect("still none");
            keep_for_collector().expect("nothing to keep");
            let own = Status::own();
            let output = Command::new("/bin/cat").arg("/proc/self/status").output();
            let text = String::from_utf8(output.expect("its output").stdout).expect("text");
            (own, apart(Status::own), Status::parse(&text))
        });
        for status in [own, of_thread, of_program] {
            for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                assert_eq!(status.of(set), 0, "{set}");
            }
            assert_eq!(status.of("NoNewPrivs"), 1);
        }
    }

    #[test]
    fn threads_that_run_already_keep_theirs() {
        let before = Status::own();
        let (ask, asked) = std::sync::mpsc::sync_channel::<()>(1);
        apart(|| {
            std::thread::scope(|scope| {
                let older = scope.spawn(move || asked.recv().map(|()| Status::own()));
                drop_all().expect("no capabilities");
                ask.send(()).expect("an older thread");
                let older = older.join().expect("a thread").expect("its status");
                assert_eq!(older.of("CapEff"), before.of("CapEff"));
                assert_eq!(Status::own().of("CapEff"), 0);
            });
        });
    }
}
