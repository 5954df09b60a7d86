//! Whether anybody has a file open for writing, asked of the kernel.
//!
//! A read lease (fcntl(2), F_SETLEASE) is granted only while nobody has the file open for writing, and whoever opens it for
//! writing afterwards waits until the lease is given back. So what is read under a lease is not half a copy.
#![allow(
    unsafe_code,
    reason = "neither the standard library nor rustix has F_SETLEASE; fcntl(2) is called with integers only"
)]
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use libc::c_int;

// include/uapi/asm-generic/fcntl.h and include/uapi/linux/fcntl.h; libc does not have them for every target.
const F_SETSIG: c_int = 10;
const F_SETLEASE: c_int = 1024;

/// File systems whose F_SETLEASE answers EAGAIN when the server gave no delegation, whether or not anybody writes.
const REMOTE: [u64; 4] = [
    0x6969,      // NFS
    0x517B,      // SMB
    0xFF53_4D42, // CIFS
    0xFE53_4D42, // SMB2
];

/// Why there is no lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Somebody has the file open for writing.
    Writer,
    /// The file system has no leases, or the file is somebody else's and the daemon lacks CAP_LEASE.
    Unavailable,
}

/// A read lease, given back when dropped.
#[derive(Debug)]
pub(super) struct Lease<'a>(&'a File);

impl Lease<'_> {
    /// Takes one on a file that is open for reading. Must be held only briefly: it blocks writers.
    pub(super) fn take(file: &File) -> Result<Lease<'_>, Refused> {
        // The kernel announces a writer by a signal: SIGIO, which would end the process, unless another one is chosen
        // first. SIGURG is ignored by default. Nobody waits for it: the lease is given back after reading in any case.
        fcntl(file, F_SETSIG, libc::SIGURG).map_err(|_| Refused::Unavailable)?;
        match fcntl(file, F_SETLEASE, libc::F_RDLCK) {
            Ok(()) => Ok(Lease(file)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !is_remote(file) => Err(Refused::Writer),
            Err(_) => Err(Refused::Unavailable),
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        // Fails only if the kernel took it back by force, after /proc/sys/fs/lease-break-time.
        fcntl(self.0, F_SETLEASE, libc::F_UNLCK).unwrap_or_default();
    }
}

fn fcntl(file: &File, command: c_int, argument: c_int) -> io::Result<()> {
    // SAFETY: the descriptor is open as long as `file` is borrowed, and both commands take an integer by value, so that no
    // memory is shared with the kernel.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), command, argument) };
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn is_remote(file: &File) -> bool {
    rustix::fs::fstatfs(file).is_ok_and(|system| REMOTE.iter().any(|magic| is_magic(&system, *magic)))
}

/// The type's width and sign differ between machines; the magic numbers have 32 bits.
fn is_magic(system: &rustix::fs::StatFs, magic: u64) -> bool {
    let low = i128::from(system.f_type) & 0xFFFF_FFFF;
    low == i128::from(magic)
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    use super::*;

    #[test]
    fn a_lease_is_had_only_while_nobody_writes() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        let writer = File::create(&path).expect("a file");
        let reader = File::open(&path).expect("the file");
        assert_eq!(Lease::take(&reader).err(), Some(Refused::Writer));
        drop(writer);
        let lease = Lease::take(&reader).expect("nobody writes any more");
        drop(lease);
        OpenOptions::new()
            .append(true)
            .open(&path)
            .expect("nobody is kept from writing afterwards");
    }

    #[test]
    fn a_writer_waits_for_the_reader_and_the_signal_about_it_harms_nobody() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        std::fs::write(&path, "old").expect("a file");
        let reader = File::open(&path).expect("the file");
        let lease = Lease::take(&reader).expect("nobody writes");
        // A writer that does not want to wait breaks the lease too, and is told so: the signal has been sent.
        let hasty = {
            use std::os::unix::fs::OpenOptionsExt;
            OpenOptions::new()
                .append(true)
                .custom_flags(libc::O_NONBLOCK)
                .open(&path)
        };
        assert_eq!(
            hasty.map(drop).map_err(|error| error.kind()),
            Err(io::ErrorKind::WouldBlock)
        );
        let writer = std::thread::spawn({
            let path = path.clone();
            move || {
                OpenOptions::new()
                    .append(true)
                    .open(path)
                    .and_then(|mut file| file.write_all(b" new"))
            }
        });
        let mut seen = String::new();
        io::Read::read_to_string(&mut &reader, &mut seen).expect("readable");
        assert_eq!(seen, "old");
        drop(lease);
        writer.join().expect("no panic").expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("the file"), "old new");
    }
}
