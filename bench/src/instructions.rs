//! Instructions of an event on the collector's thread, counted by valgrind: the same however busy the machine is.
//!
//! The program calls itself inside callgrind, once for each stretch, and callgrind collects only what [`measured`] does.
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::rounds::Course;
use crate::stages::{self, Instructions, Mix, Stretch};

/// Rounds before the counted one: tables grow to their size.
const WARM_UP: usize = 3;

/// Whether there is a valgrind to count with.
#[must_use]
pub fn is_possible() -> bool {
    let asked = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// Instructions of an event for each of these stretches over each mix, in the program `bench`, which must be this one.
///
/// # Errors
/// If valgrind fails.
pub fn measure(bench: &Path, stretches: &[Stretch]) -> anyhow::Result<Instructions> {
    let all = Mix::ALL
        .into_iter()
        .flat_map(|mix| stretches.iter().map(move |stretch| (mix, *stretch)));
    all.map(|(mix, stretch)| Ok((mix, stretch, inside(bench, mix, stretch)?)))
        .collect()
}

fn inside(bench: &Path, mix: Mix, stretch: Stretch) -> anyhow::Result<f64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=*instructions*measured*")
        .arg(bench)
        .args(["count", mix.name(), stretch.name()])
        .output()
        .context("cannot run valgrind")?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(output.status.success(), "valgrind failed ({}): {said}", output.status);
    let sum = said
        .lines()
        .find_map(|line| line.split_once("Collected :")?.1.trim().parse::<f64>().ok());
    let events = String::from_utf8(output.stdout)?.trim().parse::<f64>()?;
    Ok(sum.context("callgrind wrote no sum")? / events)
}

/// The part of it inside callgrind. Prints for how many events the stretch was run.
///
/// # Errors
/// If there is no such stretch, or the fixtures cannot be read.
#[expect(clippy::print_stdout, reason = "this is what the caller reads")]
pub fn count(mix: &str, stretch: &str) -> anyhow::Result<()> {
    let mix = Mix::ALL.into_iter().find(|known| known.name() == mix);
    let stretch = Stretch::ALL.into_iter().find(|known| known.name() == stretch);
    let mut course = stages::course(stretch.context("no such stretch")?, mix.context("no such mix")?)?;
    for _ in 0..WARM_UP {
        course.prepare();
        course.run();
    }
    course.prepare();
    println!("{}", measured(&mut *course));
    Ok(())
}

/// What is counted. Its name is what callgrind knows.
#[inline(never)]
fn measured(course: &mut dyn Course) -> u64 {
    black_box(course.run())
}
