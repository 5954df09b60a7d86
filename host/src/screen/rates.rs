//! From totals to rates.
use crate::control::view::{PluginLine, View};

/// Fills in what is between one view and the next: rates, shares of a CPU, what an event costs lately.
#[derive(Debug, Default)]
pub struct Rates {
    before: Option<View>,
}

impl Rates {
    /// Fills in `view`, which is shown after the one of the call before. In the first, and in the first of a daemon that
    /// was restarted, rates are 0.
    pub fn fill(&mut self, view: &mut View) {
        let before = self.before.take().filter(|before| before.started == view.started);
        let seconds = before
            .as_ref()
            .map_or(0.0, |before| view.up.saturating_sub(before.up).as_secs_f64());
        for line in &mut view.rates {
            let old = before
                .as_ref()
                .and_then(|view| view.rates.iter().find(|old| old.kind == line.kind));
            line.per_second = old.map_or(0.0, |old| rate(line.total.saturating_sub(old.total), seconds));
        }
        for line in &mut view.plugins {
            let same = |old: &&PluginLine| old.name == line.name && old.mode == line.mode;
            let old = before.as_ref().and_then(|view| view.plugins.iter().find(same));
            fill(line, old, seconds);
        }
        self.before = Some(view.clone());
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn fill(line: &mut PluginLine, old: Option<&PluginLine>, seconds: f64) {
    line.ns_per_event = line.guest_ns as f64 / line.events.max(1) as f64;
    let Some(old) = old else { return };
    let events = line.events.saturating_sub(old.events);
    line.per_second = rate(events, seconds);
    if events > 0 {
        line.ns_per_event = line.guest_ns.saturating_sub(old.guest_ns) as f64 / events as f64;
    }
    if seconds > 0.0 {
        line.cpu_percent = (line.cpu_seconds - old.cpu_seconds).max(0.0) / seconds * 100.0;
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn rate(added: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { added as f64 / seconds } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::RateLine;
    use super::*;

    fn view(started: u64, up: u64, total: u64) -> View {
        let plugin = PluginLine {
            name: "p".to_owned(),
            events: total,
            guest_ns: total * 20,
            #[expect(clippy::cast_precision_loss, reason = "a small number")]
            cpu_seconds: total as f64 / 1e3,
            ..PluginLine::default()
        };
        let rates = vec![RateLine {
            kind: "open".to_owned(),
            total,
            ..RateLine::default()
        }];
        View {
            started,
            up: Duration::from_secs(up),
            rates,
            plugins: vec![plugin],
            ..View::default()
        }
    }

    #[track_caller]
    fn check(rates: &mut Rates, mut view: View, expected: (f64, f64, f64)) {
        rates.fill(&mut view);
        let plugin = &view.plugins[0];
        let found = (view.rates[0].per_second, plugin.per_second, plugin.cpu_percent);
        assert_eq!(format!("{found:.3?}"), format!("{expected:.3?}"));
        assert_eq!(format!("{:.1}", plugin.ns_per_event), "20.0");
    }

    #[test]
    fn a_rate_is_what_was_added_by_the_time_that_passed() {
        let mut rates = Rates::default();
        check(&mut rates, view(1, 1, 100), (0.0, 0.0, 0.0));
        check(&mut rates, view(1, 3, 300), (100.0, 100.0, 10.0));
        // No time, no rate; and what counts backwards has no rate either.
        check(&mut rates, view(1, 3, 400), (0.0, 0.0, 0.0));
        check(&mut rates, view(1, 4, 200), (0.0, 0.0, 0.0));
    }

    #[test]
    fn a_restarted_daemon_has_no_rate_at_first() {
        let mut rates = Rates::default();
        check(&mut rates, view(1, 1, 100), (0.0, 0.0, 0.0));
        check(&mut rates, view(2, 5, 500), (0.0, 0.0, 0.0));
        check(&mut rates, view(2, 6, 600), (100.0, 100.0, 10.0));
    }
}
