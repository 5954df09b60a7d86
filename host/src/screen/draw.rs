//! Drawing a [`View`].
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table};

use super::View;
use super::plain::uptime;
use super::text::harmless;

/// What a newcomer can type in another terminal, and the rule it trips.
const TRY: [(&str, &str); 3] = [
    ("cat /etc/shadow >/dev/null", "file-audit: a password file is read"),
    (
        "cp /bin/true /tmp/surprise; /tmp/surprise",
        "exec-anomaly: something runs from /tmp",
    ),
    (
        "for i in $(seq 200); do /bin/true; done",
        "exec-anomaly: a burst of programs",
    ),
];

pub(super) fn draw(frame: &mut Frame<'_>, view: &View) {
    let height = |lines: usize| Constraint::Length(u16::try_from(lines + 2).unwrap_or(u16::MAX));
    let [head, rates, plugins, verdicts, attempts, log] = Layout::vertical([
        Constraint::Length(2),
        height(view.rates.len() + 1),
        height(view.plugins.len().max(1) + 1),
        Constraint::Min(5),
        height(TRY.len()),
        height(view.log.len().min(4)),
    ])
    .areas(frame.area());
    draw_head(frame, head, view);
    draw_rates(frame, rates, view);
    draw_plugins(frame, plugins, view);
    draw_verdicts(frame, verdicts, view);
    let lines: Vec<Line<'_>> = TRY
        .iter()
        .map(|(command, effect)| {
            Line::from(vec![
                format!("  {command:<44}").cyan(),
                Span::from((*effect).to_owned()).dim(),
            ])
        })
        .collect();
    frame.render_widget(Paragraph::new(lines).block(block("Try in another terminal")), attempts);
    let lines: Vec<Line<'_>> = view.log.iter().map(|line| Line::from(harmless(line)).dim()).collect();
    frame.render_widget(Paragraph::new(lines).block(block("Log")), log);
}

pub(super) fn block(title: &str) -> Block<'_> {
    Block::new()
        .borders(Borders::TOP)
        .border_style(Style::new().dim())
        .title(format!("{title} ").bold())
}

fn draw_head(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let since = format!(
        "   up {}   {} processes known",
        uptime(view.up.as_secs()),
        view.processes
    );
    let urls = view.urls.join("   ");
    let lines = vec![
        Line::from(vec![harmless(&view.title).bold(), since.into()]),
        Line::from(vec![harmless(&urls).cyan(), "   q quits".dim()]),
    ];
    frame.render_widget(Paragraph::new(lines), area);
}

fn draw_rates(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let rows = view.rates.iter().map(|line| {
        Row::new(vec![
            Cell::from(harmless(&line.kind)),
            Cell::from(format!("{:>12.0}", line.per_second)),
            Cell::from(format!("{:>14}", line.total)),
            lost(line.dropped.total()),
        ])
    });
    let widths = [
        Constraint::Length(14),
        Constraint::Length(12),
        Constraint::Length(14),
        Constraint::Length(12),
    ];
    let header = Row::new(["kind", "  per second", "         total", "        lost"]).dim();
    frame.render_widget(Table::new(rows, widths).header(header).block(block("Events")), area);
}

/// A count that should be 0.
fn lost(count: u64) -> Cell<'static> {
    let cell = Cell::from(format!("{count:>12}"));
    if count == 0 { cell } else { cell.fg(Color::Red) }
}

/// A plugin that runs is well.
pub(super) fn state_colour(state: &str) -> Color {
    if state == "running" { Color::Green } else { Color::Red }
}

