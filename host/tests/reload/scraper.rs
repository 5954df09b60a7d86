//! Scrapes without a pause, and sees to it that no counter ever goes backwards.
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::site::Meanwhile;
use crate::support::get;

#[derive(Default)]
struct Seen {
    scrapes: u64,
    last: HashMap<String, f64>,
    faults: Vec<String>,
}

/// Scrapes until it is asked what it has seen.
pub(crate) struct Scraper(Arc<Mutex<Seen>>, Meanwhile);

impl Scraper {
    pub(crate) fn start(address: SocketAddr) -> Scraper {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = seen.clone();
        let act = move || {
            if let Some((200, page)) = get(address, "/metrics", "text/plain") {
                shared.lock().expect("nobody panics with it").add(&page);
            }
        };
        Scraper(seen, Meanwhile::every(Duration::from_millis(2), act))
    }

    /// Fails if a counter went backwards. How many scrapes there were.
    pub(crate) fn finish(self) -> u64 {
        drop(self.1);
        let seen = self.0.lock().expect("nobody panics with it");
        assert!(
            seen.faults.is_empty(),
            "in {} scrapes: {:#?}",
            seen.scrapes,
            seen.faults
        );
        seen.scrapes
    }
}

impl Seen {
    fn add(&mut self, page: &str) {
        self.scrapes += 1;
        let monotonic: HashSet<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
            .filter(|(_, kind)| matches!(*kind, "counter" | "histogram"))
            .map(|(family, _)| family)
            .collect();
        let mut names = HashSet::new();
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, value)) = line.rsplit_once(' ') else {
                continue;
            };
            if !names.insert(name) {
                self.faults.push(format!("{name} twice on one page"));
            }
            let sample = name.split('{').next().unwrap_or_default();
            let stem = ["_bucket", "_count", "_sum"]
                .iter()
                .find_map(|end| sample.strip_suffix(end));
            if !monotonic.contains(sample) && !stem.is_some_and(|stem| monotonic.contains(stem)) {
                continue;
            }
            let value: f64 = value.parse().expect("a number");
            let last = self.last.insert(name.to_owned(), value).unwrap_or(0.0);
            if value < last {
                self.faults.push(format!("{name} went from {last} to {value}"));
            }
        }
        // A series that was there stays there: a hole in a counter is a reset to whoever adds up.
        let gone: Vec<&String> = self.last.keys().filter(|name| !names.contains(name.as_str())).collect();
        self.faults
            .extend(gone.into_iter().map(|name| format!("{name} is gone")));
    }
}
