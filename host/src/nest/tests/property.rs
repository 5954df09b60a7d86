//! Random file operations on a real directory, against a small model of what should run.
//!
//! The model knows no events, no order of calls and no files on disk: from what ran before and what is there now it says what
//! runs next. The fake runtime checks the calls: nothing is started twice, and nothing swapped that does not run.
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::symlink;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::super::Role;
use super::desk::Desk;
use super::fake::parse;

type Slot = (Role, String);

#[derive(Clone, Debug)]
enum Op {
    Write { file: usize, component: String },
    Configure { file: usize, config: Option<&'static str> },
    Remove(usize),
    Rename { from: usize, to: usize, with_config: bool },
    Copy { from: usize, to: usize },
    Touch(usize),
    Volume(Vec<Option<String>>),
    Recreate,
    Away,
}

/// The last two are links into a volume whose versions are exchanged as a whole.
const FILES: [&str; 7] = ["a", "b", "c", "a.shadow", "d", "v1", "v2"];
const PLAIN: usize = 5;

fn component() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => (0..3_usize, 1..4_u8).prop_map(|(name, version)| format!("name={} version={version}", ["x", "y", "z"][name])),
        1 => Just("garbage".to_owned()),
        1 => Just(String::new()),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let config = prop::sample::select(vec![
        None,
        Some("limit = 1"),
        Some("limit = 2"),
        Some("broken"),
        Some("mode=shadow"),
    ]);
    prop_oneof![
        8 => (0..PLAIN, component()).prop_map(|(file, component)| Op::Write { file, component }),
        4 => (0..PLAIN, config).prop_map(|(file, config)| Op::Configure { file, config }),
        3 => (0..PLAIN).prop_map(Op::Remove),
        6 => (0..PLAIN, 0..PLAIN, any::<bool>()).prop_map(|(from, to, with_config)| Op::Rename { from, to, with_config }),
        3 => (0..PLAIN, 0..PLAIN).prop_map(|(from, to)| Op::Copy { from, to }),
        1 => (0..PLAIN).prop_map(Op::Touch),
        2 => prop::collection::vec(prop::option::of(component()), 2).prop_map(Op::Volume),
        1 => Just(Op::Recreate),
        1 => Just(Op::Away),
    ]
}

/// What is on disk, done by the same operations.
#[derive(Default)]
struct Disk {
    components: BTreeMap<String, String>,
    configs: BTreeMap<String, String>,
    version: usize,
    is_away: bool,
}

impl Disk {
    fn apply(&mut self, op: &Op, directory: &Path) {
        let wasm = |file: &usize| directory.join(format!("{}.wasm", FILES[*file]));
        let toml = |file: &usize| directory.join(format!("{}.toml", FILES[*file]));
        let key = |file: &usize| FILES[*file].to_owned();
        match op {
            Op::Write { file, component } => {
                std::fs::write(wasm(file), component).expect("written");
                self.components.insert(key(file), component.clone());
            }
            Op::Configure {
                file,
                config: Some(config),
            } => {
                std::fs::write(toml(file), config).expect("written");
                self.configs.insert(key(file), (*config).to_owned());
            }
            Op::Configure { file, config: None } => {
                if self.configs.remove(FILES[*file]).is_some() {
                    std::fs::remove_file(toml(file)).expect("removed");
                }
            }
            Op::Remove(file) => {
                if self.components.remove(FILES[*file]).is_some() {
                    std::fs::remove_file(wasm(file)).expect("removed");
                }
            }
            Op::Rename { from, to, with_config } => {
                if let Some(component) = self.components.remove(FILES[*from]) {
                    std::fs::rename(wasm(from), wasm(to)).expect("renamed");
                    self.components.insert(key(to), component);
                }
                if *with_config && let Some(config) = self.configs.remove(FILES[*from]) {
                    std::fs::rename(toml(from), toml(to)).expect("renamed");
                    self.configs.insert(key(to), config);
                }
            }
            Op::Copy { from, to } => {
                if let Some(component) = self.components.get(FILES[*from]).cloned() {
                    std::fs::write(wasm(to), &component).expect("written");
                    self.components.insert(key(to), component);
                }
            }
            Op::Touch(file) => {
                if let Some(component) = self.components.get(FILES[*file]) {
                    std::fs::write(wasm(file), component).expect("written");
                }
            }
            Op::Volume(files) => self.exchange_volume(files, directory),
            Op::Recreate => {
                std::fs::remove_dir_all(directory).expect("removed");
                std::fs::create_dir(directory).expect("created");
                self.components.clear();
                self.configs.clear();
            }
            Op::Away => self.is_away = true,
        }
    }

