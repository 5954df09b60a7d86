//! A glance at what was opened, which for nearly all files tells that none of the names is there that somebody looks for.
//!
//! It sees of the names how long they are and how they begin, and keeps nothing but in registers. That takes a fraction of
//! what a walk does ([`super::names`]), which judges of the rest: of paths with a name that is like one, and of deep ones.
use vespid_ebpf::ABSENT;
use vespid_ebpf::sieve::{Likeness, Place, has_length};

use super::globals::type_id;
use super::names::{begins_like, first_word, lengths, likeness_in};
use super::sieve::{Verdict, needs_name, of};
use super::walk::{below, ends_of, entry, root_of};

/// Whether the file at a `struct path` has none of the names without which the filters of a verdict do not let it pass.
///
/// Only where names can be read by plain loads: a helper's calls would take as long as the walk. The root directory of the
/// task is gone past, as names above it can only keep from ruling out.
#[inline(always)]
pub(super) fn rules_out(verdict: Verdict, accesses: u32, path: impl FnOnce() -> u64) -> bool {
    if type_id!(word) == ABSENT {
        return false;
    }
    let Some(sieve) = of(verdict.generation) else {
        return false;
    };
    // SAFETY: a live map value.
    unsafe {
        if !needs_name(verdict.filters, sieve) {
            return false;
        }
        let likeness = likeness_in(sieve, accesses);
        let anywhere = lengths(likeness, Place::Anywhere);
        let path = path();
        if path == 0 {
            return false;
        }
        let [vfsmount, dentry] = ends_of(path);
        let mut gaze = Gaze {
            likeness,
            here: lengths(likeness, Place::Leaf) | anywhere,
            above: lengths(likeness, Place::Folder) | anywhere,
            anywhere,
            dentry,
            vfsmount,
            root: root_of(vfsmount),
        };
        // No loop, of whose body the verifier would go through all ways again and again.
        macro_rules! rise {
            ($($_:literal)*) => {$(
                let _ = $_;
                if let Some(is_ruled_out) = gaze.rise() {
                    return is_ruled_out;
                }
            )*};
        }
        rise!(1 2 3 4 5 6 7 8 9 10 11 12);
    }
    false
}

/// Where it is.
struct Gaze {
    likeness: *const Likeness,
    /// The lengths of names that are looked for at this entry, at the next one, and further up.
    here: u64,
    above: u64,
    anywhere: u64,
    dentry: u64,
    /// The mount that it is in, and its root.
    vfsmount: u64,
    root: u64,
}

impl Gaze {
    /// Looks at a name and goes on to the next, or leaves a mount. Says whether the file is ruled out, as soon as that is known.
    ///
    /// # Safety
    /// `likeness` must be in a live map value.
    #[inline(always)]
    unsafe fn rise(&mut self) -> Option<bool> {
        if self.dentry == self.root {
            [self.vfsmount, self.dentry] = below(self.vfsmount);
            if self.vfsmount == 0 {
                return Some(true);
            }
            self.root = root_of(self.vfsmount);
            return None;
        }
        let Some([parent, _, len, name]) = entry(self.dentry) else {
            return Some(false);
        };
        // One branch: of two, the verifier would go through all that follows for each way.
        // SAFETY: the caller's promise.
        if has_length(self.here, len) & unsafe { begins_like(self.likeness, first_word(name, len)) } != 0 {
            return Some(false);
        }
        // Nobody looks further up, or there is nothing.
        if self.above == 0 || parent == self.dentry {
            return Some(true);
        }
        (self.here, self.above, self.dentry) = (self.above, self.anywhere, parent);
        None
    }
}
