//! Which rules may be about a path, in the time of one hash and one binary search for the paths of nobody's interest.
//!
//! Prefixes are sorted, and each knows the longest other prefix that it begins with. All prefixes of a path then lie on
//! the chain that starts at the last prefix not greater than the path. A glob hangs on the text before its first
//! wildcard (alternatives that stand there are written out), and is tried only for paths that begin with that text and
//! end with what follows the last wildcard.
use std::cmp::Ordering;
use std::collections::HashMap;

use foldhash::fast::FixedState;
use vespid_plugin::glob_match;

use crate::rule_config::RuleConfig;

/// Rules by path.
#[derive(Default)]
pub(crate) struct Index {
    exact: HashMap<Vec<u8>, Vec<u32>, FixedState>,
    /// Which [`tail`]s exact paths have: most paths need no hash.
    exact_tails: Tails,
    prefixes: Vec<Prefix>,
}

#[derive(Default)]
struct Prefix {
    /// `text`'s [`head`], so that most comparisons are of numbers.
    head: u128,
    /// The bits of it that there is text for.
    mask: u128,
    text: Vec<u8>,
    /// The longest other prefix that `text` begins with.
    shorter: Option<usize>,
    rules: Vec<u32>,
    globs: Vec<Glob>,
}

struct Glob {
    pattern: String,
    /// What a path that matches ends with.
    ending: Vec<u8>,
    rule: u32,
}

const WILDCARDS: [char; 7] = ['*', '?', '[', ']', '{', '}', '\\'];

/// Bytes of a [`head`].
const HEAD: usize = 16;

/// The first bytes as a number that orders as they do. Paths have no NUL, so shorter ones may be padded with it.
#[inline]
fn head(text: &[u8]) -> u128 {
    let mut head = [0; HEAD];
    match text.first_chunk() {
        Some(first) => head = *first,
        None => head.iter_mut().zip(text).for_each(|(to, from)| *to = *from),
    }
    u128::from_be_bytes(head)
}

impl Prefix {
    fn new(text: &[u8]) -> Prefix {
        let padding = HEAD.saturating_sub(text.len());
        Prefix {
            head: head(text),
            mask: head(&[0xff; HEAD][padding..]),
            text: text.to_vec(),
            ..Prefix::default()
        }
    }

    /// Whether a path with this head is not before it.
    #[inline]
    fn is_at_most(&self, start: u128, path: &[u8]) -> bool {
        match self.head.cmp(&start) {
            Ordering::Less => true,
            Ordering::Equal => rest(&self.text) <= rest(path),
            Ordering::Greater => false,
        }
    }

    /// Whether a path with this head begins with it.
    #[inline]
    fn begins(&self, start: u128, path: &[u8]) -> bool {
        start & self.mask == self.head && (self.text.len() <= HEAD || rest(path).starts_with(rest(&self.text)))
    }
}

/// What follows the head.
#[inline]
fn rest(text: &[u8]) -> &[u8] {
    text.get(HEAD..).unwrap_or_default()
}

/// A set of lengths and last bytes of texts, that may say of a text that it is in there though it is not.
#[derive(Default)]
struct Tails([u64; 16]);

impl Tails {
    #[inline]
    fn place(text: &[u8]) -> (usize, u64) {
        let last = text.last_chunk().map_or(0, |last| u32::from_le_bytes(*last));
        #[expect(clippy::cast_possible_truncation, reason = "of a path")]
        let hash = (last ^ text.len() as u32).wrapping_mul(0x9e37_79b1) >> 22;
        ((hash / 64) as usize, 1 << (hash % 64))
    }

    fn add(&mut self, text: &[u8]) {
        let (word, bit) = Tails::place(text);
        self.0[word] |= bit;
    }

    #[inline]
    fn may_have(&self, text: &[u8]) -> bool {
        let (word, bit) = Tails::place(text);
        self.0[word] & bit != 0
    }
}

impl Index {
    pub(crate) fn add(&mut self, rule: u32, config: &RuleConfig) {
        for path in &config.path.0 {
            self.exact(rule, path);
        }
        for prefix in &config.prefix.0 {
            self.prefix(prefix.as_bytes()).rules.push(rule);
        }
        for glob in &config.glob.0 {
            self.glob(rule, glob);
        }
    }

    fn exact(&mut self, rule: u32, path: &str) {
        self.exact_tails.add(path.as_bytes());
        self.exact.entry(path.as_bytes().to_vec()).or_default().push(rule);
    }

