//! The independent judges of our metrics and tables: Prometheus' promtool, the OpenMetrics parser of Python's
//! prometheus-client, DuckDB and Polars.
//!
//! Only tests need them, and tests without them are skipped aloud: so a failure here is a warning, unless
//! `VESPID_REQUIRE_TOOLS` is set.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use super::home::{Home, publish};
use super::machine::on_path;
use super::{debian, version};
use crate::child;
use crate::progress::Progress;

const LIMIT: Duration = Duration::from_secs(600);

/// Where the tools are.
#[derive(Debug, Default)]
pub(crate) struct TestTools {
    /// `promtool`.
    pub(crate) promtool: Option<PathBuf>,
    /// A Python that can import `prometheus_client`, `duckdb` and `polars`.
    pub(crate) python: Option<PathBuf>,
}

impl TestTools {
    /// Looks for what is there, installing nothing.
    pub(crate) fn find(home: &Home) -> Self {
        let own = home.prometheus().join("usr/bin/promtool");
        let python = home.python().join("bin/python");
        Self {
            promtool: own.exists().then_some(own).or_else(|| on_path("promtool")),
            python: python.exists().then_some(python),
        }
    }

    pub(crate) fn promtool_text(&self) -> Option<String> {
        self.promtool.as_ref().map(|path| path.display().to_string())
    }

    pub(crate) fn python_text(&self) -> Option<String> {
        self.python.as_ref().map(|path| path.display().to_string())
    }
}

/// Finds the tools, installing those that are missing.
///
/// # Errors
/// One cannot be installed, and `VESPID_REQUIRE_TOOLS` is set.
pub(crate) fn install() -> anyhow::Result<TestTools> {
    let home = Home::find()?;
    let found = TestTools::find(&home);
    if found.promtool.is_some() && found.python.is_some() {
        return Ok(found);
    }
    let _lock = home.lock()?;
    let progress = Progress::new(&home.logs());
    let mut outcomes = Vec::new();
    if found.promtool.is_none() {
        outcomes.push(promtool(&home, &progress).context("promtool could not be installed"));
    }
    if found.python.is_none() {
        outcomes.push(
            python(&home, &progress).context("Python's prometheus-client, duckdb and polars could not be installed"),
        );
    }
    let required = std::env::var_os("VESPID_REQUIRE_TOOLS").is_some();
    for outcome in outcomes {
        match outcome {
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

fn python(home: &Home, progress: &Progress) -> anyhow::Result<()> {
    let task = progress.task("Python packages");
    let temporary = home.fresh_dir("python")?;
    task.run(child::cross("python3").args(["-m", "venv"]).arg(&temporary), LIMIT)
        .context("`python3 -m venv` failed: on Debian it needs the package python3-venv")?;
    let packages = [
        format!("prometheus-client=={}", version::PROMETHEUS_CLIENT),
        format!("duckdb=={}", version::DUCKDB),
        format!("polars=={}", version::POLARS),
    ];
    let mut pip = child::cross(temporary.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary=:all:",
    ]);
    pip.args(&packages);
    task.run(&mut pip, LIMIT)?;
    publish(&temporary, &home.python())?;
    task.done(&format!("{} from PyPI", packages.join(", ")));
    Ok(())
}
