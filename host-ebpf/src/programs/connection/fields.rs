//! A socket's fields, by whichever way the verifier allows.
use core::mem::MaybeUninit;

use crate::programs::read::{direct, kernel_into};

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

/// A structure of which there is but an address: each field takes a helper call, some 20 ns.
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
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: all of the value is written; it is made of integers.
        unsafe {
            kernel_into(value.as_mut_ptr().cast(), size_of::<T>() as u32, self.0, offset);
            value.assume_init()
        }
    }

    #[inline(always)]
    fn follow(self, offset: u32) -> Self {
        At(self.load(offset))
    }
}
