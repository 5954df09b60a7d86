//! Which part of a recording is wanted: the same five words in every command and in a plugin's test cases.
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use toml::value::Datetime;
use vespid_ebpf::Kind;

use super::Header;

const SECOND: u64 = 1_000_000_000;

/// A part of a recording. Without any of these it is the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, default)]
pub struct Slice {
    /// Only what happened at this time or later: RFC 3339, or counted from the first event, as `+1.5s` or `+2m`.
    #[arg(long, value_name = "TIME")]
    pub from: Option<Moment>,
    /// Only what happened before this time.
    #[arg(long, value_name = "TIME")]
    pub to: Option<Moment>,
    /// Only these kinds: exec, exit, connection, open, change, privileged, socket, resource. Forks are kept as well.
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub kinds: Vec<EventKind>,
    /// Only this process and those that descend from it. If the pid was used again, the process that had it first
    /// after `from`.
    #[arg(long, value_name = "PID")]
    pub pid_tree: Option<u32>,
    /// Only this container: its id, or the beginning of it.
    #[arg(long, value_name = "ID")]
    pub container: Option<String>,
}

/// What is wrong with a slice.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SliceError {
    /// It can hold nothing.
    #[error("`from` ({from}) is not before `to` ({to}), so nothing is left")]
    Empty {
        /// Its beginning.
        from: Moment,
        /// Its end.
        to: Moment,
    },
    /// No process has pid 0, and no container an empty id.
    #[error("`{0}` names nobody: give {1}")]
    Nobody(&'static str, &'static str),
}

impl Slice {
    /// Whether it is the whole recording.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        *self == Slice::default()
    }

    /// # Errors
    /// If it cannot hold anything.
    pub fn check(&self) -> Result<(), SliceError> {
        match (self.from, self.to) {
            (Some(from @ Moment::At(a)), Some(to @ Moment::At(b)))
            | (Some(from @ Moment::After(a)), Some(to @ Moment::After(b)))
                if a >= b =>
            {
                return Err(SliceError::Empty { from, to });
            }
            _ => {}
        }
        if self.pid_tree == Some(0) {
            return Err(SliceError::Nobody("pid_tree", "a pid, which begin at 1"));
        }
        if self.container.as_deref() == Some("") {
            return Err(SliceError::Nobody("container", "its id, or how that begins"));
        }
        Ok(())
    }

    /// The kinds of events that it keeps.
    #[must_use]
    pub fn keeps(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || kind == Kind::Fork || self.kinds.contains(&EventKind(kind))
    }

    /// The header of such a part.
    #[must_use]
    pub fn header(&self, whole: &Header) -> Header {
        let is_kept = |name: &String| {
            let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
            kind.is_none_or(|kind| self.keeps(kind))
        };
        Header {
            kinds: whole.kinds.iter().filter(|name| is_kept(name)).cloned().collect(),
            ..whole.clone()
        }
    }
}

/// A point of a recording's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Moment {
    /// Unix nanoseconds.
    At(u64),
    /// Nanoseconds after the first event.
    After(u64),
}

impl Moment {
    /// Unix nanoseconds, in a recording whose first event was at `first`.
    #[must_use]
    pub fn of(self, first: u64) -> u64 {
        match self {
            Moment::At(time) => time,
            Moment::After(time) => first.saturating_add(time),
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Moment, String> {
        let after = text.strip_prefix('+').and_then(duration).map(Moment::After);
        after.or_else(|| instant(text).map(Moment::At)).ok_or_else(|| {
            format!("`{text}` is neither a time such as 2026-01-31T12:00:00Z nor one after the first event, such as +1.5s or +2m")
        })
    }
}

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Moment, String> {
        text.parse()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Moment::At(time) => write!(f, "{time} ns"),
            Moment::After(time) => write!(f, "+{}s", crate::clock::seconds(*time)),
        }
    }
}

/// `1.5s`, as nanoseconds.
fn duration(text: &str) -> Option<u64> {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit_at);
    let unit = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        "d" => 86_400 * SECOND,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(part.len()).ok()?);
    let part = u128::from(part.parse::<u64>().ok()?) * u128::from(unit) / scale;
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    whole.checked_add(u64::try_from(part).ok()?)
}

/// RFC 3339 with an offset, as Unix nanoseconds.
fn instant(text: &str) -> Option<u64> {
    let Datetime {
        date: Some(date),
        time: Some(time),
        offset: Some(offset),
    } = text.parse().ok()?
    else {
        return None;
    };
    let (year, month, day) = (i64::from(date.year), i64::from(date.month), i64::from(date.day));
    // Days since 1970; years begin in March, so that the leap day is the last of its year.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    let east = match offset {
        toml::value::Offset::Z => 0,
        toml::value::Offset::Custom { minutes } => i64::from(minutes) * 60,
    };
    let of_day = i64::from(time.hour) * 3_600 + i64::from(time.minute) * 60 + i64::from(time.second.unwrap_or(0));
    let seconds = u64::try_from(days * 86_400 + of_day - east).ok()?;
    seconds
        .checked_mul(SECOND)?
        .checked_add(u64::from(time.nanosecond.unwrap_or(0)))
}

/// A kind of event that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct EventKind(pub Kind);

impl FromStr for EventKind {
    type Err = String;

    fn from_str(text: &str) -> Result<EventKind, String> {
        let kinds = || Kind::ALL.into_iter().filter(|kind| *kind != Kind::Fork);
        let kind = kinds().find(|kind| kind.name() == text);
        kind.map(EventKind).ok_or_else(|| {
            let names = kinds().map(Kind::name).collect::<Vec<_>>();
            format!("`{text}` is none of {}", names.join(", "))
        })
    }
}

impl TryFrom<String> for EventKind {
    type Error = String;

    fn try_from(text: String) -> Result<EventKind, String> {
        text.parse()
    }
}

#[cfg(test)]
#[path = "slice/tests.rs"]
mod tests;
