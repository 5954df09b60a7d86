//! Many patterns over paths, at the price of one hash and two binary searches for most paths that fit none.
use std::collections::HashSet;

use fast_glob::glob_match;
use foldhash::fast::FixedState;

use crate::interface::vespid::plugin::describe::Pattern;

/// What has a meaning of its own in a glob.
pub(super) const WILDCARDS: [char; 8] = ['*', '?', '[', ']', '{', '}', '\\', '!'];

/// Patterns, of which any may fit.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Patterns {
    exact: HashSet<Box<[u8]>, FixedState>,
    /// In order, and none begins with another.
    prefixes: Vec<Box<[u8]>>,
    /// As they were given.
    globs: Vec<String>,
    /// In the order of what they begin with.
    groups: Vec<Group>,
}

/// Globs of which every path that fits begins with the same text.
#[derive(Clone, Debug, PartialEq)]
struct Group {
    beginning: Box<[u8]>,
    /// The group with the longest other text that this one's begins with.
    shorter: Option<usize>,
    globs: Vec<Glob>,
}

#[derive(Clone, Debug, PartialEq)]
struct Glob {
    pattern: String,
    /// What a path that fits ends with.
    ending: Box<[u8]>,
}

/// One of them.
pub(super) enum Source<'a> {
    Exact(&'a [u8]),
    Prefix(&'a [u8]),
    Glob(&'a str),
}

impl Patterns {
    pub(super) fn new(given: &[Pattern]) -> Patterns {
        let mut patterns = Patterns::default();
        for pattern in given {
            match pattern {
                Pattern::Exact(text) => {
                    patterns.exact.insert(text.as_bytes().into());
                }
                Pattern::Prefix(text) => patterns.prefixes.push(text.as_bytes().into()),
                Pattern::Glob(text) => {
                    patterns.globs.push(text.clone());
                    patterns.add_glob(text, text);
                }
            }
        }
        patterns.link_groups();
        patterns.prefixes.sort();
        patterns
            .prefixes
            .dedup_by(|longer, shorter| longer.starts_with(shorter));
        patterns
    }

    pub(super) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.prefixes.is_empty() && self.globs.is_empty()
    }

    /// What they were made of, but for prefixes that others cover.
    pub(super) fn sources(&self) -> impl Iterator<Item = Source<'_>> {
        let exact = self.exact.iter().map(|text| Source::Exact(text));
        let prefixes = self.prefixes.iter().map(|text| Source::Prefix(text));
        let globs = self.globs.iter().map(|glob| Source::Glob(glob));
        exact.chain(prefixes).chain(globs)
    }

    /// Whether one of them fits.
    pub(super) fn fit(&self, path: &[u8]) -> bool {
        self.begins(path) || !self.exact.is_empty() && self.exact.contains(path) || self.globs_fit(path)
    }

    /// Adds a glob where a path belongs that fits `form`: the glob, or one of the alternatives that come before any other
    /// wildcard in it, written out.
    fn add_glob(&mut self, pattern: &str, form: &str) {
        let beginning = form.split(WILDCARDS).next().unwrap_or_default();
        if let Some((choices, rest)) = alternatives(&form[beginning.len()..]) {
            for choice in choices {
                self.add_glob(pattern, &format!("{beginning}{choice}{rest}"));
            }
            return;
        }
        let is_negated = pattern.starts_with('!');
        let ending = pattern.rsplit(WILDCARDS).next().filter(|_| !is_negated);
        let glob = Glob {
            pattern: pattern.to_owned(),
            ending: ending.unwrap_or_default().as_bytes().into(),
        };
        let beginning = beginning.as_bytes();
        match self.groups.binary_search_by(|group| (*group.beginning).cmp(beginning)) {
            Ok(at) => self.groups[at].globs.push(glob),
            Err(at) => self.groups.insert(
                at,
                Group {
                    beginning: beginning.into(),
                    shorter: None,
                    globs: vec![glob],
                },
            ),
        }
    }

    fn link_groups(&mut self) {
        for at in 1..self.groups.len() {
            let mut shorter = Some(at - 1);
            while let Some(before) = shorter
                && !self.groups[at].beginning.starts_with(&self.groups[before].beginning)
            {
                shorter = self.groups[before].shorter;
            }
            self.groups[at].shorter = shorter;
        }
    }

    /// All groups with whose text a path begins are on the way that starts at the last one that is not greater than it.
    fn globs_fit(&self, path: &[u8]) -> bool {
        let after = self.groups.partition_point(|group| *group.beginning <= *path);
        let mut next = after.checked_sub(1);
        while let Some(group) = next.and_then(|at| self.groups.get(at)) {
            if path.starts_with(&group.beginning) && group.globs.iter().any(|glob| glob.fits(path)) {
                return true;
            }
            next = group.shorter;
        }
        false
    }

    /// As none of the prefixes begins with another, only the last one that is not greater than the path can fit.
    fn begins(&self, path: &[u8]) -> bool {
        let after = self.prefixes.partition_point(|prefix| **prefix <= *path);
        let last = after.checked_sub(1).and_then(|last| self.prefixes.get(last));
        last.is_some_and(|prefix| path.starts_with(prefix))
    }
}

impl Glob {
    /// Of a path with the beginning of its group.
    fn fits(&self, path: &[u8]) -> bool {
        path.ends_with(&self.ending) && glob_match(&self.pattern, path)
    }
}

/// The alternatives that a pattern begins with, if they are plain ones, and what follows them.
fn alternatives(pattern: &str) -> Option<(impl Iterator<Item = &str>, &str)> {
    let (choices, rest) = pattern.strip_prefix('{')?.split_once('}')?;
    let is_plain = !choices.contains(['{', '[', '\\']);
    is_plain.then(|| (choices.split(','), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(given: &[Pattern]) -> Patterns {
        Patterns::new(given)
    }

    #[test]
    fn any_of_them_may_fit() {
        let patterns = of(&[
            Pattern::Exact("/etc/shadow".into()),
            Pattern::Prefix("/etc/cron.d/".into()),
            Pattern::Prefix("/etc/cron.d/x/".into()),
            Pattern::Glob("{/root,/home/*}/.ssh/id_*".into()),
            Pattern::Glob("!/**".into()),
        ]);
        for path in [
            "/etc/shadow",
            "/etc/cron.d/job",
            "/etc/cron.d/y/z",
            "/root/.ssh/id_rsa",
            "/home/eve/.ssh/id_x",
            "relative",
        ] {
            assert!(patterns.fit(path.as_bytes()), "{path}");
        }
        for path in ["/etc/shadow2", "/etc/cron.d", "/home/a/b/.ssh/id_x"] {
            assert!(!patterns.fit(path.as_bytes()), "{path}");
        }
        assert!(!of(&[]).fit(b"/"));
    }

    proptest! {
        /// The shortcuts change nothing.
        #[test]
        fn they_fit_as_one_by_one(
            texts in proptest::collection::vec("(/?([ab*]|[{]a,b*,[}]|[{]/a,[{]a,b[}]b[}]){1,3}){1,3}", 1..6),
            path in "(/[ab]{1,3}){1,3}",
        ) {
            let prefixes: Vec<Pattern> = texts.iter().cloned().map(Pattern::Prefix).collect();
            let globs: Vec<Pattern> = texts.iter().cloned().map(Pattern::Glob).collect();
            let path = path.as_bytes();
            prop_assert_eq!(of(&prefixes).fit(path), texts.iter().any(|text| path.starts_with(text.as_bytes())));
            prop_assert_eq!(of(&globs).fit(path), texts.iter().any(|text| glob_match(text, path)));
        }
    }
}
