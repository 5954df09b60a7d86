//! What can be done to a file.
use std::ops::{BitAnd, BitOr};

use serde::de::Error;
use vespid_plugin::Open;
use vespid_plugin::prelude::*;

/// Kinds of access, as letters: `r` opened for reading; `w` opened for writing, made, cut, removed, renamed, or replaced by
/// what was renamed or linked; `x` executed (the file, or the script); `a` mode, owner or an extended attribute changed;
/// `l` given another name, by a hard link or a symbolic one; `s` made to run as its owner (set-user-id); `d` cut to nothing,
/// removed or renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access(u8);

impl Default for Access {
    fn default() -> Self {
        Access(Access::READ.0 | Access::WRITE.0)
    }
}

impl BitAnd for Access {
    type Output = Access;

    fn bitand(self, other: Access) -> Access {
        Access(self.0 & other.0)
    }
}

impl BitOr for Access {
    type Output = Access;

    fn bitor(self, other: Access) -> Access {
        Access(self.0 | other.0)
    }
}

impl Access {
    const LETTERS: [(char, Access); 7] = [
        ('r', Access::READ),
        ('w', Access::WRITE),
        ('x', Access::EXECUTE),
        ('a', Access::ATTRIBUTES),
        ('l', Access::LINK),
        ('s', Access::SET_USER_ID),
        ('d', Access::DESTROY),
    ];
    pub(crate) const NONE: Access = Access(0);
    pub(crate) const READ: Access = Access(1);
    pub(crate) const WRITE: Access = Access(2);
    pub(crate) const EXECUTE: Access = Access(4);
    pub(crate) const ATTRIBUTES: Access = Access(8);
    pub(crate) const LINK: Access = Access(16);
    pub(crate) const SET_USER_ID: Access = Access(32);
    pub(crate) const DESTROY: Access = Access(64);
    /// What only the table `changes` has.
    const CHANGES: Access = Access(8 | 16 | 32);
    /// What it can have.
    pub(crate) const OF_CHANGES: Access = Access(Access::CHANGES.0 | Access::WRITE.0 | Access::DESTROY.0);

    /// What an open asks for. One that only wants a name for the file (`O_PATH`) asks for nothing.
    pub(crate) fn of(open: Open<'_>) -> Access {
        let if_so = |so: bool, access: Access| if so { access } else { Access::NONE };
        if_so(open.reads(), Access::READ)
            | if_so(open.writes(), Access::WRITE)
            | if_so(open.truncates() && !open.created(), Access::DESTROY)
    }

    /// Whether an open, or an execution, can be one of these.
    pub(crate) fn is_of_opens(self) -> bool {
        self.0 & !Access::CHANGES.0 != 0
    }

    /// Whether a change can be one of these.
    pub(crate) fn is_of_changes(self) -> bool {
        self.has(Access::OF_CHANGES)
    }

    pub(crate) fn parse(letters: &str) -> Option<Access> {
        let letter = |letter| {
            Access::LETTERS
                .iter()
                .find(|(known, _)| *known == letter)
                .map(|(_, access)| access.0)
        };
        letters
            .chars()
            .map(letter)
            .try_fold(0, |all, bit| Some(all | bit?))
            .filter(|all| *all != 0)
            .map(Access)
    }

    pub(crate) fn letters(self) -> String {
        Access::LETTERS
            .iter()
            .filter(|(_, access)| self.has(*access))
            .map(|(letter, _)| letter)
            .collect()
    }

    pub(crate) fn has(self, access: Access) -> bool {
        self.0 & access.0 != 0
    }

    pub(crate) fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The rule's name in a verdict: the worst of what was done.
    pub(crate) fn verdict(self) -> &'static str {
        match self {
            access if access.has(Access::EXECUTE) => "file-exec",
            access if access.has(Access::SET_USER_ID | Access::ATTRIBUTES) => "file-attributes",
            access if access.has(Access::LINK) => "file-link",
            access if access.has(Access::WRITE | Access::DESTROY) => "file-write",
            _ => "file-read",
        }
    }

    pub(crate) fn repeated_verdict(self) -> &'static str {
        match self.verdict() {
            "file-exec" => "file-exec-repeated",
            "file-attributes" => "file-attributes-repeated",
            "file-link" => "file-link-repeated",
            "file-write" => "file-write-repeated",
            _ => "file-read-repeated",
        }
    }

    pub(crate) fn done(self) -> &'static str {
        match self.verdict() {
            "file-exec" => "executed",
            "file-write" => "opened for writing",
            _ => "read",
        }
    }

    pub(crate) fn tried(self) -> &'static str {
        match self.verdict() {
            "file-exec" => "execute",
            "file-write" => "write",
            _ => "read",
        }
    }
}

impl Serialize for Access {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.letters())
    }
}

impl<'de> Deserialize<'de> for Access {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let letters = String::deserialize(deserializer)?;
        Access::parse(&letters).ok_or_else(|| {
            D::Error::custom(format!(
                "`{letters}` is not one or more of the letters `r`, `w`, `x`, `a`, `l`, `s` and `d`"
            ))
        })
    }
}

impl JsonSchema for Access {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Access".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Kinds of access, as letters: `r` opened for reading; `w` opened for writing, made, cut, \
                removed, renamed, or replaced by what was renamed or linked; `x` executed (the file, or the script); \
                `a` mode, owner or an extended attribute changed; `l` given another name, by a hard link or a symbolic \
                one; `s` made to run as its owner (set-user-id); `d` cut to nothing, removed or renamed.",
            "type": "string",
            "pattern": "^[rwxalsd]+$",
        })
    }
}
