//! Which events the rules can be about: all others are left out before they are described.
//!
//! Rules that differ in nothing but their files share a filter: for what the kernel cannot leave out, the daemon then
//! looks a path up once for all of them.
use std::collections::BTreeMap;
use std::time::Duration;

use vespid_plugin::{Filter, Pattern};

use crate::access::Access;
use crate::change;
use crate::config::expand;
use crate::rule_config::{Processes, Results, RuleConfig};

/// One access of many is enough to say so; the others are counted.
const MERGED: Duration = Duration::from_secs(1);
/// Patterns that the daemon takes with one filter.
const MOST_PATTERNS: usize = 4096;

/// A table, and kinds of access that its rows can be: an open's are asked for one by one, so that most opens, which only
/// read, are looked up once.
const ASKED: [(Table, Access); 5] = [
    (Table::Opens, Access::READ),
    (Table::Opens, Access::WRITE),
    (Table::Opens, Access::DESTROY),
    (Table::Changes, Access::OF_CHANGES),
    (Table::Execs, Access::EXECUTE),
];

#[derive(Clone, Copy, PartialEq)]
enum Table {
    Opens,
    Changes,
    Execs,
}

/// What several rules have in common. Exceptions are left to the plugin, which counts them.
#[derive(PartialEq)]
struct Conditions {
    table: Table,
    access: Access,
    results: Results,
    processes: Processes,
    executables: Vec<String>,
}

/// Lists of patterns by name.
type Groups = BTreeMap<String, Vec<String>>;

/// The filters of some rules.
pub(crate) fn filters<'a>(
    rules: impl IntoIterator<Item = &'a RuleConfig>,
    groups: &Groups,
) -> Result<Vec<Filter>, String> {
    let mut shared: Vec<(Conditions, Vec<Pattern>)> = Vec::new();
    for rule in rules {
        let executables = executables(rule, groups)?;
        for (table, asked) in ASKED {
            let conditions = Conditions {
                table,
                access: rule.access & asked,
                results: rule.results,
                processes: rule.processes,
                executables: executables.clone(),
            };
            if conditions.access.is_none() {
                continue;
            }
            let more: Vec<_> = patterns(rule).collect();
            let fits = |(of, paths): &&mut (_, Vec<_>)| *of == conditions && paths.len() + more.len() <= MOST_PATTERNS;
            match shared.iter_mut().find(fits) {
                Some((_, paths)) => paths.extend(more),
                None => shared.push((conditions, more)),
            }
        }
    }
    // A table that no rule is about is not wanted at all.
    let never = [
        Filter::opens().never(),
        Filter::changes([]).never(),
        Filter::execs().never(),
    ];
    let shared = shared
        .into_iter()
        .map(|(conditions, paths)| conditions.filter().paths(paths));
    Ok(never.into_iter().chain(shared).collect())
}

/// The executables that a rule is about; none if it is about all. A name alone is one in any folder, or in none (`memfd`):
/// that is left to the plugin.
fn executables(rule: &RuleConfig, groups: &Groups) -> Result<Vec<String>, String> {
    let only = expand(&rule.only, groups)?;
    let are_paths = only.iter().all(|pattern| pattern.contains('/'));
    Ok(if are_paths { only } else { Vec::new() })
}

impl Conditions {
    fn filter(self) -> Filter {
        let filter = match self.table {
            Table::Opens => {
                let opens = Filter::opens().merged_within(MERGED);
                match self.access {
                    Access::READ => opens.reads(),
                    Access::WRITE => opens.writes(),
                    _ => opens.truncates(),
                }
            }
            Table::Changes => Filter::changes(change::ops(self.access)),
            Table::Execs => Filter::execs(),
        };
        let filter = match self.results {
            Results::Success => filter.succeeded(),
            Results::Failed => filter.failed(),
            Results::Both => filter,
        }
        .executables(self.executables.iter().map(Pattern::glob));
        match self.processes {
            Processes::Host => filter.on_the_host(),
            Processes::Container => filter.in_containers(),
            Processes::Both => filter,
        }
    }
}

fn patterns(rule: &RuleConfig) -> impl Iterator<Item = Pattern> {
    let exact = rule.path.0.iter().map(Pattern::exact);
    let prefixes = rule.prefix.0.iter().map(Pattern::prefix);
    let globs = rule.glob.0.iter().map(Pattern::glob);
    exact.chain(prefixes).chain(globs)
}
