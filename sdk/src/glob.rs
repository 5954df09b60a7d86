//! Shell patterns over paths.
use crate::basename;

/// A list of patterns. One with a `/` is matched against the whole path, one without against the file name alone.
/// `?` is one character and `*` any number of them, neither of them `/`; `**` is anything, `[a-z]` and `{a,b}` choose.
///
/// ```
/// use vespid_plugin::Globs;
///
/// let secrets = Globs::new(["/home/*/.ssh/id_*", "*.pem"]);
/// assert!(secrets.matches(b"/home/eve/.ssh/id_rsa"));
/// assert!(secrets.matches(b"/srv/tls/key.pem"));
/// assert!(!secrets.matches(b"/home/eve/.ssh/config"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Globs(Vec<Glob>);

#[derive(Clone, Debug)]
enum Glob {
    Name(Vec<u8>),
    Path(Vec<u8>),
    NamePattern(String),
    PathPattern(String),
}

impl Globs {
    /// Takes patterns as a configuration has them.
    pub fn new<P: AsRef<str>>(patterns: impl IntoIterator<Item = P>) -> Self {
        let glob = |pattern: P| {
            let pattern = pattern.as_ref();
            match (pattern.contains('/'), has_wildcard(pattern)) {
                (false, false) => Glob::Name(pattern.into()),
                (true, false) => Glob::Path(pattern.into()),
                (false, true) => Glob::NamePattern(pattern.to_owned()),
                (true, true) => Glob::PathPattern(pattern.to_owned()),
            }
        };
        Globs(patterns.into_iter().map(glob).collect())
    }

    /// Whether one of the patterns fits.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> bool {
        let name = basename(path);
        self.0.iter().any(|glob| match glob {
            Glob::Name(wanted) => wanted == name,
            Glob::Path(wanted) => wanted == path,
            Glob::NamePattern(pattern) => fast_glob::glob_match(pattern, name),
            Glob::PathPattern(pattern) => fast_glob::glob_match(pattern, path),
        })
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether a pattern fits the whole of a text, with `/` and the wildcards as in [`Globs`].
///
/// ```
/// assert!(vespid_plugin::glob_match("git *", b"git status"));
/// ```
#[must_use]
pub fn glob_match(pattern: &str, text: &[u8]) -> bool {
    fast_glob::glob_match(pattern, text)
}

fn has_wildcard(pattern: &str) -> bool {
    pattern.contains(['*', '?', '[', '{', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_without_a_slash_is_about_the_file_name() {
        let globs = Globs::new(["python3*", "sh"]);
        assert!(globs.matches(b"/usr/bin/python3.11"));
        assert!(globs.matches(b"/bin/sh"));
        assert!(!globs.matches(b"/bin/bash"));
    }

    #[test]
    fn a_star_stays_in_its_directory_and_two_stars_do_not() {
        let globs = Globs::new(["/home/*/.ssh/id_*", "/opt/**/bin/run"]);
        assert!(globs.matches(b"/home/eve/.ssh/id_rsa"));
        assert!(!globs.matches(b"/home/eve/x/.ssh/id_rsa"));
        assert!(globs.matches(b"/opt/a/b/bin/run"));
    }

    #[test]
    fn bytes_that_are_not_utf8_match_a_star() {
        assert!(Globs::new(["/tmp/*.sh"]).matches(b"/tmp/\xff.sh"));
    }
}
