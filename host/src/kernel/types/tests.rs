use proptest::prelude::*;

use super::*;

/// Types in the making.
struct Builder {
    words: Vec<u32>,
    strings: Vec<u8>,
    count: u32,
}

impl Builder {
    fn new() -> Builder {
        Builder {
            words: Vec::new(),
            strings: vec![0],
            count: 0,
        }
    }

    fn name(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let at = u32::try_from(self.strings.len()).expect("few names");
        self.strings.extend(name.bytes().chain([0]));
        at
    }

    /// A type; says its id.
    fn push(&mut self, name: &str, kind: u32, len: usize, refers_to: u32, rest: &[u32]) -> u32 {
        let name = self.name(name);
        let len = u32::try_from(len).expect("few members");
        self.words.extend([name, kind << 24 | len, refers_to]);
        self.words.extend(rest);
        self.count += 1;
        self.count
    }

    /// A structure or union of members with their types and offsets in bits.
    fn composite(&mut self, kind: u32, name: &str, members: &[(&str, u32, u32)]) -> u32 {
        let rest: Vec<u32> = members
            .iter()
            .flat_map(|(name, id, at)| [self.name(name), *id, *at])
            .collect();
        self.push(name, kind, members.len(), 0, &rest)
    }

    fn bytes(&self) -> Vec<u8> {
        let [types, strings] =
            [self.words.len() * 4, self.strings.len()].map(|len| u32::try_from(len).expect("little"));
        let mut bytes = MAGIC.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        let header = [24, 0, types, types, strings];
        bytes.extend(header.iter().chain(&self.words).flat_map(|word| word.to_ne_bytes()));
        bytes.extend(&self.strings);
        bytes
    }
}

/// Types of every kind, with what is looked up between them and after them.
fn sample() -> Vec<u8> {
    let mut types = Builder::new();
    let int = types.push("int", INT, 0, 4, &[32]);
    let inner = types.composite(STRUCT, "inner", &[("a", int, 0), ("b", int, 32)]);
    let union = types.composite(UNION, "", &[("x", int, 0), ("", inner, 64)]);
    let typedef = types.push("inner_t", TYPEDEF, 0, inner, &[]);
    let constant = types.push("", CONST, 0, typedef, &[]);
    let pointer = types.push("", PTR, 0, inner, &[]);
    // A declaration without members, of which the definition comes later.
    types.composite(STRUCT, "outer", &[]);
    let outer = [
        ("first", int, 0),
        ("", union, 64),
        ("named", constant, 256),
        ("pointer", pointer, 320),
    ];
    types.composite(STRUCT, "outer", &outer);
    types.composite(STRUCT, "outer", &[("second", int, 0)]);
    let widths = types.composite(
        STRUCT,
        "widths",
        &[("bit", int, 1 << 24 | 3), ("whole", int, 32), ("odd", int, 35)],
    );
    let at = types
        .words
        .iter()
        .position(|word| *word == STRUCT << 24 | 3)
        .expect("its head");
    types.words[at] |= 1 << 31;
    let (red, blue) = (types.name("RED"), types.name("BLUE"));
    types.push("colour", ENUM, 2, 4, &[red, 1, blue, 7]);
    let function = types.push("", FUNC_PROTO, 3, 0, &[0, int, 0, int, 0, int]);
    let to_function = types.push("", PTR, 0, function, &[]);
    types.push("btf_trace_it", TYPEDEF, 0, to_function, &[]);
    types.push("a_trace", TYPEDEF, 0, function, &[]);
    types.push("", ARRAY, 0, 0, &[int, int, 5]);
    types.push("declared", FWD, 0, 0, &[]);
    types.push("", VOLATILE, 0, int, &[]);
    types.push("", RESTRICT, 0, pointer, &[]);
    // The linkage, where others have their number of members.
    types.push("f", FUNC, 1, function, &[]);
    types.push("v", VAR, 0, int, &[1]);
    types.push(".data", DATASEC, 1, 4, &[1, 0, 4]);
    types.push("float", FLOAT, 0, 4, &[]);
    types.push("tag", DECL_TAG, 0, widths, &[u32::MAX]);
    types.push("tag", TYPE_TAG, 0, int, &[]);
    types.push("large", ENUM64, 1, 8, &[red, 0, 1]);
    types.composite(STRUCT, "last", &[("first", int, 0), ("z", int, 96)]);
    types.bytes()
}

/// Asks for everything there is, and more.
fn ask_everything(types: &Types<'_>) {
    for path in [
        "outer.first",
        "outer.b",
        "outer.named.b",
        "widths.bit",
        "last.z",
        "inner.none",
        "none.a",
    ] {
        types.offset(path);
    }
    types.enumerator("colour", "BLUE");
    types.parameters("btf_trace_it");
}

