//! A socket's fields, by whichever way the verifier allows.
use crate::programs::read::{direct, part};

/// Something with fields.
pub(in crate::programs) trait Fields: Copy {
    /// A field; zeroes if it cannot be read.
    fn load<T: Copy>(self, offset: u32) -> T;

    /// What a field points to.
    fn follow(self, offset: u32) -> Self;
}

/// A structure whose type the verifier knows: its fields are plain loads.
#[derive(Clone, Copy)]
pub(in crate::programs) struct Known(pub(in crate::programs) *const u8);

/// A structure of which there is but an address, a multiple of 8.
#[derive(Clone, Copy)]
pub(in crate::programs) struct At(pub(in crate::programs) u64);

impl Fields for Known {
    #[inline(always)]
    fn load<T: Copy>(self, offset: u32) -> T {
        // SAFETY: the verifier refuses the program unless this is a field.
        unsafe { direct(self.0, offset) }
    }

    #[inline(always)]
    fn follow(self, offset: u32) -> Self {
        Known(self.load(offset))
    }
}

impl Fields for At {
    #[inline(always)]
    fn load<T: Copy>(self, offset: u32) -> T {
        part(self.0, offset)
    }

    #[inline(always)]
    fn follow(self, offset: u32) -> Self {
        At(self.load(offset))
    }
}
