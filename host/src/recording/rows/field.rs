//! How a field is written: numbers as LEB128, the sign in the lowest bit; times in eight bytes, which varints would make
//! nine; texts after their length.
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use crate::bytes::Bytes;

/// Something that is written after other such things, without anything between.
pub(super) trait Field<'a>: Sized {
    /// Appends it.
    fn put(&self, out: &mut Vec<u8>);

    /// Takes it from the front. None if it is not there whole, or is none.
    fn get(from: &mut &'a [u8]) -> Option<Self>;

    /// What it is in rows that end before it. None if they are then damaged.
    fn missing() -> Option<Self>;

    /// The names of its parts, as `outer.inner`; of a number or a text, none.
    fn names() -> Vec<String> {
        Vec::new()
    }
}

fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

#[inline]
fn get_number(from: &mut &[u8]) -> Option<u64> {
    let (&first, rest) = from.split_first()?;
    if first < 0x80 {
        *from = rest;
        return Some(first.into());
    }
    get_long_number(from)
}

/// The highest bit of each byte.
const HIGHEST: u64 = 0x8080_8080_8080_8080;

/// A number of several bytes. How many changes from number to number, so nearly all are read without asking for each byte.
fn get_long_number(from: &mut &[u8]) -> Option<u64> {
    if let Some(first) = from.first_chunk() {
        let word = u64::from_le_bytes(*first);
        let last = !word & HIGHEST;
        if last != 0 {
            let bits = last.trailing_zeros() + 1;
            *from = &from[bits as usize / 8..];
            // Seven bits of each byte, pushed together in pairs, fours and eights.
            let word = word & !HIGHEST & u64::MAX >> (64 - bits);
            let word = word & 0x007f_007f_007f_007f | (word & 0x7f00_7f00_7f00_7f00) >> 1;
            let word = word & 0x0000_3fff_0000_3fff | (word & 0x3fff_0000_3fff_0000) >> 2;
            return Some(word & 0x0fff_ffff | (word & 0x0fff_ffff_0000_0000) >> 4);
        }
    }
    let mut number = 0;
    for (at, &byte) in from.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            *from = &from[at + 1..];
            return Some(number);
        }
    }
    None
}

fn get_part<'a>(from: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (part, rest) = from.split_at_checked(len)?;
    *from = rest;
    Some(part)
}

macro_rules! unsigned {
    ($($number:ident)*) => {
        $(impl Field<'_> for $number {
            fn put(&self, out: &mut Vec<u8>) {
                put_number((*self).into(), out);
            }

            #[inline]
            fn get(from: &mut &[u8]) -> Option<$number> {
                get_number(from)?.try_into().ok()
            }

            fn missing() -> Option<$number> {
                Some(0)
            }
        })*
    };
}

unsigned! { u8 u32 u64 }

impl Field<'_> for i64 {
    fn put(&self, out: &mut Vec<u8>) {
        put_number(((self << 1) ^ (self >> 63)).cast_unsigned(), out);
    }

    fn get(from: &mut &[u8]) -> Option<i64> {
        let number = get_number(from)?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn missing() -> Option<i64> {
        Some(0)
    }
}

impl Field<'_> for i32 {
    fn put(&self, out: &mut Vec<u8>) {
        i64::from(*self).put(out);
    }

    fn get(from: &mut &[u8]) -> Option<i32> {
        i64::get(from)?.try_into().ok()
    }

    fn missing() -> Option<i32> {
        Some(0)
    }
}

impl Field<'_> for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push((*self).into());
    }

    fn get(from: &mut &[u8]) -> Option<bool> {
        Some(u8::get(from)? != 0)
    }

    fn missing() -> Option<bool> {
        Some(false)
    }
}

impl Field<'_> for [u32; 8] {
    fn put(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|number| number.put(out));
    }

    fn get(from: &mut &[u8]) -> Option<[u32; 8]> {
        let mut numbers = [0; 8];
        for number in &mut numbers {
            *number = u32::get(from)?;
        }
        Some(numbers)
    }

    fn missing() -> Option<[u32; 8]> {
        Some([0; 8])
    }
}

impl<'a> Field<'a> for Bytes<'a> {
    fn put(&self, out: &mut Vec<u8>) {
        put_number(self.as_slice().len() as u64, out);
        out.extend_from_slice(self.as_slice());
    }

    #[inline]
    fn get(from: &mut &'a [u8]) -> Option<Bytes<'a>> {
        let len = get_number(from)?.try_into().ok()?;
        get_part(from, len).map(Bytes::from)
    }

    fn missing() -> Option<Bytes<'a>> {
        Some(Bytes::default())
    }
}

impl<'a> Field<'a> for Cow<'a, str> {
    fn put(&self, out: &mut Vec<u8>) {
        Bytes::from(&**self).put(out);
    }

    fn get(from: &mut &'a [u8]) -> Option<Cow<'a, str>> {
        let len = get_number(from)?.try_into().ok()?;
        std::str::from_utf8(get_part(from, len)?).ok().map(Cow::Borrowed)
    }

    fn missing() -> Option<Cow<'a, str>> {
        Some(Cow::Borrowed(""))
    }
}

