//! Texts that many processes have: what is the same again is written once a batch.
//!
//! A child has its parent's texts until it calls `execve`, and all processes of a service have one control group; the
//! process table shares these, and gives each a serial number to know them by.

/// Places of each kind; two texts for one place cost bytes, nothing else.
const PLACES: usize = 64;

/// What was written for a serial number. No number is ever used for something else, so nothing has to be erased with a
/// batch but what it holds.
pub(super) struct Shared<T> {
    places: Box<[Option<(u64, u64, T)>; PLACES]>,
}

impl<T: Copy> Shared<T> {
    pub(super) fn new() -> Shared<T> {
        Shared {
            places: Box::new([None; PLACES]),
        }
    }

    /// What was noted for a serial number in this batch.
    pub(super) fn get(&self, batch: u64, serial: u64) -> Option<T> {
        match self.places[place(serial)] {
            Some((of, known, value)) if of == batch && known == serial => Some(value),
            _ => None,
        }
    }

    pub(super) fn note(&mut self, batch: u64, serial: u64, value: T) {
        self.places[place(serial)] = Some((batch, serial, value));
    }
}

fn place(serial: u64) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "less than the number of places")]
    let place = (serial % PLACES as u64) as usize;
    place
}
