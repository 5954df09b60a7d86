//! The independent judges of our metrics and tables: Prometheus' promtool, the OpenMetrics parser of Python's
//! prometheus-client, DuckDB and Polars; a container runtime; other tracers; and what builds plugins in other languages.
//!
//! Only tests need them, and tests without them are skipped aloud: so a failure here is a warning, unless
//! `VESPID_REQUIRE_TOOLS` is set.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use super::home::{Home, publish};
use super::machine::on_path;
use super::{debian, version};
use crate::child;
use crate::progress::{Progress, Task};

const LIMIT: Duration = Duration::from_secs(600);

/// Where the tools are.
#[derive(Debug, Default)]
pub(crate) struct TestTools {
    /// `promtool`.
    pub(crate) promtool: Option<PathBuf>,
    /// A Python that can import `prometheus_client`, `duckdb` and `polars`.
    pub(crate) python: Option<PathBuf>,
    /// `containerd`; what it runs containers with is below the same folder.
    pub(crate) containerd: Option<PathBuf>,
    /// `opensnoop`; `execsnoop` and `tcplife` lie beside it.
    pub(crate) opensnoop: Option<PathBuf>,
    /// A clang that compiles for WebAssembly.
    clang: Option<PathBuf>,
    /// Makes components of Python.
    componentize_py: Option<PathBuf>,
    /// Makes components of JavaScript.
    componentize_js: Option<PathBuf>,
}

impl TestTools {
    /// Looks for what is there, installing nothing.
    pub(crate) fn find(home: &Home) -> Self {
        let find = |own: PathBuf, name: Option<&str>| {
            if own.exists() { Some(own) } else { on_path(name?) }
        };
        Self {
            promtool: find(home.prometheus().join("usr/bin/promtool"), Some("promtool")),
            python: find(home.python().join("bin/python"), None),
            containerd: find(home.containerd().join("usr/bin/containerd"), Some("containerd")),
            opensnoop: find(home.snoops().join("usr/sbin/opensnoop"), None),
            clang: find(home.clang().join("bin/clang"), Some("clang")),
            componentize_py: find(
                home.componentize_py().join("bin/componentize-py"),
                Some("componentize-py"),
            ),
            componentize_js: find(
                home.componentize_js().join("node_modules/.bin/componentize-js"),
                Some("componentize-js"),
            ),
        }
    }

    /// What each is, where it is, and where it would come from.
    pub(crate) fn rows(&self) -> [(&'static str, Option<&PathBuf>, &'static str); 7] {
        [
            ("promtool", self.promtool.as_ref(), "Debian's package prometheus"),
            ("prometheus-client, duckdb, polars", self.python.as_ref(), "PyPI"),
            (
                "containerd, runc, busybox",
                self.containerd.as_ref(),
                "Debian's packages",
            ),
            (
                "opensnoop, execsnoop, tcplife",
                self.opensnoop.as_ref(),
                "Debian's package libbpf-tools",
            ),
            ("clang, for plugins in C", self.clang.as_ref(), "Debian's packages"),
            ("componentize-py", self.componentize_py.as_ref(), "PyPI"),
            ("componentize-js", self.componentize_js.as_ref(), "npm"),
        ]
    }
}

type Install = fn(&Home, &Progress) -> anyhow::Result<()>;

