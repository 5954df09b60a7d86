//! `{{name}}`: reports programs that are run from folders where programs do not belong, and counts all runs.
use vespid_plugin::prelude::*;
use vespid_plugin::{Exec, Process};

/// What can be set in `{{name}}.toml`. The comments become the descriptions that `vespid plugin inspect` shows.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Programs that are run from here, or from below, are reported.
    pub folders: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            folders: ["/tmp", "/var/tmp", "/dev/shm"].map(String::from).to_vec(),
        }
    }
}

/// The plugin: what it keeps between batches.
pub struct Detector {
    folders: Vec<String>,
    runs: Counter<1>,
}

impl Plugin for Detector {
    const MANIFEST: Manifest = Manifest::new(
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
        env!("CARGO_PKG_DESCRIPTION"),
    )
    // What is not subscribed to is not even collected. The others: `exits()`, `connections()`, `opens()`, `changes()`,
    // `privileged()`, `sockets()`.
    .execs();
    type Config = Config;
    type Metrics = Counter<1>;

    fn metrics(declare: &Registry) -> Self::Metrics {
        declare
            .counter("runs", "Programs run, in watched folders and elsewhere.")
            .labels(["place"])
    }

    fn new(config: Config, runs: Self::Metrics) -> Result<Self, String> {
        let mut folders = config.folders;
        if let Some(relative) = folders.iter().find(|folder| !folder.starts_with('/')) {
            return Err(format!("`folders` are absolute paths, and `{relative}` is not"));
        }
        for folder in &mut folders {
            folder.truncate(folder.trim_end_matches('/').len());
        }
        Ok(Detector { folders, runs })
    }

    fn on_batch(&mut self, batch: Batch<'_>, out: &mut Report) -> Result<(), String> {
        for exec in batch.execs().filter(|exec| !exec.failed()) {
            let Some(process) = exec.process() else { continue };
            let Some((folder, path)) = self.watched(exec, process) else {
                self.runs.with([b"elsewhere"]).inc();
                continue;
            };
            self.runs.with([b"watched"]).inc();
            out.verdict("run-from-folder", Severity::Warning)
                .about(&exec)
                .message(format!("{} was run from {folder}: {}", text(process.comm()), text(path)))
                .key(text(path).to_string())
                .field("folder", folder);
        }
        Ok(())
    }
}

impl Detector {
    /// The watched folder that a program is in, and the program's path. Of a script, `exe` is the interpreter and
    /// `filename` the script.
    fn watched<'a>(&self, exec: Exec<'a>, process: Process<'a>) -> Option<(&str, &'a [u8])> {
        [process.exe(), exec.filename()].into_iter().find_map(|path| {
            let is_below = |folder: &&String| {
                let rest = path.strip_prefix(folder.as_bytes());
                rest.is_some_and(|rest| rest.starts_with(b"/"))
            };
            self.folders.iter().find(is_below).map(|folder| (folder.as_str(), path))
        })
    }
}

vespid_plugin::export!(Detector);

// Logic is quickest to try natively: `cargo test`. What becomes of it as a component is in `cases/`: `vespid plugin test`.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_in_a_watched_folder_is_reported_and_its_neighbour_is_not() {
        let mut plugin = testing::Harness::<Detector>::start(r#"{"folders": ["/tmp/"]}"#).unwrap();
        let mut batch = testing::BatchBuilder::new();
        for program in ["/tmp/x", "/tmpfiles/y", "/usr/bin/cat"] {
            let process = batch.process(program).id();
            batch.exec(process);
        }
        assert_eq!(
            plugin.batch(&batch).lines(),
            ["warning run-from-folder: x was run from /tmp: /tmp/x"]
        );
        assert_eq!(plugin.value("runs", ["elsewhere"]), Some(2.0));
    }

    #[test]
    fn a_relative_folder_is_refused() {
        assert!(testing::Harness::<Detector>::start(r#"{"folders": ["tmp"]}"#).is_err());
    }
}
