//! A page of /metrics, read back.
use std::collections::BTreeMap;

/// The daemon's numbers at one moment.
#[derive(Clone, Debug, Default)]
pub struct Page(Vec<Sample>);

#[derive(Clone, Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Page {
    /// Reads the Prometheus text format. The label values looked at here have no escapes in them.
    #[must_use]
    pub fn parse(text: &str) -> Page {
        Page(text.lines().filter_map(sample).collect())
    }

    /// The sum of a metric's samples that have these labels.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.with(name, labels).map(|sample| sample.value).sum()
    }

    /// The same by the values of one more label.
    #[must_use]
    pub fn by(&self, name: &str, labels: &[(&str, &str)], label: &str) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for sample in self.with(name, labels) {
            if let Some(value) = sample.labels.get(label) {
                *sums.entry(value.clone()).or_default() += sample.value;
            }
        }
        sums
    }

    fn with(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = &Sample> {
        self.0.iter().filter(move |sample| {
            let has = |(name, value): &(&str, &str)| sample.labels.get(*name).is_some_and(|found| found == value);
            sample.name == name && labels.iter().all(has)
        })
    }

    /// Upper bounds of a histogram's buckets, and how many more observations than in `before` are in each or below.
    #[must_use]
    pub fn buckets_since(&self, before: &Page, name: &str) -> Vec<(f64, f64)> {
        let name = format!("{name}_bucket");
        let earlier = before.by(&name, &[], "le");
        let buckets = self.by(&name, &[], "le").into_iter().map(|(bound, count)| {
            let more = count - earlier.get(&bound).copied().unwrap_or_default();
            (bound.parse().unwrap_or(f64::INFINITY), more)
        });
        let mut buckets: Vec<(f64, f64)> = buckets.collect();
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        buckets
    }
}

/// The bucket's upper bound that a share of the observations does not exceed.
#[must_use]
pub fn quantile(buckets: &[(f64, f64)], share: f64) -> f64 {
    let all = buckets.last().map_or(0.0, |(_, count)| *count);
    let found = buckets.iter().find(|(_, count)| *count >= all * share);
    found.map_or(f64::NAN, |(bound, _)| *bound)
}

fn sample(line: &str) -> Option<Sample> {
    if line.starts_with('#') {
        return None;
    }
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let labels = labels.trim_end_matches('}').split("\",").filter_map(|label| {
        let (name, value) = label.split_once("=\"")?;
        Some((name.to_owned(), value.trim_end_matches('"').to_owned()))
    });
    Some(Sample {
        name: name.to_owned(),
        labels: labels.collect(),
        value: value.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# TYPE vespid_events_in_total counter\n\
                        vespid_events_in_total{stage=\"kernel\",kind=\"open\"} 7\n\
                        vespid_events_in_total{stage=\"kernel\",kind=\"exec\"} 5\n\
                        vespid_lag_seconds_bucket{plugin=\"a\",le=\"0.1\"} 90\n\
                        vespid_lag_seconds_bucket{plugin=\"a\",le=\"+Inf\"} 100\n\
                        process_cpu_seconds_total 1.5\n";

    #[test]
    fn samples_are_added_up_by_their_labels() {
        let page = Page::parse(TEXT);
        assert_eq!(
            page.sum("vespid_events_in_total", &[("stage", "kernel")]).to_string(),
            "12"
        );
        assert_eq!(page.sum("process_cpu_seconds_total", &[]).to_string(), "1.5");
        let kinds = page.by("vespid_events_in_total", &[], "kind");
        assert_eq!(
            kinds.into_iter().collect::<Vec<_>>(),
            [("exec".to_owned(), 5.0), ("open".to_owned(), 7.0)]
        );
    }

    #[test]
    fn a_quantile_is_the_bound_of_the_bucket_that_has_it() {
        let buckets = Page::parse(TEXT).buckets_since(&Page::default(), "vespid_lag_seconds");
        assert_eq!([0.5, 0.99].map(|share| quantile(&buckets, share)), [0.1, f64::INFINITY]);
    }
}
