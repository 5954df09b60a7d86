//! A recording in place of the kernel. After some batches all plugins are waited for, and their verdicts written, batch
//! by batch in the plugins' order: so two runs give the same bytes, though the plugins run beside each other.
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{after, select};
use vespid_ebpf::Kind;

use super::CannotStart;
use super::keeper::{Keeping, Seen};
use super::plugins::{Plugins, Standing};
use super::progress::{Progress, Published};
use super::reporter::VerdictOut;
use super::roster::{Roster, Running};
use super::status::Status;
use crate::config::Config;
use crate::http::{BindError, Http};
use crate::metrics::Processes;
use crate::pipeline::{Origin, Outlet, Seat};
use crate::plugin::Delivery;
use crate::progress;
use crate::recording::{Header, Line, RecordingError, Sliced};
use crate::trial::Feed;
use crate::verdict::{self, Record, Sink, Target};

/// How fast a recording is replayed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// As fast as the plugins take it.
    Max,
    /// So many times as fast as it was recorded.
    Times(f64),
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Speed, String> {
        if text == "max" {
            return Ok(Speed::Max);
        }
        let times = text.strip_suffix('x').and_then(|times| times.parse::<f64>().ok());
        match times {
            Some(times) if times.is_finite() && times > 0.0 => Ok(Speed::Times(times)),
            _ => Err(format!(
                "`{text}` is neither `max` nor a multiple such as `1x` or `0.5x`"
            )),
        }
    }
}

/// Turns that are taken before all plugins are waited for. A turn is what one event made complete, a batch for one plugin
/// or for several; whoever is waited for after each is asleep after each.
const TURNS: usize = 16;

/// Keeps one plugin's verdicts, by turn, until they are written.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Turns>>);

#[derive(Default)]
struct Turns {
    verdicts: VecDeque<(usize, Record)>,
    now: usize,
}

impl Kept {
    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl VerdictOut for Kept {
    fn put(&mut self, verdict: Record) {
        let mut turns = self.turns();
        let now = turns.now;
        turns.verdicts.push_back((now, verdict));
    }

    fn end_turn(&mut self) {
        self.turns().now += 1;
    }
}

/// Hands batches to the workers, and waits for room.
struct Sending<'a> {
    plugins: &'a [Arc<Running>],
    has_sent: bool,
}

impl<'a> Sending<'a> {
    fn to(plugins: &'a [Arc<Running>]) -> Sending<'a> {
        Sending {
            plugins,
            has_sent: false,
        }
    }
}

impl Outlet for Sending<'_> {
    fn deliver(&mut self, seat: Seat, delivery: &Delivery) {
        if let Some(running) = self.plugins.iter().find(|running| running.seat == seat) {
            running.worker.send(delivery.clone());
            self.has_sent = true;
        }
    }
}

/// A replay.
pub struct Replay {
    feed: Feed,
    status: Arc<Status>,
    published: Published,
    progress: Progress,
    plugins: Vec<Arc<Running>>,
    kept: Vec<Kept>,
    /// Turns that have been taken, and those of them whose verdicts are written.
    taken: usize,
    written: usize,
    delivery: verdict::Delivery,
}

