//! The first screen: what a newcomer sees when the daemon runs on a terminal.
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use ratatui::crossterm::event::{Event, KeyCode, KeyModifiers, poll, read};

mod draw;
pub mod live;
mod view;

pub use view::{PluginLine, RateLine, VerdictLine, View};

/// Shows `view()` about twice a second until it says so or the user presses `q` or Ctrl-C.
///
/// # Errors
/// If the terminal cannot be drawn to. It is restored in any case.
pub fn show(mut view: impl FnMut() -> Option<View>) -> io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let done = (|| {
        while let Some(view) = view() {
            terminal.draw(|frame| draw::draw(frame, &view))?;
            if poll(Duration::from_millis(500))? && is_quit(&read()?) {
                break;
            }
        }
        Ok(())
    })();
    ratatui::restore();
    done
}

fn is_quit(event: &Event) -> bool {
    let Event::Key(key) = event else { return false };
    key.code == KeyCode::Char('q') || (key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL))
}

/// Turns totals into rates per second, by name, between one call and the next.
#[derive(Debug, Default)]
pub struct Rates(BTreeMap<String, (Duration, u64)>);

impl Rates {
    /// The rate of `name` since the call before, which is 0 at the first.
    pub fn per_second(&mut self, name: &str, now: Duration, total: u64) -> f64 {
        let Some((then, before)) = self.0.insert(name.to_owned(), (now, total)) else {
            return 0.0;
        };
        let seconds = now.saturating_sub(then).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        if seconds > 0.0 {
            total.saturating_sub(before) as f64 / seconds
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_what_was_added_by_the_time_that_passed() {
        let mut rates = Rates::default();
        assert!(rates.per_second("open", Duration::from_secs(1), 100).abs() < f64::EPSILON);
        assert!((rates.per_second("open", Duration::from_secs(3), 300) - 100.0).abs() < 1e-9);
    }
}
