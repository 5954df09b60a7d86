//! Telling the programs what to leave out.
//!
//! There are two sieves, and one is in force. The other is filled, then put in force by one write: a program judges a
//! call by one of the two, never by something between.
use std::io;

use aya::Ebpf;
use aya::maps::{Array, HashMap, MapData};
use rustix::thread::{MembarrierCommand, membarrier};
use vespid_ebpf::Kind;
use vespid_ebpf::sieve::{NAME_BYTES, NameKey, NameRule, Sieve};
use zerocopy::IntoBytes;

use super::load::{StartError, map_error};
use super::programs::{take_map, unusable};
use crate::filter::Sift;

/// The programs' sieves.
pub(super) struct Sieves {
    sieves: Array<MapData, [u8; size_of::<Sieve>()]>,
    names: HashMap<MapData, NameKey, NameRule>,
    generation: Array<MapData, u32>,
    in_force: u32,
    sift: Sift,
    /// Names of the sieve that is not in force. They stay for programs that have not noticed yet.
    stale: Vec<NameKey>,
}

impl std::fmt::Debug for Sieves {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sieves")
            .field("sift", &self.sift)
            .finish_non_exhaustive()
    }
}

impl Sieves {
    /// Lets everything pass. To be called before the first program runs.
    pub(super) fn open(object: &mut Ebpf) -> Result<Sieves, StartError> {
        let mut sieves = Sieves {
            sieves: Array::try_from(take_map(object, "SIEVES")?).map_err(unusable)?,
            names: HashMap::try_from(take_map(object, "NAMES")?).map_err(unusable)?,
            generation: Array::try_from(take_map(object, "GENERATION")?).map_err(unusable)?,
            in_force: 0,
            sift: Sift::default(),
            stale: Vec::new(),
        };
        sieves.write(0, &Sift::default()).map_err(StartError::Ring)?;
        Ok(sieves)
    }

    /// Has the programs leave out what `sift` does.
    pub(super) fn put(&mut self, sift: &Sift) -> io::Result<()> {
        if *sift == self.sift {
            return Ok(());
        }
        // Whoever still judges by the sieve before this one is waited for. Where the kernel has no such call, an exchange
        // that follows right after another may let a program see half of each; it never waits longer than one does.
        membarrier(MembarrierCommand::Global).unwrap_or_default();
        for key in self.stale.drain(..) {
            let _gone_already = self.names.remove(&key);
        }
        let next = 1 - self.in_force;
        self.write(next, sift)?;
        self.generation.set(0, next, 0).map_err(map_error)?;
        self.stale = self.sift.names.keys().map(|name| key(name, self.in_force)).collect();
        self.in_force = next;
        self.sift = sift.clone();
        Ok(())
    }

    /// What passes of calls of a kind that succeed: see [`Sieve::classes`].
    pub(super) fn passing(&self, kind: Kind) -> u32 {
        let Sieve { classes, spaces, .. } = &self.sift.sieve;
        classes[kind.index()][0] | spaces.classes[kind.index()][0]
    }

    fn write(&mut self, generation: u32, sift: &Sift) -> io::Result<()> {
        for (name, rule) in &sift.names {
            self.names.insert(key(name, generation), rule, 0).map_err(map_error)?;
        }
        let mut bytes = [0; size_of::<Sieve>()];
        bytes.copy_from_slice(sift.sieve.as_bytes());
        self.sieves.set(generation, bytes, 0).map_err(map_error)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "0 or 1")]
fn key(name: &[u8], generation: u32) -> NameKey {
    let mut key = [0; NAME_BYTES + 1];
    key.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
    key[NAME_BYTES] = generation as u8;
    key
}
