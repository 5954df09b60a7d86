//! What cargo alone cannot do: set up the cross toolchains, build all parts, run and test them.
//!
//! This is the first thing that a newcomer compiles, so its dependencies are few and small, and its arguments are
//! parsed by hand.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a console program: its output is its interface"
)]

mod bench;
mod child;
mod components;
mod deny;
mod exit;
mod progress;
mod run;
mod setup;
mod test;
mod vm;
mod workspace;

use std::process::ExitCode;

const HELP: &str = "\
Everything a work tree of Vespid needs beyond plain cargo.

Usage: cargo xtask <COMMAND>

Commands:
  run [-- ARGS]        build everything and start the daemon on live kernel events with the shipped plugins;
                       without the privileges for that, replay the shipped recording; ARGS go to the daemon
  test [FILTER...]     build everything and run every test, or those whose names contain FILTER
  build                build the daemon, its BPF programs and the plugins as WebAssembly components
  setup [--check]      install the cross toolchains that are missing, once, outside the work tree;
                       with --check only report: exit status 0 when complete, 1 when something is missing
  bench [OPTION] [SECTION...]
                       what the daemon costs, as tables and in target/bench/bench.json: all of it, or some of the sections
                       stages, ceiling, outputs, scale, replay, probes, live; --short compares only what can be counted with
                       bench/baseline.json, --record appends the ratios to bench/trend.jsonl and draws
                       docs/growth.svg, --dev measures the development build, --auditd the kernel's audit beside the
                       other tracers (which leaves the rule never,task)
  vm [OPTION] [FILTER...]
                       boot Debian's kernels 6.1 and 6.12 (--kernel SERIES: one of them) in virtual machines and run the
                       live tests there, or those whose names contain FILTER, or with --short a few of each kind; --matrix
                       writes docs/kernels.md. Some fifteen minutes a kernel; brings qemu where there is none
  deny                 check licences, sources and duplicates of all dependencies with cargo-deny
  clean-toolchain      remove what `setup` installed (packages added through rustup stay)

`run`, `test` and `build` call `setup` themselves; it takes milliseconds when nothing is missing.
An interrupted command leaves nothing half-done: the next call goes on where it stopped.

Environment:
  VESPID_TOOLCHAIN      where `setup` installs (default: $XDG_CACHE_HOME/vespid/toolchain, ~/.cache/vespid/toolchain)
  VESPID_REQUIRE_BPF    tests that need the kernel fail instead of being skipped
  VESPID_REQUIRE_TOOLS  tests that need promtool or Python fail instead of being skipped

Exit status: 0 done, 1 failed, 2 needs something that only you can provide (the message says what).
";

fn main() -> ExitCode {
    match dispatch(std::env::args().skip(1).collect()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            exit::code_of(&error)
        }
    }
}

fn dispatch(mut args: Vec<String>) -> anyhow::Result<ExitCode> {
    if args.is_empty()
        || args
            .iter()
            .take_while(|arg| *arg != "--")
            .any(|arg| arg == "--help" || arg == "-h")
    {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    let command = args.remove(0);
    match command.as_str() {
        "setup" => match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => setup::install().map(|_| ExitCode::SUCCESS),
            ["--check"] => setup::check(),
            _ => Err(exit::usage(format!(
                "`setup` takes only --check, not `{}`",
                args.join(" ")
            ))),
        },
        "build" => without_arguments("build", &args, components::build_all),
        "run" => run::run(after_separator(args)),
        "test" => test::run(&args),
        "bench" => bench::run(args),
        "vm" => vm::run(args),
        "deny" => without_arguments("deny", &args, deny::run),
        "clean-toolchain" => without_arguments("clean-toolchain", &args, setup::clean),
        "help" => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        other => Err(exit::usage(format!("no command `{other}`; see `cargo xtask --help`"))),
    }
}

fn without_arguments(name: &str, args: &[String], run: fn() -> anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    match args.first() {
        Some(arg) => Err(exit::usage(format!("`{name}` takes no argument, not `{arg}`"))),
        None => run().map(|()| ExitCode::SUCCESS),
    }
}

fn after_separator(mut args: Vec<String>) -> Vec<String> {
    if args.first().is_some_and(|arg| arg == "--") {
        args.remove(0);
    }
    args
}
