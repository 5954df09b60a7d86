//! A daemon and its plugin directory.
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::Daemon;

/// Files are complete soon, and states on disk early.
const CONFIG: &str = "plugins.settle_ms = 100\nplugins.limits.snapshot_every_s = 1\n";

/// A plugin directory, and all else that a daemon keeps. It outlives the daemon.
pub(crate) struct Site(Arc<TempDir>);

impl Site {
    pub(crate) fn new() -> Site {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(directory.path().join("plugins")).expect("a plugin directory");
        Site(Arc::new(directory))
    }

    pub(crate) fn start(&self) -> Daemon {
        Daemon::start_in(self.0.clone(), CONFIG, &[])
    }

    /// Something that the daemon keeps.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file of the plugin directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path("plugins").join(name)
    }

    /// Puts a file in place as a deployment should: whole, by one rename.
    pub(crate) fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let new = self.file(&format!(".{name}.new"));
        fs::write(&new, bytes).expect("written");
        fs::rename(&new, self.file(name)).expect("renamed");
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.file(name)).expect("a file to remove");
    }
}

impl Daemon {
    /// What /plugins shows of one that runs.
    pub(crate) fn plugin(&self, mode: &str, name: &str) -> Option<Value> {
        let plugins = self.plugins();
        let mut running = plugins["running"].as_array().expect("a list").iter();
        running
            .find(|plugin| plugin["mode"] == mode && plugin["plugin"]["name"] == name)
            .cloned()
    }

    /// Why a file of the plugin directory is refused.
    pub(crate) fn refusal(&self, file: &str) -> Option<String> {
        let file = self.directory.path().join("plugins").join(file).display().to_string();
        let plugins = self.plugins();
        let mut refused = plugins["refused"].as_array().expect("a list").iter();
        let refusal = refused.find(|refused| refused["file"] == file)?;
        Some(refusal["reason"].as_str().expect("a reason").to_owned())
    }

    /// Waits for an active plugin to be as `is` says.
    pub(crate) fn wait_plugin(&mut self, what: &str, name: &str, is: impl Fn(&Value) -> bool) -> Value {
        self.wait_for(what, |daemon| daemon.plugin("active", name).filter(|plugin| is(plugin)))
    }

    /// Waits for that many exchanges of an active plugin.
    pub(crate) fn wait_swaps(&mut self, name: &str, swaps: u64) -> Value {
        self.wait_plugin(&format!("swap {swaps} of {name}"), name, |plugin| {
            plugin["reloads"]["swapped"] == swaps
        })
    }

    /// Waits for a file to be refused with these words.
    pub(crate) fn wait_refused(&mut self, file: &str, words: &str) -> String {
        self.wait_for(&format!("{file} to be refused with `{words}`"), |daemon| {
            daemon.refusal(file).filter(|reason| reason.contains(words))
        })
    }

    /// Waits for a sum of series to reach a value.
    pub(crate) fn wait_sum(&mut self, family: &str, labels: &[&str], least: f64) -> f64 {
        self.wait_for(&format!("{family} {labels:?} to reach {least}"), |daemon| {
            let sum = daemon.metrics().sum(family, labels);
            (sum >= least).then_some(sum)
        })
    }

    /// What of its events a plugin did not get. Its ledger must be closed.
    pub(crate) fn drops(&self, plugin: &str) -> f64 {
        let metrics = self.metrics();
        let labels = ["stage=\"plugin\"", &format!("plugin=\"{plugin}\"")];
        let [entered, left, dropped] =
            ["in", "out", "dropped"].map(|way| metrics.sum(&format!("vespid_events_{way}_total"), &labels));
        assert!(
            (entered - left - dropped).abs() < 0.5,
            "{plugin}: {entered} in, {left} out, {dropped} dropped"
        );
        dropped
    }

    /// Ends it as systemd would; it must end well.
    pub(crate) fn stop_well(self) -> String {
        let (code, log, _) = self.stop();
        assert_eq!(code, 0, "{log}");
        assert!(!log.contains("panicked"), "{log}");
        log
    }
}

/// Does something again and again on a thread of its own, until dropped.
pub(crate) struct Meanwhile(Option<Sender<()>>, Option<JoinHandle<()>>);

impl Meanwhile {
    pub(crate) fn every(pause: Duration, mut act: impl FnMut() + Send + 'static) -> Meanwhile {
        let (stop, stopped) = bounded(0);
        let run = move || {
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                act();
            }
        };
        Meanwhile(Some(stop), Some(std::thread::spawn(run)))
    }

    /// Opens files.
    pub(crate) fn opens() -> Meanwhile {
        Meanwhile::every(Duration::from_millis(2), || {
            (0..10).for_each(|_| drop(fs::File::open("/etc/hostname")));
        })
    }
}

impl Drop for Meanwhile {
    fn drop(&mut self) {
        self.0.take();
        let done = self.1.take().expect("a thread").join();
        assert!(done.is_ok() || std::thread::panicking());
    }
}
