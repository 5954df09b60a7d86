//! Which components have had their look-back: the last one of each plugin, in a file beside the states.
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// Most plugins that are kept in mind; a file that has more is cut.
const MOST: usize = 4096;
/// Longest file that is read.
const MOST_BYTES: u64 = 1 << 20;

/// Digests by plugin.
#[derive(Debug, Default)]
pub struct Seen {
    file: Option<PathBuf>,
    digests: BTreeMap<String, String>,
}

impl Seen {
    /// What `file` says; without one, nothing is kept beyond the daemon's end.
    #[must_use]
    pub fn open(file: Option<PathBuf>) -> Seen {
        let mut seen = Seen {
            file,
            digests: BTreeMap::new(),
        };
        match seen.read() {
            Ok(digests) => seen.digests = digests,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!("which plugins had their look-back cannot be read: {error}"),
        }
        seen
    }

    /// Whether a plugin's component had its look-back.
    #[must_use]
    pub fn has(&self, plugin: &str, digest: &str) -> bool {
        self.digests.get(plugin).is_some_and(|seen| seen == digest)
    }

    /// It has now.
    pub fn note(&mut self, plugin: &str, digest: &str) {
        if self.digests.len() >= MOST {
            self.digests.pop_first();
        }
        self.digests.insert(plugin.to_owned(), digest.to_owned());
        if let Err(error) = self.write() {
            tracing::warn!(
                plugin,
                "that the plugin had its look-back cannot be written down: {error}"
            );
        }
    }

    fn read(&self) -> io::Result<BTreeMap<String, String>> {
        let Some(file) = &self.file else {
            return Ok(BTreeMap::new());
        };
        let mut text = String::new();
        fs::File::open(file)?.take(MOST_BYTES).read_to_string(&mut text)?;
        let line = |line: &str| {
            let (plugin, digest) = line.split_once(' ')?;
            Some((plugin.to_owned(), digest.to_owned()))
        };
        Ok(text.lines().filter_map(line).take(MOST).collect())
    }

    /// Whole or not at all.
    fn write(&self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let temporary = file.with_extension("new");
        let text: String = self
            .digests
            .iter()
            .map(|(plugin, digest)| format!("{plugin} {digest}\n"))
            .collect();
        let mut options = fs::OpenOptions::new();
        let mut out = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        io::Write::write_all(&mut out, text.as_bytes())?;
        out.sync_all()?;
        fs::rename(&temporary, file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_component_of_each_plugin_is_remembered_across_daemons() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = Some(folder.path().join("look-backs"));
        let mut seen = Seen::open(file.clone());
        assert!(!seen.has("a", "1"));
        seen.note("a", "1");
        seen.note("b", "1");
        seen.note("a", "2");
        let again = Seen::open(file);
        assert!(again.has("a", "2") && again.has("b", "1"));
        assert!(!again.has("a", "1"), "an older component is a new one again");
    }

    #[test]
    fn a_damaged_file_says_nothing_and_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("look-backs");
        fs::write(&file, b"\xff\xfe nonsense\nno-digest\n").expect("a file");
        let mut seen = Seen::open(Some(file.clone()));
        assert!(!seen.has("no-digest", ""));
        seen.note("a", "1");
        assert!(Seen::open(Some(file)).has("a", "1"));
    }

    #[test]
    fn without_a_file_it_lasts_as_long_as_the_daemon() {
        let mut seen = Seen::open(None);
        seen.note("a", "1");
        assert!(seen.has("a", "1"));
    }
}