    fn glob(&mut self, rule: u32, pattern: &str) {
        let Some(first) = pattern.find(WILDCARDS) else {
            return self.exact(rule, pattern);
        };
        let (literal, rest) = pattern.split_at(first);
        if let Some((choices, rest)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'))
            && !choices.contains(['{', '[', '\\'])
        {
            for choice in choices.split(',') {
                self.glob(rule, &format!("{literal}{choice}{rest}"));
            }
            return;
        }
        let ending = pattern.rsplit(WILDCARDS).next().unwrap_or_default().into();
        self.prefix(literal.as_bytes()).globs.push(Glob {
            pattern: pattern.to_owned(),
            ending,
            rule,
        });
    }

    fn prefix(&mut self, text: &[u8]) -> &mut Prefix {
        match self
            .prefixes
            .binary_search_by(|prefix| prefix.text.as_slice().cmp(text))
        {
            Ok(at) => &mut self.prefixes[at],
            Err(at) => self.prefixes.insert_mut(at, Prefix::new(text)),
        }
    }

    /// Links prefixes to shorter ones. Call it when all rules have been added.
    pub(crate) fn finish(&mut self) {
        for at in 1..self.prefixes.len() {
            let (before, rest) = self.prefixes.split_at_mut(at);
            let Some(prefix) = rest.first_mut() else { continue };
            let mut shorter = Some(at - 1);
            while let Some(candidate) = shorter.and_then(|shorter| before.get(shorter)) {
                if prefix.text.starts_with(&candidate.text) {
                    break;
                }
                shorter = candidate.shorter;
            }
            prefix.shorter = shorter;
        }
    }

    /// Adds the rules that are about `path`, some perhaps twice.
    #[inline]
    pub(crate) fn find(&self, path: &[u8], found: &mut Vec<u32>) {
        if self.exact_tails.may_have(path)
            && let Some(rules) = self.exact.get(path)
        {
            found.extend_from_slice(rules);
        }
        let start = head(path);
        let mut at = self
            .prefixes
            .partition_point(|prefix| prefix.is_at_most(start, path))
            .checked_sub(1);
        while let Some(prefix) = at.and_then(|at| self.prefixes.get(at)) {
            if prefix.begins(start, path) {
                found.extend_from_slice(&prefix.rules);
                let fits = |glob: &&Glob| path.ends_with(&glob.ending) && glob_match(&glob.pattern, path);
                found.extend(prefix.globs.iter().filter(fits).map(|glob| glob.rule));
            }
            at = prefix.shorter;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::one_or_many::OneOrMany;

    fn index(places: &[&str]) -> Index {
        let mut index = Index::default();
        for (number, place) in (0..).zip(places) {
            let many = || OneOrMany(vec![(*place).to_owned()]);
            let mut rule = RuleConfig::default();
            match place {
                glob if glob.contains('*') => rule.glob = many(),
                prefix if prefix.ends_with('/') => rule.prefix = many(),
                _ => rule.path = many(),
            }
            index.add(number, &rule);
        }
        index.finish();
        index
    }

    fn found(index: &Index, path: &str) -> Vec<u32> {
        let mut found = Vec::new();
        index.find(path.as_bytes(), &mut found);
        found.sort_unstable();
        found
    }

    #[test]
    fn every_prefix_of_a_path_is_found_and_no_other() {
        let index = index(&[
            "/",
            "/etc/",
            "/etc/cron.d/",
            "/etc/cron.daily/",
            "/etc/cron.d/x/",
            "/f/",
        ]);
        assert_eq!(found(&index, "/etc/cron.d/job"), [0, 1, 2]);
        assert_eq!(found(&index, "/etc/cron.d/x/job"), [0, 1, 2, 4]);
        assert_eq!(found(&index, "/etc/cron.e/job"), [0, 1]);
        assert_eq!(found(&index, "/etc"), [0]);
        assert_eq!(found(&index, "/zz"), [0]);
        assert_eq!(found(&index, "relative"), [0; 0]);
    }

    #[test]
    fn exact_paths_and_globs_are_found() {
        let places = [
            "/etc/shadow",
            "/home/*/.ssh/*",
            "/**/secret",
            "/home/*/.ssh/id_*",
            "{/opt,/srv/*,}/x{1,2}/*.key",
        ];
        let index = index(&places);
        assert_eq!(found(&index, "/etc/shadow"), [0]);
        assert_eq!(found(&index, "/etc/shadow2"), [0; 0]);
        assert_eq!(found(&index, "/home/eve/.ssh/id_rsa"), [1, 3]);
        assert_eq!(found(&index, "/home/eve/x/.ssh/id_rsa"), [0; 0]);
        assert_eq!(found(&index, "/home/a/b/secret"), [2]);
        for path in ["/opt/x1/a.key", "/srv/a/x2/.key", "/x2/b.key"] {
            assert_eq!(found(&index, path), [4], "{path}");
        }
        assert_eq!(found(&index, "/opt/x3/a.key"), [0; 0]);
    }
}
