//! What an event costs on its way from the ring to a batch, stage by stage, on the thread that does it.
use std::hint::black_box;
use std::time::Duration;

use tempfile::TempDir;
use vespid::config;
use vespid::decode::{Scratch, decode, kind_of};
use vespid::enrich::{Nothing, Options, ProcessTable};
use vespid::event::{Body, Event};
use vespid::filter::Subscription;
use vespid::interface::vespid::plugin::describe::Kinds;
use vespid::ledger::Stage;
use vespid::pipeline::{Origin, Outlet, Pipeline, Seat};
use vespid::plugin::Delivery;
use vespid::recording::{Form, Header, Line, Rotation, Segments, Tape, WhenFull};

use crate::rounds::{Cost, Course, interleave};
use crate::table::{Cell, Table, cost};
use crate::traffic::{CLOCK, Round, Traffic};

/// Rows of the batches: what most nodes gather in 20 ms, rounded up.
const ROWS: usize = 1024;

/// Events that a stretch takes before the measured ones: two batches, whose memory is used in turn.
const BEFORE: u64 = 2 * ROWS as u64;

/// How often everything is made anew: where its memory comes to lie decides what of it the caches keep.
const PLACES: usize = 7;

/// What the shipped plugins subscribe to, which is a batch each.
fn shipped() -> [Kinds; 3] {
    [
        Kinds::EXECS | Kinds::PRIVILEGED,
        Kinds::EXECS | Kinds::OPENS | Kinds::CHANGES,
        Kinds::CONNECTIONS,
    ]
}

/// Which events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// All of them, as recorded.
    Recorded,
    /// Opens by processes that are known.
    Opens,
    /// Connections of processes that are known.
    Connections,
    /// Forks, execs and exits.
    Processes,
}

impl Mix {
    /// Every mix.
    pub const ALL: [Mix; 4] = [Mix::Recorded, Mix::Opens, Mix::Connections, Mix::Processes];

    /// Its name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Mix::Recorded => "mix",
            Mix::Opens => "open",
            Mix::Connections => "tcp",
            Mix::Processes => "exec",
        }
    }

    fn has(self, event: &Event<'_>) -> bool {
        match self {
            Mix::Recorded => true,
            Mix::Opens => matches!(event.body, Body::Open(_)),
            Mix::Connections => matches!(event.body, Body::Connection(_)),
            Mix::Processes => matches!(event.body, Body::Fork(_) | Body::Exec(_) | Body::Exit(_)),
        }
    }

    /// Whether a round needs processes that no round before it had.
    fn goes_on(self) -> bool {
        matches!(self, Mix::Recorded | Mix::Processes)
    }
}

/// A stretch of the data path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stretch {
    /// Raw record to event.
    Decode,
    /// Event to its process.
    Enrich,
    /// Both, and the books: what is done if nobody subscribed to anything.
    RingToProcess,
    /// The same, and a row of a batch for one subscription.
    RingToBatch,
    /// The same, with the flight recorder's share: what it hands to its thread, which compresses and writes it.
    RingToRecorder,
    /// The same as the one before, for the subscriptions of the shipped plugins.
    RingToShipped,
    /// Events to processes and batches.
    EnrichAndBatch,
}

impl Stretch {
    /// Every stretch.
    pub const ALL: [Stretch; 7] = [
        Stretch::Decode,
        Stretch::Enrich,
        Stretch::EnrichAndBatch,
        Stretch::RingToProcess,
        Stretch::RingToBatch,
        Stretch::RingToRecorder,
        Stretch::RingToShipped,
    ];

    /// Its name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Stretch::Decode => "decode",
            Stretch::Enrich => "enrich",
            Stretch::EnrichAndBatch => "enrich and batch",
            Stretch::RingToProcess => "ring to process",
            Stretch::RingToBatch => "ring to batch",
            Stretch::RingToRecorder => "ring to batch, recorded",
            Stretch::RingToShipped => "ring to the shipped plugins' batches",
        }
    }
}

/// Batches that every plugin is done with at once.
struct Taken;

impl Outlet for Taken {
    fn deliver(&mut self, _: Seat, delivery: &Delivery) {
        black_box(&delivery.batch);
    }
}

/// One stretch over one mix.
struct Path {
    stretch: Stretch,
    mix: Mix,
    traffic: Traffic,
    pipeline: Pipeline,
    table: ProcessTable,
    scratch: Scratch,
    ledgers: [Stage; 2],
    round: Round,
    /// Rounds that are over. To let go of them takes the caches, so it is done where new ones are made.
    over: Vec<Round>,
    recorder: Option<Recorder>,
}

