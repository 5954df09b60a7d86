//! Label values that the outside world chooses, kept to a number that a metrics system can bear.
use std::time::Duration;

use crate::Keyed;

/// Lets through at most so many distinct names at a time; the rest is `other`. A name that has not been seen for a while
/// makes room for a new one.
///
/// ```
/// # use std::time::Duration;
/// use vespid_plugin::NameLimit;
///
/// let mut names = NameLimit::new(2, Duration::from_secs(3600));
/// assert_eq!(names.admit(0, b"nginx"), b"nginx");
/// assert_eq!(names.admit(0, b"sshd"), b"sshd");
/// assert_eq!(names.admit(0, b"x7f3a"), b"other");
/// assert_eq!(names.admit(0, b"nginx"), b"nginx");
/// ```
pub struct NameLimit {
    names: Keyed<Vec<u8>, ()>,
    limit: usize,
}

impl NameLimit {
    /// At most `limit` names, each of which is forgotten after `idle`.
    #[must_use]
    pub fn new(limit: usize, idle: Duration) -> Self {
        NameLimit {
            names: Keyed::new(limit, idle),
            limit,
        }
    }

    /// The name itself, or `other`.
    pub fn admit<'a>(&mut self, now: u64, name: &'a [u8]) -> &'a [u8] {
        if self.names.get(now, name).is_some() {
            return name;
        }
        if self.names.len() >= self.limit {
            self.names.expire(now);
        }
        if self.names.len() >= self.limit {
            return b"other";
        }
        self.names.touch(now, name.to_vec(), || ());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_limit_are_other_until_one_is_forgotten() {
        let mut names = NameLimit::new(2, Duration::from_nanos(10));
        assert_eq!(names.admit(1, b"a"), b"a");
        assert_eq!(names.admit(5, b"b"), b"b");
        assert_eq!(names.admit(6, b"c"), b"other");
        assert_eq!(names.admit(11, b"c"), b"c");
        assert_eq!(names.admit(12, b"b"), b"b");
    }
}
