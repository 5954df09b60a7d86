//! `vespid recording anonymise`: a recording fit to be shown to others.
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::{Failure, check_output, damaged, unwritten};
use crate::progress;
use crate::recording::{Anonymiser, Line, Reader, Writer};

/// What is replaced, and what is not.
const HELP: &str = "\
Replaced, each text by the same one wherever it stands, so that detections on structure still work:
  node name and boot id; the kernel's release behind its number
  file names and directories, each by itself, except below /bin /sbin /lib* /usr/bin /usr/sbin /usr/lib* \
/usr/libexec /usr/share /proc /sys /dev, and except names that every node has, such as etc, passwd, tmp, .ssh; \
short endings such as .sh stay
  arguments, except the program's own name, options without their values (-x, --word) and kept paths
  names of processes, except well-known programs and those named as their kept executable
  ids, names and images of containers, names, ids and namespaces of pods, wherever they stand in a path
  labels of pods: their values, and their keys except those that Kubernetes and its usual tools set; the names of what \
made pods, but not whether it is a Deployment or a Job
  IP addresses, except loopback, unspecified, link-local prefixes and multicast; private ones stay private
Not replaced: times, pids, uids, gids, ports, sizes, flags, results, namespaces' inode numbers, terminals, \
names of runtimes.

The text depends on a key. Without --seed it is random and not kept, so nobody can tell by trying whether a name is in \
the recording; with it, several recordings get the same texts. Look at the result before you give it away: what a kept \
path or an option's name says, stays said.";

#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(in crate::cli) struct Args {
    /// The recording.
    input: PathBuf,
    /// The anonymised one; compressed if the name ends in `.zst`.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Keep paths that this fits, such as `/srv/app/**`. May be given several times.
    #[arg(long, value_name = "GLOB")]
    keep: Vec<String>,
    /// Make the key from this text. Whoever knows it can try names: choose a long one.
    #[arg(long, value_name = "TEXT")]
    seed: Option<String>,
}

#[expect(clippy::print_stderr, reason = "this is the command's result")]
pub(super) fn main(args: &Args) -> Result<(), Failure> {
    check_output(&args.output, &[&args.input])?;
    let key = match &args.seed {
        Some(seed) => Sha256::digest(seed.as_bytes()).into(),
        None => random()?,
    };
    let anonymiser = Anonymiser::new(key, &args.keep);
    let mut reader = Reader::open(&args.input).map_err(damaged)?;
    let mut writer = Writer::create(&args.output, &anonymiser.header(reader.header())).map_err(unwritten)?;
    if let Err(failure) = copy(&mut reader, &anonymiser, &mut writer) {
        writer.discard();
        return Err(failure);
    }
    let events = writer.finish().map_err(unwritten)?;
    eprintln!("{events} events anonymised in {}", args.output.display());
    Ok(())
}

fn copy(reader: &mut Reader, anonymiser: &Anonymiser, writer: &mut Writer) -> Result<(), Failure> {
    let bar = progress::counting("events anonymised");
    while let Some(line) = reader.next().map_err(damaged)? {
        if !matches!(line, Line::End(_)) {
            writer.write(&anonymiser.line(line)).map_err(unwritten)?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

fn random() -> Result<[u8; 32], Failure> {
    use std::io::Read;
    let mut key = [0; 32];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut key));
    read.map_err(|error| anyhow::anyhow!("cannot read /dev/urandom: {error}"))?;
    Ok(key)
}
