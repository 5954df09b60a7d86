//! What the programs know of what processes run: whether filters on executables and on containers describe it.
//!
//! At each exec the programs give what is run, and where, a number. The daemon, which reads of it in the record, puts its
//! answer beside the number, and whenever the same is run again the programs know. Of processes that were there before
//! anybody asked the daemon says itself what they run.
use std::io;

use aya::Ebpf;
use aya::maps::{HashMap, MapData};
use foldhash::quality::RandomState;
use vespid_ebpf::sieve::{AnswerKey, GIVEN, Image, ImageOf, MAX_ANSWERS, Mask};
use zerocopy::IntoBytes;

use super::load::{StartError, map_error};
use super::programs::{take_map, unusable};
use crate::filter::Sift;

/// Only what is not there yet.
const BPF_NOEXIST: u64 = 1;

type AnswerBytes = [u8; size_of::<AnswerKey>()];
type ImageOfBytes = [u8; size_of::<ImageOf>()];
type ImageBytes = [u8; size_of::<Image>()];

/// What is run, and where that is: in a container or not; `None` if that may change.
type What = (Box<[u8]>, Option<bool>);

#[derive(Debug)]
pub(super) struct Answers {
    images: HashMap<MapData, ImageOfBytes, ImageBytes>,
    answers: HashMap<MapData, AnswerBytes, Mask>,
    /// What has which number. Forgotten as a whole when it is too much.
    known: hashbrown::HashMap<u64, What, RandomState>,
    /// The numbers that the daemon gave.
    given: hashbrown::HashMap<What, u64, RandomState>,
    next_given: u64,
    generation: u32,
    /// Not 0 while somebody asks.
    epoch: u32,
    /// The last that there was.
    latest: u32,
    /// Processes that were there before are still to be introduced.
    are_due: bool,
}

impl Answers {
    pub(super) fn open(object: &mut Ebpf) -> Result<Answers, StartError> {
        Ok(Answers {
            images: HashMap::try_from(take_map(object, "IMAGES")?).map_err(unusable)?,
            answers: HashMap::try_from(take_map(object, "ANSWERS")?).map_err(unusable)?,
            known: hashbrown::HashMap::default(),
            given: hashbrown::HashMap::default(),
            next_given: 0,
            generation: 0,
            epoch: 0,
            latest: 0,
            are_due: false,
        })
    }

    /// Answers for a sieve that is about to be in force; gives its epoch.
    pub(super) fn prepare(&mut self, generation: u32, sift: &Sift) -> io::Result<u32> {
        if !sift.is_about_images() {
            return Ok(0);
        }
        for (key, (exe, place)) in &self.known {
            let filters = sift.of_image(exe, *place);
            self.answers
                .insert(answer_key(*key, generation), filters, 0)
                .map_err(map_error)?;
        }
        Ok(if self.epoch == 0 { self.latest + 1 } else { self.epoch })
    }

    /// That sieve is in force. Whether the processes that are there are to be introduced.
    pub(super) fn in_force(&mut self, generation: u32, epoch: u32) -> bool {
        let is_new = epoch != 0 && epoch != self.epoch;
        self.generation = generation;
        self.epoch = epoch;
        self.latest = self.latest.max(epoch);
        self.are_due = is_new || self.are_due && epoch != 0;
        is_new
    }

    fn learn(&mut self, sift: &Sift, key: u64, exe: &[u8], place: Option<bool>) {
        let is_known = |(known, there): &What| **known == *exe && *there == place;
        if key == 0 || self.epoch == 0 || self.known.get(&key).is_some_and(is_known) {
            return;
        }
        if self.known.len() >= MAX_ANSWERS {
            self.forget();
        }
        self.known.insert(key, (exe.into(), place));
        let filters = sift.of_image(exe, place);
        if let Err(error) = self.answers.insert(answer_key(key, self.generation), filters, 0) {
            // What has no answer is left to the daemon; what has another must not keep it.
            let _none = self.answers.remove(&answer_key(key, self.generation));
            tracing::debug!("the kernel cannot be told what an executable is: {error}");
        }
    }

    fn introduce(&mut self, sift: &Sift, process: &Introduced<'_>) {
        let what: What = (process.exe.into(), process.place);
        let key = *self.given.entry(what).or_insert_with(|| {
            self.next_given += 1;
            GIVEN | self.next_given
        });
        self.learn(sift, key, process.exe, process.place);
        let of = ImageOf {
            pid: process.pid,
            epoch: self.epoch,
        };
        let image = Image {
            start_ns: process.start_ns,
            key,
        };
        let (mut of_bytes, mut image_bytes) = (ImageOfBytes::default(), ImageBytes::default());
        of_bytes.copy_from_slice(of.as_bytes());
        image_bytes.copy_from_slice(image.as_bytes());
        // What the programs have seen since then counts for more.
        let _known = self.images.insert(of_bytes, image_bytes, BPF_NOEXIST);
    }

    fn forget(&mut self) {
        for key in self.known.drain().map(|(key, _)| key) {
            for generation in [0, 1] {
                let _none = self.answers.remove(&answer_key(key, generation));
            }
        }
        self.given.clear();
    }
}

/// A process that the daemon says something of.
#[derive(Clone, Copy, Debug)]
pub struct Introduced<'a> {
    /// Its id.
    pub pid: u32,
    /// When it started, in nanoseconds of `CLOCK_BOOTTIME`; to a clock tick is enough.
    pub start_ns: u64,
    /// The path of what it runs.
    pub exe: &'a [u8],
    /// Whether it is in a container; `None` if that may change without a new image.
    pub place: Option<bool>,
}

/// What the programs are told of who runs what. Nothing, while no filter is about that.
#[derive(Debug)]
pub struct Images<'a> {
    pub(super) answers: &'a mut Answers,
    pub(super) sift: &'a Sift,
}

impl Images<'_> {
    /// Whether somebody wants to know.
    #[must_use]
    pub fn are_asked_for(&self) -> bool {
        self.answers.epoch != 0
    }

    /// Takes in what is run, and whether in a container, of an exec that the programs gave this number.
    pub fn learn(&mut self, key: u64, exe: &[u8], place: Option<bool>) {
        self.answers.learn(self.sift, key, exe, place);
    }

    /// Whether the processes that are there are to be introduced, as somebody has begun to ask. To be done after all has been
    /// drained that the ring had by then.
    #[must_use]
    pub fn are_due(&self) -> bool {
        self.answers.are_due
    }

    /// Introduces them. Of those that have had a new image since, it changes nothing.
    pub fn introduce<'p>(&mut self, processes: impl IntoIterator<Item = Introduced<'p>>) {
        self.answers.are_due = false;
        for process in processes {
            self.answers.introduce(self.sift, &process);
        }
    }
}

fn answer_key(key: u64, generation: u32) -> AnswerBytes {
    let generation = u64::from(generation);
    let mut bytes = AnswerBytes::default();
    bytes.copy_from_slice(AnswerKey { key, generation }.as_bytes());
    bytes
}