/// A flight recorder as the daemon has it, on a folder that goes with it.
struct Recorder {
    tape: Tape,
    _folder: TempDir,
}

impl Recorder {
    fn new() -> anyhow::Result<Recorder> {
        let folder = tempfile::tempdir()?;
        let header = Header {
            version: Form::Rows.version(),
            node: String::new(),
            boot_id: String::new(),
            kernel: String::new(),
            created: 0,
            namespaces: vespid::enrich::namespaces::FIXED,
            kinds: Vec::new(),
        };
        let rotation = Rotation {
            segment_bytes: 16 << 20,
            segment_age: Duration::from_secs(3600),
            total_bytes: 64 << 20,
            files: usize::MAX,
        };
        let (tape, reel) = Tape::new(header, "flight_recorder", WhenFull::Drop);
        // It ends with the tape.
        drop(reel.start(Segments::open(&folder.path().join("flight.vespid"), rotation)?)?);
        Ok(Recorder { tape, _folder: folder })
    }
}

impl Path {
    fn new(stretch: Stretch, mix: Mix) -> anyhow::Result<Path> {
        let batch = config::Batch {
            max_events: ROWS,
            max_age_ms: u64::MAX,
        };
        let mut pipeline = Pipeline::new(&batch, &Origin::default(), no_process(mix));
        let subscriptions = match stretch {
            Stretch::RingToShipped => shipped().to_vec(),
            Stretch::RingToProcess => Vec::new(),
            _ => vec![Kinds::all()],
        };
        for (seat, kinds) in (0..).zip(subscriptions) {
            pipeline.subscribe(Seat(seat), &Subscription::whole(kinds), &mut Taken);
        }
        let mut path = Path {
            stretch,
            mix,
            traffic: Traffic::recorded()?,
            pipeline,
            table: no_process(mix),
            scratch: Scratch::default(),
            ledgers: Default::default(),
            round: Round::default(),
            over: Vec::new(),
            recorder: match stretch {
                Stretch::RingToRecorder => Some(Recorder::new()?),
                _ => None,
            },
        };
        let first = Round::new(&mut path.traffic, |_| true);
        path.enter(first);
        if !mix.goes_on() {
            // The processes become known; then it is always their same calls.
            for event in &path.round.events {
                path.table.observe(event);
                path.pipeline.take(event, &mut Taken);
            }
            path.traffic = Traffic::recorded()?;
            let always = path.next();
            path.enter(always);
        }
        Ok(path)
    }

    fn next(&mut self) -> Round {
        let mix = self.mix;
        Round::new(&mut self.traffic, |event| mix.has(event))
    }

    /// Begins a round.
    fn enter(&mut self, round: Round) {
        for line in &round.known {
            match line {
                Line::Known(known) => {
                    self.table.learn(known);
                    self.pipeline.table().learn(known);
                }
                Line::Container(container) => {
                    self.table.learn_container(container);
                    self.pipeline.table().learn_container(container);
                }
                Line::Account(account) => {
                    self.table.learn_account(account);
                    self.pipeline.table().learn_account(account);
                }
                _ => {}
            }
        }
        self.over.push(std::mem::replace(&mut self.round, round));
    }

    /// What the collector does with each record.
    fn collect(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            let now = self.round.events.first().map_or(0, |event| event.time);
            recorder.tape.pass_time(now, self.pipeline.table(), u32::MAX);
        }
        let mut from = 0;
        for &end in &self.round.ends {
            let record = &self.round.records[from..end];
            from = end;
            let kind = kind_of(record);
            self.ledgers[0].pass(kind, 1);
            if let Ok(event) = decode(record, &CLOCK, &mut self.scratch) {
                self.ledgers[1].pass(kind, 1);
                self.pipeline.take(&event, &mut Taken);
                if let Some(recorder) = &mut self.recorder {
                    recorder.tape.take(&event, self.pipeline.table().take_found());
                }
            }
        }
    }
}

impl Course for Path {
    /// The other stretches have just had the caches to themselves, and so has making events; a collector under load has
    /// its memory there. So it takes some rounds before, and all of them are made first.
    fn prepare(&mut self) {
        self.over.clear();
        let mut before = 0;
        if !self.mix.goes_on() {
            while before < BEFORE {
                before += self.run();
            }
            return;
        }
        let mut rounds = Vec::new();
        while before < BEFORE {
            let round = self.next();
            before += round.events.len() as u64;
            rounds.push(round);
        }
        let measured = self.next();
        for round in rounds {
            self.enter(round);
            self.run();
        }
        self.enter(measured);
    }

