//! One program of a probe: having the kernel verify it, and having it run, attached by itself or called by another.
use std::collections::HashMap;
use std::io;

use aya::maps::{MapData, ProgramArray};
use aya::programs::links::FdLink;
use aya::programs::{CgroupAttachMode, Program, ProgramError};
use aya::{Btf, Ebpf};
use vespid_ebpf::Slot;

use super::btf::VMLINUX;
use super::cgroups;
use super::hooks::{At, Part, Variant};
use super::load::{program_reason, reason};

/// What a program runs by.
pub(super) enum Link {
    /// Closing it detaches the program.
    Own(FdLink),
    /// Another calls it.
    Called(Slot),
}

/// The programs that [`CALLER`](super::hooks::CALLER) calls, by slot.
pub(super) type Called = ProgramArray<MapData>;

/// Programs of the object.
pub(super) type ByName<'a> = HashMap<&'a str, &'a mut Program>;

pub(super) fn by_name(programs: &mut Ebpf) -> ByName<'_> {
    programs.programs_mut().collect()
}

/// The kernel's types, for what a program is attached to.
pub(super) fn types() -> Result<Btf, String> {
    Btf::from_sys_fs().map_err(|error| reason(&error))
}

/// Why a program cannot be loaded.
pub(super) struct Refusal {
    pub(super) reason: String,
    /// It is not that this kind of program is not permitted, but what is in it.
    pub(super) is_of_verifier: bool,
}

/// Has the kernel verify a program.
pub(super) fn load(programs: &mut ByName<'_>, part: &Part, types: &Btf) -> Result<(), Refusal> {
    if let At::Sockets = part.at {
        cgroups::root().map_err(|reason| Refusal {
            reason,
            is_of_verifier: false,
        })?;
    }
    let program = programs.get_mut(part.program).ok_or(ProgramError::NotLoaded);
    let loaded = program.and_then(|program| match (&mut **program, part.at) {
        (Program::BtfTracePoint(program), At::Tracepoint(name)) => program.load(name, types),
        // What calls another has to be of the same type, and on the same hook.
        (Program::BtfTracePoint(program), At::Called(_)) => program.load("sys_exit", types),
        (Program::FEntry(program), At::Entry(function)) => program.load(function, types),
        (Program::FExit(program), At::Return(function)) => program.load(function, types),
        (Program::SockOps(program), At::Sockets) => program.load(),
        _ => Err(ProgramError::UnexpectedProgramType),
    });
    match loaded {
        // By a variant that was passed over.
        Ok(()) | Err(ProgramError::AlreadyLoaded) => Ok(()),
        Err(error) => Err(Refusal {
            is_of_verifier: matches!(&error, ProgramError::LoadError { io_error, .. }
                if io_error.raw_os_error() != Some(libc::EPERM)),
            reason: match (&error, part.at) {
                (ProgramError::Btf(_), At::Tracepoint(name)) => {
                    format!("this kernel has no tracepoint {name} (none in {VMLINUX})")
                }
                (ProgramError::Btf(_), At::Entry(name) | At::Return(name)) => {
                    format!("this kernel has no function {name} (none in {VMLINUX})")
                }
                _ => program_reason(&error),
            },
        }),
    }
}

/// All programs of a variant, or none.
pub(super) fn attach_all(
    programs: &mut Ebpf,
    called: &mut Called,
    variant: &Variant,
) -> Result<Vec<Link>, ProgramError> {
    let mut links = Vec::new();
    for part in variant.parts {
        match attach(programs, called, part) {
            Ok(link) => links.push(link),
            Err(error) => {
                release(links, called);
                return Err(error);
            }
        }
    }
    Ok(links)
}

/// Has nothing called any more. What is still attached is returned.
pub(super) fn release(links: Vec<Link>, called: &mut Called) -> Vec<FdLink> {
    let mut own = Vec::new();
    for link in links {
        match link {
            Link::Own(link) => own.push(link),
            Link::Called(slot) => {
                let _empty_already = called.clear_index(&(slot as u32));
            }
        }
    }
    own
}

fn attach(programs: &mut Ebpf, called: &mut Called, part: &Part) -> Result<Link, ProgramError> {
    let link = match programs.program_mut(part.program).ok_or(ProgramError::NotLoaded)? {
        Program::BtfTracePoint(program) => {
            if let At::Called(slot) = part.at {
                called.set(slot as u32, program.fd()?, 0)?;
                return Ok(Link::Called(slot));
            }
            let link = program.attach()?;
            program.take_link(link)?.into()
        }
        Program::FEntry(program) => {
            let link = program.attach()?;
            program.take_link(link)?.into()
        }
        Program::FExit(program) => {
            let link = program.attach()?;
            program.take_link(link)?.into()
        }
        Program::SockOps(program) => {
            let root = cgroups::root().map_err(io::Error::other)?;
            // Beside whatever else is attached there: a link never replaces, and never keeps others out.
            let link = program.attach(root, CgroupAttachMode::Single)?;
            // Since Linux 5.7 it is one.
            let link = program.take_link(link)?.try_into();
            link.map_err(|_| ProgramError::NotAttached)?
        }
        _ => return Err(ProgramError::UnexpectedProgramType),
    };
    Ok(Link::Own(link))
}

/// Whether it may go better next time, with what is the same now.
pub(super) fn is_passing(error: &ProgramError) -> bool {
    let ProgramError::SyscallError(call) = error else {
        return false;
    };
    let passing = [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::EAGAIN, libc::EINTR];
    call.io_error
        .raw_os_error()
        .is_some_and(|errno| passing.contains(&errno))
}

pub(super) fn unload(programs: &mut ByName<'_>, part: &Part) -> Result<(), ProgramError> {
    match programs.get_mut(part.program).ok_or(ProgramError::NotLoaded)? {
        Program::BtfTracePoint(program) => program.unload(),
        Program::FEntry(program) => program.unload(),
        Program::FExit(program) => program.unload(),
        Program::SockOps(program) => program.unload(),
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}