fn draw_plugins(frame: &mut Frame<'_>, area: Rect, view: &View) {
    #[expect(clippy::cast_precision_loss, reason = "megabytes for people")]
    let rows = view.plugins.iter().map(|plugin| {
        Row::new(vec![
            Cell::from(format!("{} {}", harmless(&plugin.name), harmless(&plugin.version))),
            Cell::from(harmless(&plugin.state)).fg(state_colour(&plugin.state)),
            Cell::from(format!("{:>12.0}", plugin.per_second)),
            Cell::from(format!("{:>9.0}", plugin.ns_per_event)),
            Cell::from(format!("{:>6.2}", plugin.cpu_percent)),
            Cell::from(format!("{:>8.1}", plugin.memory_bytes as f64 / 1e6)),
            Cell::from(format!("{:>9}", plugin.verdicts)),
            lost(plugin.dropped),
        ])
    });
    let widths = [24, 12, 12, 9, 6, 8, 9, 12].map(Constraint::Length);
    let names = [
        "plugin",
        "state",
        "  per second",
        " ns/event",
        " CPU %",
        "      MB",
        " verdicts",
        "        lost",
    ];
    frame.render_widget(
        Table::new(rows, widths)
            .header(Row::new(names).dim())
            .block(block("Plugins")),
        area,
    );
}

fn draw_verdicts(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let rows = view.verdicts.iter().map(|verdict| {
        let colour = match verdict.severity.as_str() {
            "critical" | "error" => Color::Red,
            "warning" => Color::Yellow,
            _ => Color::Reset,
        };
        Row::new(vec![
            Cell::from(harmless(&verdict.time)).dim(),
            Cell::from(harmless(&verdict.severity)).fg(colour),
            Cell::from(harmless(&verdict.rule)),
            Cell::from(harmless(&verdict.message)),
        ])
    });
    let widths = [
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(36),
        Constraint::Fill(1),
    ];
    let title = format!("Verdicts (all in {})", harmless(&view.verdict_file));
    let table = Table::new(rows, widths).block(block(&title));
    if view.verdicts.is_empty() {
        frame.render_widget(Paragraph::new("  none yet".dim()).block(block(&title)), area);
    } else {
        frame.render_widget(table, area);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::{Losses, PluginLine, RateLine, VerdictLine};
    use super::*;

    #[test]
    fn a_newcomer_sees_rates_costs_verdicts_and_what_to_try() {
        let view = View {
            title: "Vespid 0.1.0 on node-1, Linux 6.18".to_owned(),
            started: 1,
            up: Duration::from_secs(3725),
            urls: vec!["http://127.0.0.1:9843/metrics".to_owned()],
            rates: vec![RateLine {
                kind: "open".to_owned(),
                per_second: 1234.0,
                total: 99,
                dropped: Losses {
                    kernel: 5,
                    decode: 2,
                    enrich: 0,
                },
            }],
            plugins: vec![PluginLine {
                name: "file-audit".to_owned(),
                version: "0.1.0".to_owned(),
                state: "running".to_owned(),
                ns_per_event: 18.0,
                memory_bytes: 2_000_000,
                ..PluginLine::default()
            }],
            verdicts: vec![VerdictLine {
                time: "12:00:01".to_owned(),
                severity: "warning".to_owned(),
                rule: "file-audit/shadow".to_owned(),
                message: "cat read /etc/shadow".to_owned(),
            }],
            processes: 42,
            verdict_file: "/tmp/verdicts.jsonl".to_owned(),
            log: vec!["INFO ready".to_owned()],
        };
        let mut terminal = Terminal::new(TestBackend::new(110, 30)).expect("a test terminal");
        terminal.draw(|frame| draw(frame, &view)).expect("drawn");
        let text = terminal.backend().to_string();
        for part in [
            "Vespid 0.1.0 on node-1, Linux 6.18   up 1:02:05   42 processes known",
            "http://127.0.0.1:9843/metrics",
            "1234             99            7",
            "file-audit 0.1.0",
            "cat read /etc/shadow",
            "cat /etc/shadow >/dev/null",
            "INFO ready",
        ] {
            assert!(text.contains(part), "`{part}` is not on the screen:\n{text}");
        }
    }
}
