//! What a look sees while others write, and in directories of all kinds.
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant, SystemTime};

use super::super::listing::{Listing, LookError, LookSettings, Scanner};
use super::super::read::Now;
use super::super::{Digest, Role, Runtime, Watch, WatchSettings};
use super::desk::Desk;
use super::fake::Fake;

fn names(listing: &Listing) -> Vec<String> {
    let name = |file: &std::path::Path| file.file_name().expect("a file name").display().to_string();
    listing
        .candidates
        .iter()
        .map(|candidate| name(&candidate.file))
        .collect()
}

#[test]
fn a_candidate_has_its_role_configuration_digest_and_bytes() {
    let desk = Desk::with(&[
        ("a.wasm", "code"),
        ("a.shadow.wasm", "other"),
        ("a.shadow.toml", "x = 1"),
        ("b.toml", ""),
    ]);
    let mut scanner = desk.scanner;
    let listing = scanner.look().expect("a listing");
    assert_eq!(names(&listing), ["a.shadow.wasm", "a.wasm"]);
    let [shadow, active] = &listing.candidates[..] else {
        panic!("two")
    };
    assert_eq!(
        (shadow.contents.role, active.contents.role),
        (Role::Shadow, Role::Active)
    );
    assert_eq!(
        (shadow.contents.config.as_deref(), active.contents.config.as_deref()),
        (Some("x = 1"), None)
    );
    assert_eq!(active.contents.digest, Digest::of(b"code"));
    assert_eq!(active.contents.digest.to_string().len(), 64);
    assert_eq!(active.bytes().as_deref(), Ok(&b"code"[..]));
}

