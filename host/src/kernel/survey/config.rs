//! The kernel's configuration, where it is shown: what it was built with, for whoever reads about another node.
use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

use super::{Check, Topic};

/// Options that matter, and whether nothing works without them.
const OPTIONS: [(&str, bool); 18] = [
    ("CONFIG_BPF_SYSCALL", true),
    ("CONFIG_BPF_EVENTS", true),
    ("CONFIG_DEBUG_INFO_BTF", true),
    ("CONFIG_FTRACE_SYSCALLS", true),
    ("CONFIG_PERF_EVENTS", true),
    ("CONFIG_BPF_JIT", false),
    ("CONFIG_BPF_LSM", false),
    ("CONFIG_CGROUPS", false),
    ("CONFIG_CGROUP_BPF", false),
    ("CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS", false),
    ("CONFIG_FUNCTION_TRACER", false),
    ("CONFIG_IO_URING", false),
    ("CONFIG_KPROBES", false),
    ("CONFIG_MEMCG", false),
    ("CONFIG_MODULES", false),
    ("CONFIG_SECURITY_LOCKDOWN_LSM", false),
    ("CONFIG_SECURITY_PATH", false),
    ("CONFIG_UPROBES", false),
];

/// The options that matter, as the running kernel or its package shows them; empty if neither does.
pub(super) fn read(release: &str) -> BTreeMap<&'static str, String> {
    let file = fs::read_to_string(format!("/boot/config-{release}"));
    let text = unpacked("/proc/config.gz").or_else(|| file.ok());
    text.map(|text| parse(&text)).unwrap_or_default()
}

/// Nothing of what the daemon is built from unpacks gzip, and every system has a program that does.
fn unpacked(file: &str) -> Option<String> {
    let packed = fs::File::open(file).ok()?;
    let output = Command::new("gzip")
        .arg("-dc")
        .stdin(packed)
        .stderr(Stdio::null())
        .output();
    String::from_utf8(output.ok()?.stdout)
        .ok()
        .filter(|text| !text.is_empty())
}

fn parse(text: &str) -> BTreeMap<&'static str, String> {
    let value = |option: &str| {
        let mut lines = text
            .lines()
            .filter_map(|line| line.strip_prefix(option)?.strip_prefix('='));
        lines.next().unwrap_or("n").to_owned()
    };
    OPTIONS.iter().map(|(option, _)| (*option, value(option))).collect()
}

pub(super) fn check(config: &BTreeMap<&'static str, String>) -> Check {
    const NAME: &str = "kernel configuration";
    if config.is_empty() {
        return Check::good(
            Topic::Kernel,
            NAME,
            "not shown: neither /proc/config.gz nor /boot has it",
        );
    }
    let short = |option: &str| option.trim_start_matches("CONFIG_").to_owned();
    let (set, unset): (Vec<_>, Vec<_>) = config.iter().partition(|(_, value)| *value != "n");
    let names = |options: Vec<(&&'static str, &String)>| -> String {
        let names: Vec<String> = options.into_iter().map(|(option, _)| short(option)).collect();
        names.join(" ")
    };
    let needed = OPTIONS
        .iter()
        .filter(|(option, is_needed)| *is_needed && config[option] == "n");
    let missing: Vec<&str> = needed.map(|(option, _)| *option).collect();
    let found = match unset.is_empty() {
        true => format!("set: {}", names(set)),
        false => format!("set: {}; not set: {}", names(set), names(unset)),
    };
    if missing.is_empty() {
        return Check::good(Topic::Kernel, NAME, found);
    }
    let remedy = format!("use a kernel built with {}", missing.join(", "));
    Check::note(Topic::Kernel, NAME, found, &remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kernel_was_built_with_is_read_from_its_configuration() {
        let text = "CONFIG_BPF_SYSCALL=y\n# CONFIG_KPROBES is not set\nCONFIG_UPROBES_X=y\nCONFIG_MODULES=m\n";
        let config = parse(text);
        assert_eq!(config["CONFIG_BPF_SYSCALL"], "y");
        assert_eq!(config["CONFIG_MODULES"], "m");
        assert_eq!((&*config["CONFIG_KPROBES"], &*config["CONFIG_UPROBES"]), ("n", "n"));
        let check = check(&config);
        assert!(
            check.found.starts_with("set: BPF_SYSCALL MODULES; not set: "),
            "{check:?}"
        );
        assert!(check.remedy.contains("CONFIG_DEBUG_INFO_BTF"), "{check:?}");
    }
}
