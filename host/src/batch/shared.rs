//! Texts that many processes have: what is the same again is written once a batch.
//!
//! A child has its parent's texts until it calls `execve`, and all processes of a service have one control group; the
//! process table shares these, and gives each a serial number to know them by.

/// Places of each kind; two texts for one place cost bytes, nothing else.
const PLACES: usize = 64;

/// No serial number: they begin with 1.
const NOBODY: u64 = 0;

/// What was written in this batch for a serial number. No number is ever used for something else.
pub(super) struct Shared<T>(Box<Places<T>>);

struct Places<T> {
    serials: [u64; PLACES],
    values: [T; PLACES],
}

impl<T: Copy + Default> Shared<T> {
    pub(super) fn new() -> Shared<T> {
        Shared(Box::new(Places {
            serials: [NOBODY; PLACES],
            values: [T::default(); PLACES],
        }))
    }

    /// What was noted for a serial number.
    #[inline]
    pub(super) fn get(&self, serial: u64) -> Option<T> {
        let at = place(serial);
        (self.0.serials[at] == serial).then(|| self.0.values[at])
    }

    #[inline]
    pub(super) fn note(&mut self, serial: u64, value: T) {
        let at = place(serial);
        self.0.serials[at] = serial;
        self.0.values[at] = value;
    }

    /// Forgets all of it, as another batch begins.
    pub(super) fn clear(&mut self) {
        self.0.serials.fill(NOBODY);
    }
}

#[inline]
fn place(serial: u64) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "less than the number of places")]
    let place = (serial % PLACES as u64) as usize;
    place
}
