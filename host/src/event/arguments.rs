//! Arguments as a list of strings, if each of them has its NUL; else as the bytes they are.
use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserializer, Serialize, Serializer};

use crate::bytes::Bytes;

pub(super) fn serialize<S: Serializer>(args: &Bytes<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    match args.as_slice() {
        [all @ .., 0] => serializer.collect_seq(all.split(|&byte| byte == 0).map(Bytes::from)),
        _ => args.serialize(serializer),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes<'de>, D::Error> {
    struct Arguments;
    impl<'de> Visitor<'de> for Arguments {
        type Value = Bytes<'de>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of escaped byte strings, or one")
        }

        fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Bytes<'de>, E> {
            Bytes::parse(text).map_err(E::custom)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Bytes<'de>, E> {
            Bytes::parse(text).map(Bytes::into_owned).map_err(E::custom)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Bytes<'de>, A::Error> {
            let mut args = Vec::new();
            while let Some(arg) = list.next_element::<Bytes<'de>>()? {
                args.extend_from_slice(arg.as_slice());
                args.push(0);
            }
            Ok(args.into())
        }
    }
    deserializer.deserialize_any(Arguments)
}