    /// As the kubelet does it: a new directory, the link to it exchanged, and then the links to files added and removed.
    fn exchange_volume(&mut self, files: &[Option<String>], directory: &Path) {
        self.version += 1;
        let version = format!("..version{}", self.version);
        std::fs::create_dir(directory.join(&version)).expect("created");
        let names = || FILES[PLAIN..].iter().zip(files);
        for (name, component) in names() {
            if let Some(component) = component {
                std::fs::write(directory.join(&version).join(format!("{name}.wasm")), component).expect("written");
            }
        }
        symlink(&version, directory.join("..data_tmp")).expect("a link");
        std::fs::rename(directory.join("..data_tmp"), directory.join("..data")).expect("renamed");
        for (name, component) in names() {
            let link = directory.join(format!("{name}.wasm"));
            match component {
                Some(component) => {
                    if self.components.insert((*name).to_owned(), component.clone()).is_none() {
                        symlink(format!("..data/{name}.wasm"), link).expect("a link");
                    }
                }
                None => {
                    if self.components.remove(*name).is_some() {
                        std::fs::remove_file(link).expect("removed");
                    }
                }
            }
        }
    }

    /// Each file with its contents.
    fn files(&self) -> BTreeMap<String, Contents> {
        let contents = |(file, component): (&String, &String)| {
            let role = if file.ends_with(".shadow") {
                Role::Shadow
            } else {
                Role::Active
            };
            let active = file.strip_suffix(".shadow").unwrap_or(file);
            let config = self.configs.get(file).or_else(|| self.configs.get(active)).cloned();
            // The order of file names, not of stems.
            (
                format!("{file}.wasm"),
                Contents {
                    component: component.clone(),
                    config,
                    role,
                },
            )
        };
        self.components.iter().map(contents).collect()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Contents {
    component: String,
    config: Option<String>,
    role: Role,
}

impl Contents {
    fn declares(&self) -> Option<Slot> {
        let plugin = parse(&self.component, self.config.as_deref(), self.role).ok()?;
        Some((plugin.role, plugin.name))
    }
}

/// What runs, and from which file it came.
type Serving = BTreeMap<Slot, (String, Contents)>;

/// What runs after a look that finds `files`.
fn next(before: &Serving, files_before: &BTreeMap<String, Contents>, files: &BTreeMap<String, Contents>) -> Serving {
    let mut serving = follow_renames(before, files_before, files);
    serving.retain(|_, (file, _)| files.contains_key(file) || before.values().any(|(old, _)| old == file));
    let at = |file: &str| {
        serving
            .iter()
            .find(|(_, (at, _))| at == file)
            .map(|(slot, _)| slot.clone())
    };
    // Files that cannot have the name that they declare keep the one they had. Who those are depends on who they are.
    let mut stuck: BTreeSet<String> = BTreeSet::new();
    loop {
        let keeps = |file: &str, slot: &Slot| {
            let declared = files.get(file).map(Contents::declares);
            declared.is_some_and(|declared| declared.is_none_or(|declared| declared == *slot) || stuck.contains(file))
        };
        let owner = |slot: &Slot| {
            serving
                .get(slot)
                .map(|(file, _)| file.clone())
                .filter(|file| files.contains_key(file))
        };
        let is_in_circle = |start: &str| {
            let mut file = start.to_owned();
            for _ in 0..files.len() {
                let Some(slot) = files[&file].declares().filter(|_| !stuck.contains(&file)) else {
                    return false;
                };
                match owner(&slot) {
                    Some(owner) if owner != file => file = owner,
                    _ => return false,
                }
                if file == start {
                    return true;
                }
            }
            false
        };
        let slots: BTreeSet<Slot> = files
            .values()
            .filter_map(Contents::declares)
            .chain(serving.keys().cloned())
            .collect();
        let winner = |slot: &Slot| -> Option<String> {
            let claims = || {
                files
                    .iter()
                    .filter(|(_, contents)| contents.declares().as_ref() == Some(slot))
                    .map(|(file, _)| file)
            };
            owner(slot)
                .filter(|owner| keeps(owner, slot))
                .or_else(|| claims().find(|file| is_in_circle(file)).cloned())
                .or_else(|| claims().next().cloned())
        };
        let winners: BTreeMap<Slot, String> = slots
            .iter()
            .filter_map(|slot| Some((slot.clone(), winner(slot)?)))
            .collect();
        let still: BTreeSet<String> = files
            .iter()
            .filter(|(file, contents)| {
                let declared = contents.declares();
                at(file).is_some() && declared.is_some_and(|slot| winners.get(&slot) != Some(file))
            })
            .map(|(file, _)| file.clone())
            .collect();
        if still != stuck {
            stuck.extend(still);
            continue;
        }
        return winners
            .into_iter()
            .map(|(slot, file)| {
                let contents = &files[&file];
                let contents = if contents.declares().as_ref() == Some(&slot) {
                    contents
                } else {
                    &serving[&slot].1
                };
                (slot, (file, contents.clone()))
            })
            .collect();
    }
}

fn follow_renames(
    before: &Serving,
    files_before: &BTreeMap<String, Contents>,
    files: &BTreeMap<String, Contents>,
) -> Serving {
    let mut serving = before.clone();
    let mut taken = BTreeSet::new();
    let mut moved = BTreeSet::new();
    for (slot, (file, contents)) in before {
        let has_left = files.get(file).is_none_or(|now| {
            let is_new = files_before.get(file) != Some(now);
            is_new && now != contents && before.iter().any(|(other, (_, theirs))| other != slot && theirs == now)
        });
        let is_free = |file: &String| {
            !taken.contains(file) && !before.values().any(|(at, old)| at == file && *old == files[file])
        };
        if has_left && let Some((file, _)) = files.iter().find(|(file, now)| *now == contents && is_free(file)) {
            taken.insert(file.clone());
            moved.insert(slot.clone());
            serving.insert(slot.clone(), (file.clone(), contents.clone()));
        }
    }
    // Whose file now serves another plugin has none.
    for (slot, (file, _)) in &mut serving {
        if taken.contains(file) && !moved.contains(slot) {
            file.clear();
        }
    }
    serving
}

fn check(batches: &[Vec<Op>]) {
    let (mut desk, mut disk, mut serving) = (Desk::empty(), Disk::default(), Serving::new());
    let mut files_before = BTreeMap::new();
    let (directory, away) = (desk.directory(), desk.parent.path().join("away"));
    for batch in batches {
        for op in batch {
            disk.apply(op, &directory);
        }
        let before: BTreeMap<Slot, _> = desk.runtime.running.clone();
        let were_at: BTreeMap<Slot, String> = served(&desk);
        if std::mem::take(&mut disk.is_away) {
            std::fs::rename(&directory, &away).expect("renamed");
            assert!(desk.look().is_empty(), "a directory that is away changes nothing");
            std::fs::rename(&away, &directory).expect("renamed");
        }
        let calls = desk.look_when_settled();
        let files = disk.files();
        serving = next(&serving, &files_before, &files);
        files_before.clone_from(&files);

        let expected: BTreeMap<Slot, (String, String, Option<String>)> = serving
            .iter()
            .map(|(slot, (file, contents))| {
                (
                    slot.clone(),
                    (file.clone(), contents.component.clone(), contents.config.clone()),
                )
            })
            .collect();
        let at = served(&desk);
        let running: BTreeMap<Slot, _> = desk
            .runtime
            .running
            .iter()
            .map(|(slot, plugin)| {
                (
                    slot.clone(),
                    (at[slot].clone(), plugin.component.clone(), plugin.config.clone()),
                )
            })
            .collect();
        assert_eq!(running, expected, "after {batch:?}");

        let refused: BTreeSet<String> = desk
            .refused()
            .iter()
            .filter_map(|line| Some(line.split_once(':')?.0.to_owned()))
            .collect();
        let unused: BTreeSet<String> = files
            .iter()
            .filter(|(file, contents)| {
                contents
                    .declares()
                    .is_none_or(|slot| serving.get(&slot).is_none_or(|(at, _)| at != *file))
            })
            .map(|(file, _)| file.clone())
            .collect();
        assert_eq!(refused, unused, "after {batch:?}");

        for (slot, plugin) in &desk.runtime.running {
            let call = |verb: &str| calls.contains(&format!("{verb} {} {}", slot.0, plugin.component));
            let is_as_before = before.get(slot) == Some(plugin) && were_at.get(slot) == at.get(slot);
            assert!(
                !(is_as_before && call("swap")),
                "{slot:?} was swapped without a reason: {calls:?}"
            );
            assert!(
                !(before.contains_key(slot) && call("start")),
                "{slot:?} lost its state: {calls:?}"
            );
        }
        assert_eq!(desk.look_when_settled(), [""; 0], "a second look finds nothing to do");
    }
}

/// The file of each plugin.
fn served(desk: &Desk) -> BTreeMap<Slot, String> {
    desk.nest
        .running()
        .map(|(role, name, file)| {
            (
                (role, name.to_owned()),
                file.file_name().expect("a file name").display().to_string(),
            )
        })
        .collect()
}

fn run(most_ops: usize, cases: u32) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let batches = prop::collection::vec(prop::collection::vec(op(), 1..=most_ops), 1..20);
    TestRunner::new(config)
        .run(&batches, |batches| {
            check(&batches);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn what_runs_is_what_is_there_after_every_operation() {
    run(1, 150);
}

#[test]
fn what_runs_is_what_is_there_after_several_operations_at_once() {
    run(8, 150);
}
