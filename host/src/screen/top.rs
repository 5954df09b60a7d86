//! `vespid top`: a daemon seen through its control socket, once a second.
use std::io;
use std::time::Duration;

use crossbeam_channel::{Receiver, TryRecvError};
use ratatui::Frame;
use ratatui::crossterm::event::{Event, KeyCode};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Stylize};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Cell, Paragraph, Row, Table};

use super::columns::{Column, KINDS, PLUGINS, Sort, fit};
use super::draw::{block, state_colour};
use super::plain::{failure, uptime};
use super::text::harmless;
use super::{PluginLine, Rates, Screen, View, is_quit, next_event, pressed};

/// How long a key, a view or a signal may wait.
const GLANCE: Duration = Duration::from_millis(100);
/// Failures shown at a time.
const FAILURES: usize = 3;

/// What is heard of the daemon: how it is, or why nothing is.
pub type News = Result<View, String>;

/// Shows the news until the user quits, `stop` has a message, or there can be no more news.
///
/// # Errors
/// If the terminal cannot be drawn to. It is restored in any case.
pub fn watch(news: &Receiver<News>, stop: &Receiver<&'static str>) -> io::Result<()> {
    let mut screen = Screen::open()?;
    let mut top = Top::default();
    while stop.is_empty() {
        match news.try_recv() {
            Ok(news) => top.hear(news),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => break,
        }
        screen.0.draw(|frame| top.draw(frame))?;
        if let Some(event) = next_event(GLANCE)?
            && !top.obey(&event)
        {
            break;
        }
    }
    Ok(())
}

/// What is on the screen.
#[derive(Default)]
struct Top {
    view: Option<View>,
    /// Why there is no newer view.
    missing: Option<String>,
    rates: Rates,
    sort: Sort,
}

impl Top {
    fn hear(&mut self, news: News) {
        match news {
            Ok(mut view) => {
                self.rates.fill(&mut view);
                self.sort.apply(&mut view.plugins);
                self.view = Some(view);
                self.missing = None;
            }
            Err(why) => self.missing = Some(why),
        }
    }

    /// Whether to go on.
    fn obey(&mut self, event: &Event) -> bool {
        if is_quit(event) {
            return false;
        }
        let code = pressed(event).map(|key| key.code);
        if let Some(KeyCode::Esc | KeyCode::Char('p')) = code {
            return false;
        }
        if let Some(KeyCode::Char(key)) = code
            && let Some(sort) = Sort::of_key(key)
        {
            self.sort = sort;
            self.view.iter_mut().for_each(|view| sort.apply(&mut view.plugins));
        }
        true
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        let nothing = View::default();
        let view = self.view.as_ref().unwrap_or(&nothing);
        let failures: Vec<&PluginLine> = view.plugins.iter().filter(|line| line.last_failure.is_some()).collect();
        let lines = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
        let below = if failures.is_empty() {
            0
        } else {
            lines(failures.len().min(FAILURES) + 1)
        };
        let [head, plugins, failed, kinds, keys] = Layout::vertical([
            Constraint::Length(2),
            Constraint::Fill(1),
            Constraint::Length(below),
            Constraint::Length(lines(view.rates.len() + 2)),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        self.draw_head(frame, head, view);
        let shown = view.plugins.len().min(usize::from(plugins.height.saturating_sub(2)));
        let title = if shown < view.plugins.len() {
            format!("Plugins, {shown} of {}, by {}", view.plugins.len(), self.sort.name())
        } else {
            format!("Plugins by {}", self.sort.name())
        };
        draw_table(frame, plugins, &title, &PLUGINS, &view.plugins, |column, line| {
            (column.header == "state").then(|| state_colour(&line.state))
        });
        let failures: Vec<Line<'_>> = failures
            .iter()
            .take(FAILURES)
            .map(|line| failure(line).into())
            .collect();
        frame.render_widget(Paragraph::new(failures).block(block("Failures")), failed);
        draw_table(frame, kinds, "Events", &KINDS, &view.rates, |_, _| None);
        let text = "c CPU  m memory  e events  d dropped  n name   q quits";
        frame.render_widget(Line::from(text).dim(), keys);
    }

    fn draw_head(&self, frame: &mut Frame<'_>, area: Rect, view: &View) {
        let since = format!(
            "   up {}   {} processes known",
            uptime(view.up.as_secs()),
            view.processes
        );
        let first = match &self.view {
            Some(_) => Line::from(vec![harmless(&view.title).into_owned().bold(), since.into()]),
            None => Line::from("Vespid".bold()),
        };
        let second = match (&self.missing, &self.view) {
            (Some(why), Some(_)) => Line::from(format!(
                "waiting for the daemon; these are its last figures: {}",
                harmless(why)
            ))
            .red(),
            (Some(why), None) => Line::from(format!("waiting for the daemon: {}", harmless(why))).red(),
            (None, _) => Line::from(harmless(&view.urls.join("   ")).into_owned().cyan()),
        };
        frame.render_widget(Paragraph::new(vec![first, second]), area);
    }
}

fn draw_table<T>(
    frame: &mut Frame<'_>,
    area: Rect,
    title: &str,
    columns: &'static [Column<T>],
    lines: &[T],
    colour: impl Fn(&Column<T>, &T) -> Option<Color>,
) {
    let columns = fit(columns, area.width);
    let aligned = |column: &Column<T>, text: String| {
        let text = Text::from(text);
        if column.is_text { text } else { text.right_aligned() }
    };
    let rows = lines.iter().map(|line| {
        Row::new(columns.iter().map(|column| {
            let text = (column.cell)(line).into_owned();
            let is_lost = column.is_loss && text != "0";
            let cell = Cell::from(aligned(column, text));
            match colour(column, line) {
                _ if is_lost => cell.fg(Color::Red),
                Some(colour) => cell.fg(colour),
                None => cell,
            }
        }))
    });
    let widths = columns.iter().map(|column| Constraint::Length(column.width));
    let header = Row::new(
        columns
            .iter()
            .map(|column| Cell::from(aligned(column, column.header.to_owned()))),
    )
    .dim();
    frame.render_widget(Table::new(rows, widths).header(header).block(block(title)), area);
}

#[cfg(test)]
mod tests;
