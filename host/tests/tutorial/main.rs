//! `docs/tutorial.md` does what it says: its blocks are carried out in order, in one shell and one empty folder.
//!
//! | info string of a block | what is done with it |
//! |---|---|
//! | `sh run` | run; each line must succeed |
//! | `sh run status=1` | run; the first line that fails must end with this code |
//! | `sh run retry` | run again until the output block below agrees, for what takes a moment |
//! | `LANGUAGE file=PATH` | written to that file |
//! | `diff apply` | applied to the files it names |
//! | `text output` | compared with what the block above printed: its lines come in this order, `…` stands for anything |
//! | anything else | for the reader alone |
//!
//! `needs=bpf` on any of them: only where live events can be had.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod blocks;
#[path = "../support/mod.rs"]
mod support;
mod terminal;

use std::path::Path;
use std::time::{Duration, Instant};

use blocks::{Block, Does, agrees, read};
use terminal::Terminal;

/// How long a block with `retry` may take to agree.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn the_tutorial_does_what_it_says() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tutorial.md");
    let blocks = read(&std::fs::read_to_string(file).expect("the tutorial"));
    assert!(blocks.len() > 10, "the tutorial's blocks are not recognised");
    let is_live = support::is_live();
    let mut terminal = Terminal::open();
    let begin = Instant::now();
    let (mut commands, mut edits) = (0, 0);
    for block in &blocks {
        if block.needs_bpf && !is_live {
            eprintln!("SKIPPED: docs/tutorial.md:{} needs BPF", block.line);
            continue;
        }
        carry_out(block, &mut terminal);
        match block.does {
            Does::Run { .. } => commands += block.text.lines().count(),
            Does::Write(_) | Does::Apply => edits += 1,
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    eprintln!("the tutorial: {commands} lines of shell and {edits} edits in {seconds:.1} s");
}

fn carry_out(block: &Block, terminal: &mut Terminal) {
    match &block.does {
        Does::Write(path) => terminal.write(path, &block.text),
        Does::Apply => {
            terminal.write(Path::new(".change.diff"), &block.text);
            let (status, said) = terminal.run("git apply --recount .change.diff");
            assert_eq!(status, 0, "docs/tutorial.md:{}: {said}", block.line);
        }
        Does::Run { status, retry, output } => {
            let start = Instant::now();
            loop {
                let (found, said) = terminal.run(&block.text);
                let result = if found == *status {
                    agrees(output, &said)
                } else {
                    Err(format!("it ended with {found}, not {status}"))
                };
                let Err(reason) = result else { break };
                assert!(
                    *retry && start.elapsed() < PATIENCE,
                    "docs/tutorial.md:{}: {reason}\n{}\nprinted\n{said}",
                    block.line,
                    block.text
                );
                std::thread::park_timeout(Duration::from_millis(100));
            }
        }
    }
}