impl Replay {
    /// Starts the plugins for a recording with this header.
    ///
    /// # Errors
    /// [`CannotStart`].
    pub fn start(config: &Config, header: &Header, target: Target) -> Result<Replay, CannotStart> {
        let origin = Origin {
            node: header.node.clone(),
            boot_id: header.boot_id.clone(),
        };
        let engine = super::engine(config)?;
        let (verdicts, delivery) = Sink::start(target)?;
        let kept = Arc::new(Mutex::new(Vec::new()));
        let outs = {
            let kept = kept.clone();
            Box::new(move || {
                let one = Kept::default();
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(one.clone());
                Box::new(one) as Box<dyn VerdictOut>
            })
        };
        let (roster, seen) = (Roster::default(), Seen::default());
        let plugins = Plugins::new(engine, config, &origin, roster.clone(), Box::new(Standing), outs, None);
        Keeping::new(
            &config.plugins.directory,
            &super::look_settings(config),
            plugins,
            seen.clone(),
        )
        .look(false)?;
        let plugins = roster.all();
        if plugins.is_empty() {
            tracing::warn!(directory = %config.plugins.directory.display(), "no plugin to run: nothing will be detected");
        }
        let mut feed = Feed::new(&config.batch, config.processes.max, header, 1.0);
        for running in &plugins {
            feed.pipeline()
                .subscribe(running.seat, &running.worker.subscription(), &mut Sending::to(&plugins));
        }
        let kept = std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner));
        let published = Published::default();
        let status = Arc::new(Status::new(published.clone(), roster, seen, verdicts));
        Ok(Replay {
            feed,
            status,
            published,
            progress: Progress::default(),
            plugins,
            kept,
            taken: 0,
            written: 0,
            delivery,
        })
    }

    /// Serves metrics meanwhile.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub fn serve(&self, listen: SocketAddr) -> Result<Http, BindError> {
        self.status.set_ready();
        Http::start(listen, self.status.clone())
    }

    /// Replays until the end, or until `should_stop`.
    ///
    /// # Errors
    /// If the recording is damaged; all that was whole has been replayed then.
    pub fn run(
        &mut self,
        mut recording: Sliced,
        speed: Speed,
        should_stop: impl Fn() -> bool,
    ) -> Result<(), RecordingError> {
        // Who watches a recording in its own time sees each verdict when it is given.
        let turns = if speed == Speed::Max { TURNS } else { 1 };
        let bar = progress::counting("events replayed");
        let began = Instant::now();
        let mut first = None;
        let outcome = loop {
            let has_more = recording.pull(|line| {
                if let (Speed::Times(times), Line::Event(event)) = (speed, line) {
                    let ahead = Duration::from_nanos(event.time.saturating_sub(*first.get_or_insert(event.time)));
                    pause(ahead.div_f64(times).saturating_sub(began.elapsed()), &should_stop);
                }
                self.take(line);
            });
            match has_more {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
            if self.taken >= self.written + turns {
                self.settle();
                bar.set_position(self.feed.pipeline().taken());
                if should_stop() {
                    break Ok(());
                }
            }
        };
        bar.finish_and_clear();
        outcome
    }

    /// Takes in a line.
    fn take(&mut self, line: &Line<'_>) {
        match line {
            Line::Lost(loss) => {
                let kind = Kind::ALL
                    .into_iter()
                    .find(|kind| Some(kind.name()) == loss.kind.as_deref());
                if let Some(kind) = kind {
                    self.progress.kernel.drop(kind, "recorded_loss", loss.count);
                }
            }
            Line::Event(event) => {
                self.progress.kernel.pass(event.body.kind(), 1);
                self.progress.decode.pass(event.body.kind(), 1);
            }
            Line::Known(_) | Line::Container(_) | Line::Account(_) | Line::End(_) => {}
        }
        let mut sending = Sending::to(&self.plugins);
        self.feed.take(line, &mut sending);
        if sending.has_sent {
            self.plugins.iter().for_each(|running| running.worker.end_turn());
            self.taken += 1;
        }
    }

    /// Waits for the plugins, and writes their verdicts, turn by turn.
    fn settle(&mut self) {
        self.plugins.iter().for_each(|running| running.worker.settle());
        // What came after the last turn is of one that has not ended.
        for turn in self.written..=self.taken {
            for kept in &self.kept {
                let mut turns = kept.turns();
                while let Some((_, verdict)) = turns.verdicts.pop_front_if(|(of, _)| *of <= turn) {
                    self.status.verdicts().send(verdict);
                }
            }
        }
        self.written = self.taken;
        let pipeline = self.feed.pipeline();
        self.progress.enrich = pipeline.stage().clone();
        self.progress.batch_rows = pipeline.batch_rows().clone();
        let table = pipeline.table();
        self.progress.processes = Processes {
            entries: table.len() as u64,
            ..Processes::default()
        };
        self.published.write(self.progress.clone());
    }

    /// Delivers what is left, lets windows close, and writes the last verdicts.
    #[must_use]
    pub fn finish(mut self) -> Arc<Status> {
        self.feed.flush(&mut Sending::to(&self.plugins));
        self.settle();
        for running in &self.plugins {
            running.worker.advance(self.feed.end());
        }
        self.settle();
        self.delivery.finish(PATIENCE);
        self.status
    }
}

/// How long the last verdicts may take to be written; whoever reads a pipe slowly has this long.
const PATIENCE: Duration = Duration::from_secs(60);

fn pause(time: Duration, should_stop: &impl Fn() -> bool) {
    let end = Instant::now() + time;
    while !should_stop() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        select! { recv(after(left.min(Duration::from_millis(100)))) -> _ => {} }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_max_or_a_multiple() {
        assert_eq!("max".parse(), Ok(Speed::Max));
        assert_eq!("0.5x".parse(), Ok(Speed::Times(0.5)));
        for wrong in ["", "x", "1", "-1x", "infx", "fast"] {
            assert!(wrong.parse::<Speed>().is_err(), "{wrong}");
        }
    }
}
