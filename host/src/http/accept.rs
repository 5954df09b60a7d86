//! Which text format a scraper asks for.

use crate::metrics::Format;

/// Chooses by the `Accept` header (RFC 9110, 12.5.1). OpenMetrics must be named; whoever accepts anything, or nothing
/// that there is, gets Prometheus text, as from every other exporter.
pub(super) fn format(accept: &str) -> Format {
    let (mut openmetrics, mut prometheus) = (None, None);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
        let (mut quality, mut version) = (1.0_f64, None);
        for (name, value) in parts.filter_map(|parameter| parameter.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "q" => quality = value.parse().unwrap_or(0.0),
                "version" => version = Some(value),
                _ => {}
            }
        }
        match media_type.as_str() {
            "application/openmetrics-text" if matches!(version, None | Some("1.0.0")) => {
                openmetrics = openmetrics.max(Some(thousandths(quality)));
            }
            "text/plain" if matches!(version, None | Some("0.0.4")) => {
                prometheus = prometheus.max(Some(thousandths(quality)));
            }
            _ => {}
        }
    }
    match openmetrics {
        Some(quality) if quality > 0 && quality >= prometheus.unwrap_or(0) => Format::OpenMetrics,
        _ => Format::Prometheus,
    }
}

/// A quality value has at most three digits after the point. The cast saturates, and reads NaN as 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0..=1000"
)]
fn thousandths(quality: f64) -> u32 {
    (quality.clamp(0.0, 1.0) * 1_000.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(accept: &str, expected: Format) {
        assert_eq!(format(accept), expected, "Accept: {accept}");
    }

    #[test]
    fn prometheus_itself_gets_openmetrics() {
        // 2.42 and 3.x send these.
        check(
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            Format::OpenMetrics,
        );
        check(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            Format::OpenMetrics,
        );
    }

    #[test]
    fn people_and_old_tools_get_prometheus_text() {
        check("", Format::Prometheus);
        check("*/*", Format::Prometheus);
        check(
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            Format::Prometheus,
        );
        check("application/openmetrics-text;version=0.0.1", Format::Prometheus);
        check("application/json", Format::Prometheus);
    }

    #[test]
    fn quality_decides_between_the_two() {
        check(
            "application/openmetrics-text;q=0.3, text/plain;q=0.7",
            Format::Prometheus,
        );
        check(
            "text/plain;q=0.3, Application/OpenMetrics-Text; Version=\"1.0.0\"; Q=0.7",
            Format::OpenMetrics,
        );
        check("application/openmetrics-text;q=0", Format::Prometheus);
        check("application/openmetrics-text", Format::OpenMetrics);
        check(
            "application/openmetrics-text;q=NaN, ;;,=,text/plain;q=-1",
            Format::Prometheus,
        );
    }
}
