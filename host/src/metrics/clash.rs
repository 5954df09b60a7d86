//! Two plugins can mean different things by one name on the page: `tcp` with a metric `stats_x`, and `tcp-stats` with `x`.
//! That is told before the second one starts.
use super::descriptor::{BadMetric, Descriptor};
use crate::interface::vespid::plugin::describe::Metric;

/// Every name that a plugin's metrics take from /metrics: those of its families, and those of their samples, such as
/// `…_total` and `…_bucket`.
///
/// # Errors
/// If a metric could not be exported under the plugin's name.
pub fn exported_names(plugin: &str, metrics: &[Metric]) -> Result<Vec<String>, BadMetric> {
    let described = Descriptor::of_plugin(plugin, metrics)?;
    Ok(described.iter().flat_map(Descriptor::sample_names).collect())
}

/// Why a plugin's metrics cannot be shown beside those of the daemon and of `others`, each with its [`exported_names`];
/// `None` if they can. An entry of the plugin's own name is an older version of it, and no obstacle.
#[must_use]
pub fn clash(plugin: &str, metrics: &[Metric], others: &[(String, Vec<String>)]) -> Option<String> {
    let described = match Descriptor::of_plugin(plugin, metrics) {
        Ok(described) => described,
        Err(error) => return Some(error.to_string()),
    };
    described.iter().zip(metrics).find_map(|(descriptor, metric)| {
        let names = descriptor.sample_names();
        let (other, taken) = others
            .iter()
            .filter(|(other, _)| other != plugin)
            .find_map(|(other, theirs)| {
                let taken = names.iter().find(|name| theirs.contains(name))?;
                Some((other, taken))
            })?;
        Some(format!(
            "metric `{}` would be exported as `{taken}`, which the plugin `{other}` has already; rename one of the two \
             metrics or plugins",
            metric.name
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interface::vespid::plugin::describe::MetricKind;

    fn metric(name: &str, unit: &str, kind: MetricKind) -> Metric {
        Metric {
            name: name.into(),
            help: "Help.".into(),
            kind,
            unit: unit.into(),
            labels: Vec::new(),
            buckets: if kind == MetricKind::Histogram {
                vec![1.0]
            } else {
                Vec::new()
            },
        }
    }

    /// What is said about `tcp-stats` with one metric beside `tcp` with another.
    #[track_caller]
    fn check(new: Metric, other: Metric, expected: Option<&str>) {
        let names = exported_names("tcp", &[other]).expect("sound metrics");
        let others = [("tcp".to_owned(), names)];
        assert_eq!(clash("tcp-stats", &[new], &others).as_deref(), expected);
    }

    #[test]
    fn one_name_for_two_things_is_told_with_both_owners() {
        use MetricKind::{Counter, Gauge, Histogram};
        let taken = |metric: &str, exported: &str| {
            format!(
                "metric `{metric}` would be exported as `{exported}`, which the plugin `tcp` has already; rename one of \
                 the two metrics or plugins"
            )
        };
        check(
            metric("x", "", Gauge),
            metric("stats_x", "", Gauge),
            Some(&taken("x", "tcp_stats_x")),
        );
        check(
            metric("rtt_seconds", "", Gauge),
            metric("stats_rtt", "seconds", Gauge),
            Some(&taken("rtt_seconds", "tcp_stats_rtt_seconds")),
        );
        check(
            metric("x", "", Counter),
            metric("stats_x", "total", Gauge),
            Some(&taken("x", "tcp_stats_x_total")),
        );
        check(
            metric("x", "bucket", Gauge),
            metric("stats_x", "", Histogram),
            Some(&taken("x", "tcp_stats_x_bucket")),
        );
        check(metric("x", "", Gauge), metric("x", "", Gauge), None);
        check(metric("x_y", "", Gauge), metric("stats_x", "", Gauge), None);
    }

    #[test]
    fn the_daemons_names_are_taken_and_a_plugins_own_are_not() {
        let gauge = |name| [metric(name, "", MetricKind::Gauge)];
        let said = clash("vespid", &gauge("x"), &[]).expect("taken");
        assert!(said.contains("`vespid_x`, which is taken"), "{said}");
        let before = vec!["tcp_x".to_owned()];
        assert_eq!(clash("tcp", &gauge("x"), &[("tcp".to_owned(), before)]), None);
    }
}
