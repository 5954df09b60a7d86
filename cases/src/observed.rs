//! What a run gave.
use serde_json::Value as Json;

/// What a run gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The verdicts in order: each as the JSON object that a line of verdicts is.
    pub verdicts: Vec<Json>,
    /// The metrics' series at the end.
    pub samples: Vec<Sample>,
    /// Names of all metrics that the plugin has, with a series or without.
    pub metrics: Vec<String>,
}

/// A series.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Name of its metric, without the plugin's prefix.
    pub name: String,
    /// Label names and values.
    pub labels: Vec<(String, String)>,
    /// A counter's or gauge's value, a histogram's number of observations.
    pub value: f64,
}