/// The length of the address in bytes, the address, the port.
impl Field<'_> for SocketAddr {
    fn put(&self, out: &mut Vec<u8>) {
        match self.ip() {
            IpAddr::V4(ip) => {
                out.push(4);
                out.extend_from_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                out.push(16);
                out.extend_from_slice(&ip.octets());
            }
        }
        out.extend_from_slice(&self.port().to_le_bytes());
    }

    fn get(from: &mut &[u8]) -> Option<SocketAddr> {
        let ip = match get_part(from, 1)? {
            [4] => IpAddr::from(<[u8; 4]>::try_from(get_part(from, 4)?).ok()?),
            [16] => IpAddr::from(<[u8; 16]>::try_from(get_part(from, 16)?).ok()?),
            _ => return None,
        };
        let port = get_part(from, 2)?.try_into().ok()?;
        Some(SocketAddr::new(ip, u16::from_le_bytes(port)))
    }

    fn missing() -> Option<SocketAddr> {
        None
    }
}

/// A byte that says whether it follows.
impl<'a, T: Field<'a>> Field<'a> for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(self.is_some().into());
        if let Some(one) = self {
            one.put(out);
        }
    }

    fn get(from: &mut &'a [u8]) -> Option<Option<T>> {
        match get_part(from, 1)? {
            [0] => Some(None),
            _ => T::get(from).map(Some),
        }
    }

    fn missing() -> Option<Option<T>> {
        Some(None)
    }

    fn names() -> Vec<String> {
        T::names()
    }
}

/// A point in time: eight bytes, little-endian.
pub(super) fn put_time(time: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&time.to_le_bytes());
}

pub(super) fn get_time(from: &mut &[u8]) -> Option<u64> {
    let (time, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(u64::from_le_bytes(*time))
}

/// Operations by their numbers.
macro_rules! numbered {
    ($($op:ident)*) => {
        $(impl Field<'_> for $op {
            fn put(&self, out: &mut Vec<u8>) {
                out.push(*self as u8);
            }

            fn get(from: &mut &[u8]) -> Option<$op> {
                $op::from_number(u8::get(from)?)
            }

            fn missing() -> Option<$op> {
                None
            }
        })*
    };
}
pub(super) use numbered;

/// Types by their fields. One that is not named is a compiler's error.
macro_rules! fields {
    ($($whose:ident $type:ident { $($field:ident $(as $time:ident)?),* $(,)? })*) => {
        $(fields!(@impl $whose $type {
            fn put(&self, out: &mut Vec<u8>) {
                $(fields!(@put out, self.$field $(, $time)?);)*
            }

            fn get(from: &mut &'a [u8]) -> Option<Self> {
                Some($type { $($field: fields!(@get from $(, $time)?)),* })
            }

            fn missing() -> Option<Self> {
                Self::get(&mut &[][..])
            }

            fn names() -> Vec<String> {
                let mut all = Vec::new();
                // What type a field has, only its value can tell here.
                fn inner<'a, T: Field<'a>, S>(_: fn(&S) -> &T) -> Vec<String> {
                    T::names()
                }
                $({
                    let inner = inner(|row: &Self| &row.$field);
                    let name = stringify!($field);
                    match inner.is_empty() {
                        true => all.push(name.to_owned()),
                        false => all.extend(inner.iter().map(|inner| format!("{name}.{inner}"))),
                    }
                })*
                all
            }
        });)*
    };
    (@impl owned $type:ident { $($body:tt)* }) => { impl<'a> Field<'a> for $type { $($body)* } };
    (@impl borrowed $type:ident { $($body:tt)* }) => { impl<'a> Field<'a> for $type<'a> { $($body)* } };
    (@put $out:ident, $field:expr) => { $field.put($out) };
    (@put $out:ident, $field:expr, time) => { crate::recording::rows::field::put_time($field, $out) };
    (@get $from:ident) => { if $from.is_empty() { Field::missing()? } else { Field::get($from)? } };
    (@get $from:ident, time) => {
        if $from.is_empty() { 0 } else { crate::recording::rows::field::get_time($from)? }
    };
}
pub(super) use fields;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_are_read_wherever_the_row_ends() {
        for bits in 0..64 {
            for number in [u64::MAX >> bits, 1 << bits, (1 << bits) - 1] {
                for behind in 0..9 {
                    let mut row = Vec::new();
                    put_number(number, &mut row);
                    let len = row.len();
                    row.extend_from_slice(&[0xff; 9][..behind]);
                    let from = &mut &row[..];
                    assert_eq!((get_number(from), from.len()), (Some(number), behind));
                    assert_eq!(get_number(&mut &row[..len - 1]), None, "{number} was cut");
                }
            }
        }
        assert_eq!(get_number(&mut &[0x80; 16][..]), None, "no number is that long");
    }
}
