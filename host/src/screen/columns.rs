//! The columns of the tables, and which of them fit.
use std::borrow::Cow;
use std::cmp::Ordering;

use super::text::{harmless, short, short_count};
use super::{PluginLine, RateLine};

/// A column of a table of `T`.
pub(super) struct Column<T> {
    pub(super) header: &'static str,
    /// Characters that it has room for.
    pub(super) width: u16,
    /// Columns of high rank go first when there is no room.
    pub(super) rank: u8,
    pub(super) is_text: bool,
    /// Whether a value other than 0 is bad news.
    pub(super) is_loss: bool,
    pub(super) cell: for<'a> fn(&'a T) -> Cow<'a, str>,
}

const fn text<T>(header: &'static str, width: u16, rank: u8, cell: for<'a> fn(&'a T) -> Cow<'a, str>) -> Column<T> {
    Column {
        header,
        width,
        rank,
        is_text: true,
        is_loss: false,
        cell,
    }
}

const fn number<T>(header: &'static str, width: u16, rank: u8, cell: for<'a> fn(&'a T) -> Cow<'a, str>) -> Column<T> {
    Column {
        is_text: false,
        ..text(header, width, rank, cell)
    }
}

const fn loss<T>(header: &'static str, width: u16, rank: u8, cell: for<'a> fn(&'a T) -> Cow<'a, str>) -> Column<T> {
    Column {
        is_loss: true,
        ..number(header, width, rank, cell)
    }
}

/// What there is to say of a plugin.
pub(super) const PLUGINS: [Column<PluginLine>; 18] = [
    text("plugin", 20, 0, |line| harmless(&line.name)),
    text("version", 9, 8, |line| harmless(&line.version)),
    text("mode", 6, 7, |line| line.mode.name().into()),
    text("state", 11, 0, |line| harmless(&line.state)),
    number("events/s", 8, 1, |line| short(line.per_second).into()),
    number("ns/event", 8, 2, |line| short(line.ns_per_event).into()),
    number("CPU %", 6, 1, |line| format!("{:.2}", line.cpu_percent).into()),
    number("memory", 7, 3, |line| short_count(line.memory_bytes).into()),
    number("peak", 7, 12, |line| short_count(line.memory_peak_bytes).into()),
    number("queue", 6, 5, |line| short_count(line.queue_events).into()),
    number("lag s", 6, 6, |line| format!("{:.2}", line.lag_seconds).into()),
    loss("dropped", 7, 1, |line| short_count(line.dropped).into()),
    number("verdicts", 8, 4, |line| short_count(line.verdicts).into()),
    number("series", 6, 9, |line| short_count(line.series).into()),
    number("reloads", 7, 10, |line| short_count(line.reloads).into()),
    loss("restarts", 8, 11, |line| short_count(line.restarts).into()),
    number("state B", 7, 13, |line| short_count(line.state_bytes).into()),
    number("events", 7, 14, |line| short_count(line.events).into()),
];

/// What there is to say of a kind of event.
pub(super) const KINDS: [Column<RateLine>; 6] = [
    text("kind", 12, 0, |line| harmless(&line.kind)),
    number("events/s", 9, 1, |line| short(line.per_second).into()),
    number("total", 14, 2, |line| line.total.to_string().into()),
    loss("lost: kernel", 12, 3, |line| line.dropped.kernel.to_string().into()),
    loss("decode", 10, 4, |line| line.dropped.decode.to_string().into()),
    loss("enrich", 10, 5, |line| line.dropped.enrich.to_string().into()),
];

/// The columns that fit into `width`, with a blank between two, in their order.
pub(super) fn fit<T>(columns: &'static [Column<T>], width: u16) -> Vec<&'static Column<T>> {
    let mut by_rank: Vec<&Column<T>> = columns.iter().collect();
    by_rank.sort_by_key(|column| column.rank);
    let mut left = u32::from(width) + 1;
    let mut cut = u8::MAX;
    for column in by_rank {
        let needed = u32::from(column.width) + 1;
        // The first ones stay even if they are cut off.
        if needed > left && column.rank > 0 {
            cut = cut.min(column.rank);
        }
        left = left.saturating_sub(needed);
    }
    columns.iter().filter(|column| column.rank < cut).collect()
}

/// What plugins are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Share of a CPU, the highest first.
    #[default]
    Cpu,
    /// Memory, the most first.
    Memory,
    /// Events per second, the most first.
    Events,
    /// Events dropped, the most first.
    Drops,
    /// Name.
    Name,
}

impl Sort {
    /// By the key that is pressed for it.
    #[must_use]
    pub fn of_key(key: char) -> Option<Sort> {
        match key {
            'c' => Some(Sort::Cpu),
            'm' => Some(Sort::Memory),
            'e' => Some(Sort::Events),
            'd' => Some(Sort::Drops),
            'n' => Some(Sort::Name),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Sort::Cpu => "CPU",
            Sort::Memory => "memory",
            Sort::Events => "events/s",
            Sort::Drops => "dropped",
            Sort::Name => "name",
        }
    }

    /// Sorts lines; equal ones by name, the active one before its shadow.
    pub fn apply(self, lines: &mut [PluginLine]) {
        lines.sort_by(|a, b| {
            let order = match self {
                Sort::Cpu => b
                    .cpu_percent
                    .total_cmp(&a.cpu_percent)
                    .then(b.cpu_seconds.total_cmp(&a.cpu_seconds)),
                Sort::Memory => b.memory_bytes.cmp(&a.memory_bytes),
                Sort::Events => b.per_second.total_cmp(&a.per_second).then(b.events.cmp(&a.events)),
                Sort::Drops => b.dropped.cmp(&a.dropped),
                Sort::Name => Ordering::Equal,
            };
            order.then_with(|| (&a.name, a.mode).cmp(&(&b.name, b.mode)))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::View;
    use super::*;
    use crate::control::protocol::Mode;

    #[test]
    fn the_columns_that_matter_most_are_the_last_to_go() {
        let headers = |width| -> Vec<&str> { fit(&PLUGINS, width).iter().map(|column| column.header).collect() };
        assert_eq!(headers(0), ["plugin", "state"]);
        assert_eq!(
            headers(80),
            ["plugin", "state", "events/s", "ns/event", "CPU %", "memory", "dropped"]
        );
        assert_eq!(headers(300).len(), PLUGINS.len());
        for width in 40..300 {
            let total: u16 = fit(&PLUGINS, width).iter().map(|column| column.width + 1).sum();
            assert!(total <= width + 1, "{total} characters in {width}");
        }
        assert_eq!(fit(&KINDS, 80).len(), KINDS.len());
    }

    #[test]
    fn plugins_are_sorted_as_asked() {
        let line = |name: &str, mode, cpu_percent, memory_bytes, dropped| PluginLine {
            name: name.to_owned(),
            mode,
            cpu_percent,
            memory_bytes,
            dropped,
            ..PluginLine::default()
        };
        let mut view = View {
            plugins: vec![
                line("b", Mode::Shadow, 5.0, 1, 0),
                line("b", Mode::Active, f64::NAN, 2, 0),
                line("a", Mode::Active, 1.0, 9, 7),
            ],
            ..View::default()
        };
        let mut order = |sort: Sort| -> String {
            sort.apply(&mut view.plugins);
            let names = view
                .plugins
                .iter()
                .map(|line| format!("{}{}", line.name, &line.mode.name()[..1]));
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(order(Sort::Name), "aa ba bs");
        assert_eq!(order(Sort::Cpu), "ba bs aa");
        assert_eq!(order(Sort::Memory), "aa ba bs");
        assert_eq!(order(Sort::Drops), "aa ba bs");
        assert_eq!(order(Sort::Events), "aa ba bs");
    }
}
