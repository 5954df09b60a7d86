//! Reading BTF, in which the kernel describes its own types (Documentation/bpf/btf.rst), as far as it takes to find
//! members of structures by name.
//!
//! The whole is some 5 MB and 130,000 types: one pass notes where each lies, and only what is asked for is looked into.
//! Nothing in it is trusted: an offset that leads astray is an error or a member that is not found.
use std::ffi::CStr;

use foldhash::{HashMap, HashMapExt};

const MAGIC: u16 = 0xeb9f;
/// Length of `struct btf_header`. A longer one starts the same.
const HEADER: usize = 24;
/// Length of `struct btf_type`, which starts every type.
const TYPE: usize = 12;
/// Deepest nesting of anonymous members that is descended into.
const MAX_NESTING: u32 = 8;
/// Members that are looked at for one name; the largest structure has some hundred.
const MAX_MEMBERS: u32 = 100_000;
/// Longest chain of typedefs and qualifiers.
const MAX_CHAIN: usize = 32;

// BTF_KIND_*
const INT: u32 = 1;
const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const FWD: u32 = 7;
const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const RESTRICT: u32 = 11;
const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
const FLOAT: u32 = 16;
const DECL_TAG: u32 = 17;
const TYPE_TAG: u32 = 18;
const ENUM64: u32 = 19;

/// Why bytes are no BTF that can be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// It starts with something else.
    #[error("it does not start as BTF of this machine's byte order does")]
    Header,
    /// A part of it lies outside.
    #[error("it is cut off at type {0}")]
    CutOff(usize),
    /// What follows a type of this kind is not known, and so where the next one is.
    #[error("type {0} is of kind {1}, which this version does not know")]
    Kind(usize, u32),
}

/// The types of a kernel.
pub(super) struct Types<'a> {
    /// All types, one after the other.
    types: &'a [u8],
    /// All names, each with its NUL.
    strings: &'a [u8],
    /// Where each type starts, by its id less 1.
    starts: Vec<usize>,
    /// Ids of what is looked up by name; of several types of one name, the first that has members.
    structs: HashMap<&'a [u8], u32>,
    enums: HashMap<&'a [u8], u32>,
    typedefs: HashMap<&'a [u8], u32>,
}

/// A type's fixed part, and where the rest is.
#[derive(Clone, Copy)]
struct Type {
    name: u32,
    kind: u32,
    /// Number of members, enumerators or parameters.
    len: usize,
    /// Whether members have their width beside their offset.
    has_widths: bool,
    /// Size, or another type's id.
    refers_to: u32,
    /// Where the members are.
    rest: usize,
}

