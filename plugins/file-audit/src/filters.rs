//! Which events the rules can be about: all others are left out before they are described.
use std::collections::BTreeMap;
use std::time::Duration;

use vespid_plugin::{Filter, Pattern};

use crate::access::Access;
use crate::change;
use crate::config::{Processes, Results, RuleConfig, expand};

/// One access of many is enough to say so; the others are counted.
const MERGED: Duration = Duration::from_secs(1);

/// Lists of patterns by name.
type Groups = BTreeMap<String, Vec<String>>;

/// The filters of some rules. Exceptions are left to the plugin, which counts them.
pub(crate) fn filters<'a>(
    rules: impl IntoIterator<Item = &'a RuleConfig>,
    groups: &Groups,
) -> Result<Vec<Filter>, String> {
    // A table that no rule is about is not wanted at all.
    let mut filters = vec![
        Filter::opens().never(),
        Filter::changes([]).never(),
        Filter::execs().never(),
    ];
    for rule in rules {
        if rule.access.has(Access::READ | Access::WRITE | Access::DESTROY) {
            let mut opens = Filter::opens().merged_within(MERGED);
            for (access, with) in [
                (Access::READ, Filter::reads as fn(Filter) -> Filter),
                (Access::WRITE, Filter::writes),
                (Access::DESTROY, Filter::truncates),
            ] {
                if rule.access.has(access) {
                    opens = with(opens);
                }
            }
            filters.push(of(opens, rule, groups)?);
        }
        if rule.access.is_of_changes() {
            filters.push(of(Filter::changes(change::ops(rule.access)), rule, groups)?);
        }
        if rule.access.has(Access::EXECUTE) {
            filters.push(of(Filter::execs(), rule, groups)?);
        }
    }
    Ok(filters)
}

fn of(filter: Filter, rule: &RuleConfig, groups: &Groups) -> Result<Filter, String> {
    let exact = rule.path.0.iter().map(Pattern::exact);
    let prefixes = rule.prefix.0.iter().map(Pattern::prefix);
    let globs = rule.glob.0.iter().map(Pattern::glob);
    let filter = filter.paths(exact.chain(prefixes).chain(globs));
    let filter = match rule.results {
        Results::Success => filter.succeeded(),
        Results::Failed => filter.failed(),
        Results::Both => filter,
    };
    let filter = match rule.processes {
        Processes::Host => filter.on_the_host(),
        Processes::Container => filter.in_containers(),
        Processes::Both => filter,
    };
    // A name alone is one in any folder, or in none (`memfd`): that is left to the plugin.
    let only = expand(&rule.only, groups)?;
    Ok(if only.iter().all(|pattern| pattern.contains('/')) {
        filter.executables(only.iter().map(Pattern::glob))
    } else {
        filter
    })
}
