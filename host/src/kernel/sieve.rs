//! Telling the programs what to leave out.
//!
//! There are two sieves, and one is in force. The other is filled, then put in force by one write: a program judges a
//! call by one of the two, never by something between.
use std::io;

use aya::Ebpf;
use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Array, HashMap, MapData};
use vespid_ebpf::Kind;
use vespid_ebpf::sieve::{END_HEAD, EndKey, Mask, NAME_BYTES, NameKey, PLACES, Sieve, UserKey, end_head};
use zerocopy::IntoBytes;

use super::answers::{Answers, Images};
use super::load::{StartError, map_error};
use super::programs::{take_map, unusable, wait_for_programs};
use crate::filter::{Prefix, Sift};

type UserBytes = [u8; size_of::<UserKey>()];

/// The programs' sieves.
pub(super) struct Sieves {
    sieves: Array<MapData, [u8; size_of::<Sieve>()]>,
    names: HashMap<MapData, NameKey, [u64; PLACES]>,
    users: HashMap<MapData, UserBytes, Mask>,
    ends: LpmTrie<MapData, EndKey, Mask>,
    generation: Array<MapData, u32>,
    answers: Answers,
    in_force: u32,
    sift: Sift,
    /// What the sieve looked up that was in force before. It stays for programs that have not noticed yet.
    stale: Option<Sift>,
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
            users: HashMap::try_from(take_map(object, "USERS")?).map_err(unusable)?,
            ends: LpmTrie::try_from(take_map(object, "ENDS")?).map_err(unusable)?,
            generation: Array::try_from(take_map(object, "GENERATION")?).map_err(unusable)?,
            answers: Answers::open(object)?,
            in_force: 0,
            sift: Sift::default(),
            stale: None,
        };
        sieves.write(0, &Sift::default()).map_err(StartError::Ring)?;
        Ok(sieves)
    }

    /// Has the programs leave out what `sift` does.
    pub(super) fn put(&mut self, sift: &Sift) -> io::Result<()> {
        if *sift == self.sift {
            return Ok(());
        }
        let next = 1 - self.in_force;
        if let Some(stale) = self.stale.take() {
            // Whoever still judges by the sieve before this one is waited for. Where the kernel has no such call, an exchange
            // that follows right after another may let a program see half of each; it never waits longer than one does.
            wait_for_programs();
            self.clear(next, &stale);
        }
        let put = self.write(next, sift).and_then(|epoch| {
            self.generation.set(0, next, 0).map_err(map_error)?;
            Ok(epoch)
        });
        let epoch = put.inspect_err(|_| {
            // What half of a sieve looked up must not be found by the next: the longest prefix counts.
            self.stale = Some(sift.clone());
        })?;
        if self.answers.in_force(next, epoch) {
            // What was run before is in the ring then, if it was recorded.
            wait_for_programs();
        }
        self.in_force = next;
        self.stale = Some(std::mem::replace(&mut self.sift, sift.clone()));
        Ok(())
    }

    /// What processes run, as the programs have it.
    pub(super) fn images(&mut self) -> Images<'_> {
        Images {
            answers: &mut self.answers,
            sift: &self.sift,
        }
    }

    /// Whether calls of a kind and class that succeed may pass.
    pub(super) fn may_pass(&self, kind: Kind, class: usize) -> bool {
        self.sift.sieve.classes[kind.index()][0][class] != 0
    }

    /// Fills a sieve, and gives its epoch.
    fn write(&mut self, generation: u32, sift: &Sift) -> io::Result<u32> {
        for (name, rule) in &sift.names {
            self.names
                .insert(name_key(name, generation), rule, 0)
                .map_err(map_error)?;
        }
        for (user, filters) in &sift.users {
            self.users
                .insert(user_key(*user, generation), filters, 0)
                .map_err(map_error)?;
        }
        for (prefix, filters) in sift.ends.iter() {
            self.ends
                .insert(&end_key(&prefix, generation), filters, 0)
                .map_err(map_error)?;
        }
        let epoch = self.answers.prepare(generation, sift)?;
        let sieve = Sieve { epoch, ..sift.sieve };
        let mut bytes = [0; size_of::<Sieve>()];
        bytes.copy_from_slice(sieve.as_bytes());
        self.sieves.set(generation, bytes, 0).map_err(map_error)?;
        Ok(epoch)
    }

    fn clear(&mut self, generation: u32, stale: &Sift) {
        for name in stale.names.keys() {
            let _gone_already = self.names.remove(&name_key(name, generation));
        }
        for user in stale.users.keys() {
            let _gone_already = self.users.remove(&user_key(*user, generation));
        }
        for (prefix, _) in stale.ends.iter() {
            let _gone_already = self.ends.remove(&end_key(&prefix, generation));
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "0 or 1")]
fn name_key(name: &[u8], generation: u32) -> NameKey {
    let mut key = [0; NAME_BYTES + 1];
    key.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
    key[NAME_BYTES] = generation as u8;
    key
}

fn user_key(uid: u32, generation: u32) -> UserBytes {
    let mut key = UserBytes::default();
    key.copy_from_slice(UserKey { uid, generation }.as_bytes());
    key
}

fn end_key(prefix: &Prefix, generation: u32) -> Key<EndKey> {
    let mut data = EndKey::default();
    let (head, bits) = data.split_at_mut(4);
    head.copy_from_slice(&end_head(prefix.end, generation));
    bits.copy_from_slice(&prefix.bits.to_be_bytes());
    Key::new(END_HEAD + prefix.len, data)
}