/// Finds the tools, installing those that are missing.
///
/// # Errors
/// One cannot be installed, and `VESPID_REQUIRE_TOOLS` is set.
pub(crate) fn install() -> anyhow::Result<TestTools> {
    const INSTALL: [Install; 7] = [
        promtool,
        python,
        containerd,
        snoops,
        clang,
        componentize_py,
        componentize_js,
    ];
    let home = Home::find()?;
    let found = TestTools::find(&home);
    let missing = |(row, install): ((&'static str, Option<&PathBuf>, _), Install)| match row {
        (name, None, _) => Some((name, install)),
        _ => None,
    };
    let missing: Vec<_> = found.rows().into_iter().zip(INSTALL).filter_map(missing).collect();
    if missing.is_empty() {
        return Ok(found);
    }
    let _lock = home.lock()?;
    let progress = Progress::new(&home.logs());
    let required = std::env::var_os("VESPID_REQUIRE_TOOLS").is_some();
    for (name, install) in missing {
        match install(&home, &progress).with_context(|| format!("{name} could not be installed")) {
            Err(error) if required => return Err(error),
            Err(error) => progress.say(&format!("warning: {error:#}\nTests that need it are skipped.")),
            Ok(()) => {}
        }
    }
    Ok(TestTools::find(&home))
}

/// Unpacked, not installed: Debian's package would start a server.
fn promtool(home: &Home, progress: &Progress) -> anyhow::Result<()> {
    let task = progress.task("promtool");
    let temporary = home.fresh_dir("prometheus")?;
    debian::download(&task, &["prometheus"], home, &temporary)?;
    publish(&temporary, &home.prometheus())?;
    task.done("unpacked from Debian's package prometheus");
    Ok(())
}

/// Unpacked as well, for the same reason.
pub(super) fn containerd(home: &Home, progress: &Progress) -> anyhow::Result<()> {
    let task = progress.task("containerd");
    let temporary = home.fresh_dir("containerd")?;
    debian::download(&task, &["containerd", "runc", "busybox-static"], home, &temporary)?;
    publish(&temporary, &home.containerd())?;
    task.done("unpacked from Debian's packages containerd, runc and busybox-static");
    Ok(())
}

/// They need libelf besides, which iproute2 brings to every Debian.
fn snoops(home: &Home, progress: &Progress) -> anyhow::Result<()> {
    let task = progress.task("libbpf-tools");
    let temporary = home.fresh_dir("libbpf-tools")?;
    debian::download(&task, &["libbpf-tools"], home, &temporary)?;
    publish(&temporary, &home.snoops())?;
    task.done("unpacked from Debian's package libbpf-tools");
    Ok(())
}

/// Without what it only recommends, and so without a C library, which plugins do not use.
fn clang(home: &Home, progress: &Progress) -> anyhow::Result<()> {
    let task = progress.task("clang");
    let temporary = home.fresh_dir("clang")?;
    let release = version::DEBIAN_LLVM;
    let packages = [
        format!("clang-{release}"),
        format!("libclang-cpp{release}"),
        format!("libclang-common-{release}-dev"),
        format!("libllvm{release}"),
    ];
    debian::download(&task, &packages.each_ref().map(String::as_str), home, &temporary)?;
    let program = home.clang().join(format!("usr/bin/clang-{release}"));
    debian::wrap(&temporary, &home.clang(), &program, "clang")?;
    publish(&temporary, &home.clang())?;
    task.done("unpacked from Debian's packages");
    Ok(())
}

/// A script of its own, since pip's are bound to the folder that they were made in.
fn componentize_py(home: &Home, progress: &Progress) -> anyhow::Result<()> {
    let task = progress.task("componentize-py");
    let temporary = home.fresh_dir("componentize-py")?;
    venv(
        &task,
        &temporary,
        &[format!("componentize-py=={}", version::COMPONENTIZE_PY)],
    )?;
    let python = home.componentize_py().join("bin/python");
    let start = "import sys, componentize_py; sys.exit(componentize_py.script())";
    let script = format!("#!/bin/sh\nexec '{}' -c '{start}' \"$@\"\n", python.display());
    fs::write(temporary.join("bin/componentize-py"), script)?;
    publish(&temporary, &home.componentize_py())?;
    task.done("from PyPI");
    Ok(())
}

fn componentize_js(home: &Home, progress: &Progress) -> anyhow::Result<()> {
    let task = progress.task("componentize-js");
    let temporary = home.fresh_dir("componentize-js")?;
    let package = format!("@bytecodealliance/componentize-js@{}", version::COMPONENTIZE_JS);
    let mut npm = child::cross("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"])
        .arg(&temporary)
        .arg(package);
    task.run(&mut npm, LIMIT)?;
    publish(&temporary, &home.componentize_js())?;
    task.done("from npm");
    Ok(())
}

fn python(home: &Home, progress: &Progress) -> anyhow::Result<()> {
    let task = progress.task("Python packages");
    let temporary = home.fresh_dir("python")?;
    let packages = [
        format!("prometheus-client=={}", version::PROMETHEUS_CLIENT),
        format!("duckdb=={}", version::DUCKDB),
        format!("polars=={}", version::POLARS),
    ];
    venv(&task, &temporary, &packages)?;
    publish(&temporary, &home.python())?;
    task.done(&format!("{} from PyPI", packages.join(", ")));
    Ok(())
}

/// Packages in a Python environment of their own.
fn venv(task: &Task<'_>, folder: &Path, packages: &[String]) -> anyhow::Result<()> {
    task.run(child::cross("python3").args(["-m", "venv"]).arg(folder), LIMIT)
        .context("`python3 -m venv` failed: on Debian it needs the package python3-venv")?;
    let mut pip = child::cross(folder.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary=:all:",
    ]);
    task.run(pip.args(packages), LIMIT)
}
