//! A rule, ready to be held against events.
use std::collections::BTreeMap;

use vespid_plugin::Globs;
use vespid_plugin::prelude::*;

use crate::access::Access;
use crate::config::expand;
use crate::rule_config::{Processes, Results, RuleConfig};

pub(crate) struct Rule {
    pub(crate) key: String,
    pub(crate) access: Access,
    pub(crate) severity: Severity,
    pub(crate) results: Results,
    pub(crate) processes: Processes,
    pub(crate) except: Globs,
    pub(crate) only: Globs,
    pub(crate) tags: Vec<String>,
}

impl Rule {
    pub(crate) fn new(config: &RuleConfig, groups: &BTreeMap<String, Vec<String>>) -> Result<Self, String> {
        if config.key.is_empty() {
            return Err(format!("a rule has no `key`: {config:?}"));
        }
        let wrong = |what: String| format!("rule `{}`: {what}", config.key);
        let places = [&config.path.0, &config.prefix.0, &config.glob.0];
        if places.iter().all(|places| places.is_empty()) {
            return Err(wrong("it has no `path`, `prefix` or `glob`".to_owned()));
        }
        // A pattern may begin with alternatives or with `**`.
        let relative = places
            .iter()
            .flat_map(|places| places.iter())
            .find(|place| !place.starts_with(['/', '{', '*']));
        if let Some(relative) = relative {
            return Err(wrong(format!("`{relative}` is no absolute path")));
        }
        Ok(Rule {
            key: config.key.clone(),
            access: config.access,
            severity: config.severity.into(),
            results: config.results,
            processes: config.processes,
            except: Globs::new(expand(&config.except, groups).map_err(wrong)?),
            only: Globs::new(expand(&config.only, groups).map_err(wrong)?),
            tags: config.tags.clone(),
        })
    }
}