    fn run(&mut self) -> u64 {
        match self.stretch {
            Stretch::Decode => {
                let mut from = 0;
                for &end in &self.round.ends {
                    let record = &self.round.records[from..end];
                    from = end;
                    black_box(&decode(record, &CLOCK, &mut self.scratch));
                }
            }
            Stretch::Enrich => {
                for event in &self.round.events {
                    black_box(&self.table.observe(event));
                }
            }
            Stretch::EnrichAndBatch => {
                for event in &self.round.events {
                    self.pipeline.take(event, &mut Taken);
                }
            }
            Stretch::RingToProcess | Stretch::RingToBatch | Stretch::RingToRecorder | Stretch::RingToShipped => {
                self.collect();
            }
        }
        self.round.events.len() as u64
    }
}

/// Where the same calls come again and again, their processes stay.
fn no_process(mix: Mix) -> ProcessTable {
    let mut options = Options::default();
    if !mix.goes_on() {
        options.grace_ns = u64::MAX;
    }
    ProcessTable::new(options, Box::new(Nothing))
}

/// One stretch over one mix.
///
/// # Errors
/// If the fixtures cannot be read.
pub fn course(stretch: Stretch, mix: Mix) -> anyhow::Result<Box<dyn Course>> {
    Ok(Box::new(Path::new(stretch, mix)?))
}

/// Every stretch over every mix.
///
/// # Errors
/// If the fixtures cannot be read.
pub fn measure(rounds: usize) -> anyhow::Result<Vec<(Mix, Stretch, Cost)>> {
    let mut all = Vec::new();
    for mix in Mix::ALL {
        let mut found = Stretch::ALL.map(|_| Vec::new());
        for _ in 0..PLACES {
            let courses = Stretch::ALL.iter().map(|stretch| course(*stretch, mix));
            let mut courses = courses.collect::<anyhow::Result<Vec<_>>>()?;
            let costs = interleave(rounds.div_ceil(PLACES), &mut courses);
            found.iter_mut().zip(costs).for_each(|(found, cost)| found.push(cost));
        }
        let costs = found.map(|found| Cost::median(&found));
        let costs = Stretch::ALL.into_iter().zip(costs);
        all.extend(costs.map(|(stretch, cost)| (mix, stretch, cost)));
    }
    Ok(all)
}

/// Instructions of an event.
pub type Instructions = Vec<(Mix, Stretch, f64)>;

/// The table of it, with instructions as far as they were counted.
///
/// # Errors
/// As [`measure`].
pub fn table(rounds: usize, instructions: Instructions) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "stages",
        "From the ring to a batch, on the collector's thread; batches of 1,024 rows",
        &[
            "events",
            "stage",
            "ns an event",
            "±",
            "allocations",
            "bytes",
            "instructions",
            "target ns",
        ],
    );
    let all = measure(rounds)?;
    let counted = |mix, stretch| {
        let found = instructions.iter().find(|(of, on, _)| (*of, *on) == (mix, stretch));
        found.map_or(Cell::Empty, |(_, _, count)| Cell::number(*count, 0))
    };
    for &(mix, stretch, found) in &all {
        let target = match (stretch, mix) {
            (Stretch::RingToBatch, Mix::Opens | Mix::Connections) => Cell::number(150.0, 0),
            (Stretch::RingToBatch, Mix::Processes) => Cell::number(1_000.0, 0),
            _ => Cell::Empty,
        };
        table.row(
            [Cell::from(mix.name()), stretch.name().into()]
                .into_iter()
                .chain(cost(&found))
                .chain([counted(mix, stretch), target]),
        );
        if stretch == Stretch::RingToBatch {
            // Its difference from the stretch before, whose events come from the decoder's hands too.
            let before = all
                .iter()
                .find(|(of, stretch, _)| (*of, *stretch) == (mix, Stretch::RingToProcess));
            let batch = found.ns - before.map_or(f64::NAN, |(_, _, cost)| cost.ns);
            let cells = [
                Cell::from(mix.name()),
                "… of it, the batch".into(),
                Cell::number(batch, 1),
            ];
            let empty = [
                Cell::Empty,
                Cell::Empty,
                Cell::Empty,
                Cell::Empty,
                Cell::number(15.0, 0),
            ];
            table.row(cells.into_iter().chain(empty));
        }
    }
    Ok(table)
}
