//! What people watch in a terminal: the first screen of `vespid run`, and `vespid top`.
use std::io;
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, poll, read};

mod columns;
mod draw;
mod plain;
mod rates;
pub mod text;
mod top;

pub use crate::control::view::{Losses, PluginLine, RateLine, VerdictLine, View};
pub use columns::Sort;
pub use plain::{plugins_table, table};
pub use rates::Rates;
pub use top::{News, watch};

/// How often the first screen looks at what it shows.
const INTERVAL: Duration = Duration::from_millis(500);

/// A terminal that is its old self again whatever happens, a panic included.
struct Screen(DefaultTerminal);

impl Screen {
    fn open() -> io::Result<Screen> {
        ratatui::try_init().map(Screen).inspect_err(|_| ratatui::restore())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Shows `view()` about twice a second until it says so or the user presses `q` or Ctrl-C.
///
/// # Errors
/// If the terminal cannot be drawn to. It is restored in any case.
pub fn show(mut view: impl FnMut() -> Option<View>) -> io::Result<()> {
    let mut screen = Screen::open()?;
    let mut rates = Rates::default();
    while let Some(mut view) = view() {
        rates.fill(&mut view);
        let next = Instant::now() + INTERVAL;
        loop {
            screen.0.draw(|frame| draw::draw(frame, &view))?;
            match next_event(next.saturating_duration_since(Instant::now()))? {
                Some(event) if is_quit(&event) => return Ok(()),
                // A key changes nothing here: a view so soon would show the rates of a few events.
                Some(_) => {}
                None => break,
            }
        }
    }
    Ok(())
}

fn next_event(patience: Duration) -> io::Result<Option<Event>> {
    Ok(if poll(patience)? { Some(read()?) } else { None })
}

/// The key that was pressed, if one was.
fn pressed(event: &Event) -> Option<&KeyEvent> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => Some(key),
        _ => None,
    }
}

fn is_quit(event: &Event) -> bool {
    pressed(event).is_some_and(|key| {
        let is_interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        key.code == KeyCode::Char('q') || is_interrupt
    })
}