#[test]
fn hidden_files_directories_and_others_are_skipped_and_links_followed() {
    let desk = Desk::with(&[
        (".a.wasm", ""),
        ("a.wasm~", ""),
        ("a.wasm.tmp", ""),
        ("real", "code"),
        ("wasm", ""),
    ]);
    std::fs::create_dir(desk.path("d.wasm")).expect("a directory");
    symlink("real", desk.path("b.wasm")).expect("a link");
    symlink("c.wasm", desk.path("c.wasm")).expect("a link to itself");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        desk.path("f.wasm"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .expect("a FIFO");
    let mut scanner = desk.scanner;
    let listing = scanner.look().expect("a listing");
    assert_eq!(names(&listing), ["b.wasm"]);
    assert_eq!(listing.faulty.len(), 2, "{:?}", listing.faulty);
}

#[test]
fn a_slow_writer_in_a_thousand_pieces_is_seen_only_when_it_is_done() {
    let mut desk = Desk::with(&[("a.wasm", "name=a version=1")]);
    let mut writer = File::create(desk.path("a.wasm")).expect("truncated in place");
    for piece in 0..1000 {
        // Any prefix of it would be a valid component.
        let text = if piece == 0 { "name=a version=" } else { "1" };
        writer.write_all(text.as_bytes()).expect("written");
        if piece % 10 == 0 {
            let changes = desk.reconcile(false);
            assert!(changes.list.is_empty() && changes.look_again, "{changes:?}");
            assert_eq!(desk.nest.unsettled(), [desk.path("a.wasm")]);
        }
    }
    drop(writer);
    assert!(!desk.reconcile(false).look_again);
    assert!(desk.running()[0].len() > 1000, "{:?}", desk.running());
    assert!(desk.nest.unsettled().is_empty());
}

#[test]
fn a_configuration_that_is_being_written_is_waited_for() {
    let mut desk = Desk::with(&[("a.wasm", "name=a")]);
    let mut writer = File::create(desk.path("a.toml")).expect("a file");
    assert!(desk.look().is_empty());
    writer.write_all(b"limit = 1").expect("written");
    assert!(desk.look().is_empty());
    drop(writer);
    assert_eq!(desk.look(), ["load a.wasm", "swap active name=a"]);
}

#[test]
fn a_copy_that_was_killed_half_way_costs_nothing_but_a_refusal() {
    let mut desk = Desk::with(&[("a.wasm", "name=a version=1")]);
    // cp copies what arrives in a pipe, and is killed while it waits for more.
    let mut copy = std::process::Command::new("cp")
        .arg("/dev/stdin")
        .arg(desk.path("a.wasm"))
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("cp");
    let mut pipe = copy.stdin.take().expect("a pipe");
    pipe.write_all(b"na").expect("written");
    while std::fs::read(desk.path("a.wasm")).expect("readable") != b"na" {
        std::thread::yield_now();
    }
    assert!(desk.look().is_empty(), "cp has it open");
    copy.kill().expect("killed");
    copy.wait().expect("ended");
    desk.look();
    assert_eq!(
        (desk.running(), desk.refused()),
        (
            vec!["active name=a version=1 < a.wasm".into()],
            vec!["a.wasm: component".into()]
        )
    );
    desk.write("a.wasm", "name=a version=2");
    assert_eq!(desk.look(), ["load a.wasm", "swap active name=a version=2"]);
}

#[test]
fn whatever_writers_do_only_whole_versions_are_loaded() {
    struct Whole(Fake);
    impl Runtime for Whole {
        type Loaded = <Fake as Runtime>::Loaded;
        fn load(&mut self, candidate: &super::super::Candidate) -> Result<Self::Loaded, super::super::LoadError> {
            let loaded = self.0.load(candidate)?;
            assert!(
                loaded.component.ends_with(" whole"),
                "half a copy: {}",
                loaded.component
            );
            Ok(loaded)
        }
        fn name(loaded: &Self::Loaded) -> &str {
            Fake::name(loaded)
        }
        fn role(loaded: &Self::Loaded) -> Role {
            Fake::role(loaded)
        }
        fn start(&mut self, loaded: Self::Loaded) -> Result<(), super::super::Reason> {
            self.0.start(loaded)
        }
        fn swap(&mut self, loaded: Self::Loaded) -> Result<(), super::super::Reason> {
            self.0.swap(loaded)
        }
        fn moved(&mut self, role: Role, name: &str, file: &std::path::Path) {
            self.0.moved(role, name, file);
        }
        fn stop(&mut self, role: Role, name: &str) {
            self.0.stop(role, name);
        }
        fn settle(&mut self) {
            self.0.settle();
        }
    }
    let mut desk = Desk::empty();
    let mut runtime = Whole(Fake::default());
    let path = desk.path("a.wasm");
    let writer = std::thread::spawn(move || {
        for version in 0..300 {
            // One descriptor, as cp and an editor that saves in place have; emptied and filled in small pieces.
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .open(&path)
                .expect("opened");
            for piece in ["name=a ", "version=", &version.to_string(), &" ".repeat(5000), " whole"] {
                file.write_all(piece.as_bytes()).expect("written");
            }
        }
    });
    while !writer.is_finished() {
        let look = desk.scanner.look();
        desk.nest.reconcile(&look, &mut runtime, false);
    }
    writer.join().expect("no panic");
    let look = desk.scanner.look();
    desk.nest.reconcile(&look, &mut runtime, false);
    let [plugin] = &runtime.0.running.values().collect::<Vec<_>>()[..] else {
        panic!("one plugin")
    };
    assert!(
        plugin.component.starts_with("name=a version=299 "),
        "the last one is always loaded"
    );
}

#[test]
fn without_leases_a_file_must_rest_before_it_is_read() {
    let desk = Desk::with(&[]);
    desk.write("a.wasm", "name=a version=1");
    let settings = LookSettings::default();
    let mut scanner = Scanner::with_leases(&desk.directory(), &settings, false);
    let (start, wall) = (Instant::now(), SystemTime::now());
    let mut look = |ms: u64| {
        let after = Duration::from_millis(ms);
        let now = Now {
            instant: start + after,
            wall: wall + after,
        };
        let listing = scanner.look_at(now).expect("a listing");
        (listing.candidates.len(), listing.unsettled.len())
    };
    assert_eq!(look(0), (0, 1));
    assert_eq!(look(499), (0, 1));
    desk.write("a.wasm", "name=a version=10");
    assert_eq!(look(600), (0, 1), "it has changed");
    assert_eq!(look(1000), (0, 1));
    assert_eq!(look(1100), (1, 0));
    assert_eq!(look(9000), (1, 0));
}

#[test]
fn an_unchanged_file_is_not_read_again() {
    let desk = Desk::with(&[("a.wasm", "code"), ("a.toml", "x = 1")]);
    let mut scanner = desk.scanner;
    let later = |seconds| Now {
        instant: Instant::now(),
        wall: SystemTime::now() + Duration::from_secs(seconds),
    };
    let first = scanner.look_at(later(60)).expect("a listing");
    // Nothing but its stamp is looked at now: not even that somebody holds it open for writing.
    let writer = OpenOptions::new()
        .append(true)
        .open(desk.parent.path().join("plugins/a.wasm"))
        .expect("opened");
    assert_eq!(scanner.look_at(later(60)).expect("a listing"), first);
    drop(writer);

    // A file that was changed just now is read again even though its stamp is the same.
    std::fs::write(desk.parent.path().join("plugins/a.wasm"), "edoc").expect("written");
    scanner.look_at(later(0)).expect("a listing");
    let writer = OpenOptions::new()
        .append(true)
        .open(desk.parent.path().join("plugins/a.wasm"))
        .expect("opened");
    assert_eq!(scanner.look_at(later(0)).expect("a listing").unsettled.len(), 1);
    drop(writer);
}

#[test]
fn large_files_and_crowds_are_bounded() {
    let desk = Desk::with(&[
        ("b.wasm", "code"),
        ("m.wasm", "code"),
        ("big.wasm", "0123456789"),
        ("b.toml", ""),
    ]);
    let settings = LookSettings {
        component_bytes: 9,
        files: 4,
        ..LookSettings::default()
    };
    let mut scanner = Scanner::new(&desk.directory(), &settings);
    let listing = scanner.look().expect("a listing");
    assert_eq!(
        (names(&listing), listing.faulty.len(), listing.ignored),
        (vec!["b.wasm".into(), "m.wasm".into()], 1, 0)
    );
    assert!(
        listing.faulty[0].1.text.contains("10 bytes and may have 9"),
        "{:?}",
        listing.faulty
    );
    for number in 0..3000 {
        desk.write(&format!("a{number}.wasm"), "");
    }
    let crowded = scanner.look().expect("a listing");
    assert_eq!(
        names(&crowded),
        ["a0.wasm", "b.wasm", "m.wasm"],
        "those that were there stay"
    );
    assert_eq!(crowded.ignored, 2999);
}

#[test]
fn a_volume_changes_as_a_whole() {
    let desk = Desk::empty();
    let directory = desk.directory();
    let version = |number: usize| {
        let name = format!("..version{number}");
        std::fs::create_dir(directory.join(&name)).expect("a directory");
        for file in ["a.wasm", "a.toml", "b.wasm"] {
            std::fs::write(directory.join(&name).join(file), format!("{number}")).expect("written");
        }
        symlink(&name, directory.join("..data_tmp")).expect("a link");
        std::fs::rename(directory.join("..data_tmp"), directory.join("..data")).expect("renamed");
        if number > 0 {
            std::fs::remove_dir_all(directory.join(format!("..version{}", number - 1))).expect("removed");
        }
    };
    version(0);
    for file in ["a.wasm", "a.toml", "b.wasm"] {
        symlink(format!("..data/{file}"), directory.join(file)).expect("a link");
    }
    let mut scanner = desk.scanner;
    std::thread::scope(|scope| {
        let swaps = scope.spawn(|| (1..200).for_each(version));
        loop {
            let is_last = swaps.is_finished();
            match scanner.look() {
                Err(LookError::Restless(_)) if !is_last => continue,
                Err(error) => panic!("{error}"),
                Ok(listing) => {
                    let [a, b] = &listing.candidates[..] else {
                        panic!("{listing:?}")
                    };
                    let config = a.contents.config.as_deref().expect("a configuration");
                    assert_eq!(a.contents.digest, b.contents.digest);
                    assert_eq!(a.contents.digest, Digest::of(config.as_bytes()));
                    assert!(!is_last || config == "199");
                }
            }
            if is_last {
                break;
            }
        }
    });
}

#[test]
fn a_directory_that_is_none_says_so() {
    let desk = Desk::with(&[("a.wasm", "")]);
    let settings = LookSettings::default();
    let missing = Scanner::new(&desk.path("none"), &settings).look().expect_err("missing");
    assert!(matches!(missing, LookError::Missing(_)));
    let file = Scanner::new(&desk.path("a.wasm"), &settings)
        .look()
        .expect_err("a file");
    assert!(matches!(file, LookError::Unreadable { .. }));
}

#[test]
fn the_daemons_own_looks_do_not_wake_it() {
    let mut desk = Desk::with(&[("a.wasm", "name=a")]);
    let settings = WatchSettings {
        rescan: Duration::from_secs(3600),
        ..WatchSettings::default()
    };
    let (wake, woken) = crossbeam_channel::bounded(1);
    let watch = Watch::start(&desk.directory(), settings.clone(), wake).expect("a watch");
    woken.recv().expect("the first look");
    desk.look();
    // What is not there cannot be waited for; a wake that the look caused would come within this time.
    let waited = woken.recv_timeout(2 * settings.quiet);
    assert!(waited.is_err(), "woken by its own look");
    drop(watch);
}