#[test]
fn members_are_found_where_they_are() {
    let bytes = sample();
    let types = Types::parse(&bytes).expect("types");
    for (path, offset) in [
        ("inner.b", Some(4)),
        ("outer.first", Some(0)),
        // Through a union and a structure without names.
        ("outer.x", Some(8)),
        ("outer.b", Some(20)),
        // Through `const` and a typedef.
        ("outer.named", Some(32)),
        ("outer.named.b", Some(36)),
        ("last.z", Some(12)),
        ("widths.whole", Some(4)),
        // A bit field, a member that starts within a byte, what is behind a pointer, what is not there.
        ("widths.bit", None),
        ("widths.odd", None),
        ("outer.pointer.b", None),
        ("outer.first.a", None),
        ("outer.second", None),
        ("outer.", None),
        ("outer", None),
        ("inner_t.a", None),
        ("nothing.a", None),
    ] {
        assert_eq!(types.offset(path), offset, "{path}");
    }
    let colours = ["RED", "BLUE", "GREEN"].map(|name| types.enumerator("colour", name));
    assert_eq!(colours, [Some(1), Some(7), None]);
    assert_eq!(types.enumerator("inner", "a"), None);
    let functions = ["btf_trace_it", "a_trace", "inner_t", "none"].map(|name| types.parameters(name));
    assert_eq!(functions, [Some(3), None, None, None]);
}

#[test]
fn what_is_cut_off_anywhere_is_refused() {
    let bytes = sample();
    for len in 0..bytes.len() {
        assert!(Types::parse(&bytes[..len]).is_err(), "{len}");
    }
    // Cut off within the types: the header says how long they are.
    let full = u32_at(&bytes, 12).expect("a length");
    let mut whole = 0;
    for len in 0..full {
        let mut bytes = bytes.clone();
        bytes[12..16].copy_from_slice(&len.to_ne_bytes());
        if let Ok(types) = Types::parse(&bytes) {
            whole += 1;
            ask_everything(&types);
            assert_eq!(types.offset("last.z"), None);
        }
    }
    // Only between two types.
    let all = Types::parse(&bytes).expect("types").starts.len();
    assert_eq!(whole, all);
}

#[test]
fn a_wrong_byte_anywhere_leads_nowhere() {
    let bytes = sample();
    for at in 0..bytes.len() {
        for byte in 0..=u8::MAX {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            if let Ok(types) = Types::parse(&bytes) {
                ask_everything(&types);
            }
        }
    }
}

proptest! {
    #[test]
    fn several_wrong_words_lead_nowhere(wrong in prop::collection::vec((any::<prop::sample::Index>(), any::<u32>()), 1..8)) {
        let mut bytes = sample();
        for (at, word) in wrong {
            let at = at.index(bytes.len() / 4) * 4;
            bytes[at..at + 4].copy_from_slice(&word.to_ne_bytes());
        }
        if let Ok(types) = Types::parse(&bytes) {
            ask_everything(&types);
        }
    }

    #[test]
    fn any_bytes_lead_nowhere(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let mut with_header = sample()[..24].to_vec();
        with_header.extend(&bytes);
        for bytes in [bytes, with_header] {
            if let Ok(types) = Types::parse(&bytes) {
                ask_everything(&types);
            }
        }
    }
}

#[test]
fn the_other_byte_order_and_unknown_kinds_are_named() {
    let mut bytes = sample();
    bytes.swap(0, 1);
    assert_eq!(Types::parse(&bytes).err(), Some(Unreadable::Header));

    let mut types = Builder::new();
    types.push("int", INT, 0, 4, &[32]);
    types.push("novelty", 20, 0, 0, &[]);
    let bytes = types.bytes();
    let error = Types::parse(&bytes).err().expect("an error");
    assert_eq!(error, Unreadable::Kind(2, 20));
}

#[test]
fn types_that_contain_themselves_come_to_an_end() {
    let mut types = Builder::new();
    types.composite(STRUCT, "endless", &vec![("", 1, 0); 60_000]);
    let typedef = types.push("circle", TYPEDEF, 0, 3, &[]);
    types.push("", CONST, 0, typedef, &[]);
    types.composite(STRUCT, "through", &[("member", typedef, 0)]);
    let bytes = types.bytes();
    let types = Types::parse(&bytes).expect("types");
    assert_eq!(types.offset("endless.not_there"), None);
    assert_eq!(types.offset("through.member.a"), None);
    assert_eq!(types.parameters("circle"), None);
}

#[test]
fn the_running_kernels_types_can_be_cut_off_anywhere() {
    let Ok(bytes) = std::fs::read(crate::kernel::btf::VMLINUX) else {
        eprintln!("SKIPPED: this kernel shows no types");
        return;
    };
    let types = Types::parse(&bytes).expect("types");
    assert!(types.starts.len() > 10_000);
    assert!(types.offset("task_struct.tgid").is_some());
    for part in 0..8 {
        assert!(Types::parse(&bytes[..bytes.len() / 8 * part]).is_err(), "{part}");
    }
}
