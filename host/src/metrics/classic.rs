//! OpenMetrics text rewritten as Prometheus text 0.0.4, for everything that does not ask for OpenMetrics.
//!
//! The samples of the two are the same. What differs, by <https://prometheus.io/docs/instrumenting/exposition_formats/>:
//! a counter's description bears the name of its sample, with `_total`; units and the end are not said; quotes in a help
//! text are not escaped.

/// Rewrites what `prometheus-client` writes: no exemplars, no timestamps, and each family's help before its type.
pub(super) fn from_openmetrics(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut help = None;
    for line in text.lines() {
        let Some(comment) = line.strip_prefix("# ") else {
            out.extend([line, "\n"]);
            continue;
        };
        if let Some(described) = comment.strip_prefix("HELP ") {
            help = described.split_once(' ').map(|(_, help)| help);
        } else if let Some((name, kind)) = comment.strip_prefix("TYPE ").and_then(|typed| typed.split_once(' ')) {
            let suffix = if kind == "counter" { "_total" } else { "" };
            let help = unquoted(help.take().unwrap_or_default());
            out.extend([
                "# HELP ",
                name,
                suffix,
                " ",
                help.as_str(),
                "\n# TYPE ",
                name,
                suffix,
                " ",
                kind,
                "\n",
            ]);
        }
    }
    out
}

fn unquoted(help: &str) -> String {
    let mut out = String::with_capacity(help.len());
    let mut rest = help;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let length = escape.chars().take(2).map(char::len_utf8).sum();
        let (pair, after) = escape.split_at(length);
        out.push_str(if pair == "\\\"" { "\"" } else { pair });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_descriptions_change() {
        let openmetrics = concat!(
            "# HELP a_seconds Say \\\"hi\\\" to C:\\\\\\\"x.\n",
            "# TYPE a_seconds counter\n",
            "# UNIT a_seconds seconds\n",
            "a_seconds_total{pod=\"# TYPE \\\"x\\n\"} 1\n",
            "# HELP b Beta.\n",
            "# TYPE b histogram\n",
            "b_bucket{le=\"+Inf\"} 0\n",
            "# EOF\n",
        );
        let classic = concat!(
            "# HELP a_seconds_total Say \"hi\" to C:\\\\\"x.\n",
            "# TYPE a_seconds_total counter\n",
            "a_seconds_total{pod=\"# TYPE \\\"x\\n\"} 1\n",
            "# HELP b Beta.\n",
            "# TYPE b histogram\n",
            "b_bucket{le=\"+Inf\"} 0\n",
        );
        assert_eq!(from_openmetrics(openmetrics), classic);
    }
}