impl<'a> Types<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Types<'a>, Unreadable> {
        let word = |at| u32_at(bytes, at).ok_or(Unreadable::Header);
        if word(0)?.to_ne_bytes()[..2] != MAGIC.to_ne_bytes() || (word(4)? as usize) < HEADER {
            return Err(Unreadable::Header);
        }
        let part = |offset: u32, len: u32| {
            let from = (word(4).ok()? as usize).checked_add(offset as usize)?;
            bytes.get(from..from.checked_add(len as usize)?)
        };
        let mut found = Types {
            types: part(word(8)?, word(12)?).ok_or(Unreadable::CutOff(0))?,
            strings: part(word(16)?, word(20)?).ok_or(Unreadable::CutOff(0))?,
            starts: Vec::with_capacity(word(12)? as usize / (2 * TYPE)),
            structs: HashMap::new(),
            enums: HashMap::new(),
            typedefs: HashMap::new(),
        };
        found.index()?;
        Ok(found)
    }

    /// Notes where each type lies.
    fn index(&mut self) -> Result<(), Unreadable> {
        let mut start = 0;
        while start < self.types.len() {
            let id = self.starts.len() + 1;
            let found = self.at(start).ok_or(Unreadable::CutOff(id))?;
            let (each, count) = match found.kind {
                INT | VAR | DECL_TAG => (4, 1),
                ARRAY => (12, 1),
                STRUCT | UNION | DATASEC | ENUM64 => (12, found.len),
                ENUM | FUNC_PROTO => (8, found.len),
                PTR | FWD | TYPEDEF | VOLATILE | CONST | RESTRICT | FUNC | FLOAT | TYPE_TAG => (0, 0),
                kind => return Err(Unreadable::Kind(id, kind)),
            };
            let by_name = match found.kind {
                STRUCT | UNION if found.len > 0 => Some(&mut self.structs),
                ENUM if found.len > 0 => Some(&mut self.enums),
                TYPEDEF => Some(&mut self.typedefs),
                _ => None,
            };
            if let (Some(by_name), Some(name), Ok(id)) = (by_name, name(self.strings, found.name), u32::try_from(id)) {
                by_name.entry(name).or_insert(id);
            }
            self.starts.push(start);
            start = found.rest + each * count;
        }
        if start == self.types.len() {
            Ok(())
        } else {
            Err(Unreadable::CutOff(self.starts.len()))
        }
    }

    /// Offset in bytes of `struct.member.member`, members of anonymous members included.
    pub(super) fn offset(&self, path: &str) -> Option<u32> {
        let (name, members) = path.split_once('.')?;
        let mut within = self.by_id(*self.structs.get(name.as_bytes())?)?;
        let mut bits = 0_u32;
        let mut members = members.split('.').peekable();
        while let Some(member) = members.next() {
            let (at, id) = self.member(within, member.as_bytes(), MAX_NESTING, &mut { MAX_MEMBERS })?;
            bits = bits.checked_add(at)?;
            if members.peek().is_some() {
                within = self.as_struct(id)?;
            }
        }
        bits.is_multiple_of(8).then_some(bits / 8)
    }

    /// Size of a struct in bytes.
    pub(super) fn size(&self, name: &str) -> Option<u32> {
        Some(self.by_id(*self.structs.get(name.as_bytes())?)?.refers_to)
    }

    /// Id of a structure.
    pub(super) fn structure(&self, name: &str) -> Option<u32> {
        self.structs.get(name.as_bytes()).copied()
    }

    /// The value of an enumerator.
    pub(super) fn enumerator(&self, name: &str, enumerator: &str) -> Option<u32> {
        let found = self.by_id(*self.enums.get(name.as_bytes())?)?;
        // struct btf_enum { __u32 name_off; __s32 val; }
        let at = (0..found.len)
            .map(|index| found.rest + index * 8)
            .find(|at| self.name_at(*at) == Some(enumerator.as_bytes()))?;
        u32_at(self.types, at + 4)
    }

    /// How many parameters the function has that a typedef stands for a pointer to.
    pub(super) fn parameters(&self, typedef: &str) -> Option<usize> {
        let pointer = self.resolve(*self.typedefs.get(typedef.as_bytes())?)?;
        let function = self.resolve(pointer.refers_to).filter(|_| pointer.kind == PTR)?;
        (function.kind == FUNC_PROTO).then_some(function.len)
    }

    /// Id of a function.
    pub(super) fn function(&self, name: &str) -> Option<u32> {
        self.id_of(FUNC, name)
    }

    /// Id of a typedef.
    pub(super) fn typedef(&self, name: &str) -> Option<u32> {
        self.typedefs.get(name.as_bytes()).copied()
    }

    /// Id of the first type of a kind with this name. Looks through them all.
    fn id_of(&self, kind: u32, wanted: &str) -> Option<u32> {
        let is_it = |start: &usize| {
            let found = self.at(*start).filter(|found| found.kind == kind);
            found.and_then(|found| name(self.strings, found.name)) == Some(wanted.as_bytes())
        };
        let index = self.starts.iter().position(is_it)?;
        u32::try_from(index + 1).ok()
    }

    /// Offset in bits and type of a member, those of anonymous members included. `budget` bounds the search.
    fn member(&self, within: Type, wanted: &[u8], nesting: u32, budget: &mut u32) -> Option<(u32, u32)> {
        for index in 0..within.len {
            *budget = budget.checked_sub(1)?;
            // struct btf_member { __u32 name_off; __u32 type; __u32 offset; }
            let at = within.rest + index * 12;
            let (id, offset) = (u32_at(self.types, at + 4)?, u32_at(self.types, at + 8)?);
            let (width, offset) = if within.has_widths {
                (offset >> 24, offset & 0x00ff_ffff)
            } else {
                (0, offset)
            };
            let name = self.name_at(at)?;
            if !name.is_empty() {
                if name == wanted && width == 0 {
                    return Some((offset, id));
                }
                continue;
            }
            let nameless = self.as_struct(id).filter(|_| nesting > 0);
            let found = nameless.and_then(|nameless| self.member(nameless, wanted, nesting - 1, budget));
            if let Some((within, id)) = found {
                return Some((offset.checked_add(within)?, id));
            }
        }
        None
    }

    fn as_struct(&self, id: u32) -> Option<Type> {
        self.resolve(id).filter(|found| matches!(found.kind, STRUCT | UNION))
    }

    /// A type without its typedefs and qualifiers.
    fn resolve(&self, mut id: u32) -> Option<Type> {
        for _ in 0..MAX_CHAIN {
            let found = self.by_id(id)?;
            match found.kind {
                TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => id = found.refers_to,
                _ => return Some(found),
            }
        }
        None
    }

    fn by_id(&self, id: u32) -> Option<Type> {
        self.at(*self.starts.get((id as usize).checked_sub(1)?)?)
    }

    fn at(&self, start: usize) -> Option<Type> {
        let info = u32_at(self.types, start + 4)?;
        Some(Type {
            name: u32_at(self.types, start)?,
            kind: (info >> 24) & 0x1f,
            len: (info & 0xffff) as usize,
            has_widths: info >> 31 == 1,
            refers_to: u32_at(self.types, start + 8)?,
            rest: start + TYPE,
        })
    }

    /// The name that an offset in the types refers to.
    fn name_at(&self, at: usize) -> Option<&'a [u8]> {
        name(self.strings, u32_at(self.types, at)?)
    }
}

fn name(strings: &[u8], offset: u32) -> Option<&[u8]> {
    let name = CStr::from_bytes_until_nul(strings.get(offset as usize..)?);
    name.ok().map(CStr::to_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    word.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests;
