use std::os::unix::fs::PermissionsExt;

use super::*;

fn states() -> (tempfile::TempDir, States) {
    let directory = tempfile::tempdir().expect("a directory");
    let states = States::open(&directory.path().join("state"), 1 << 20).expect("usable");
    (directory, states)
}

fn snapshot() -> Snapshot {
    Snapshot {
        version: 3,
        state: (0..1_000_u32).flat_map(u32::to_le_bytes).collect(),
    }
}

#[test]
fn what_was_written_is_read() {
    let (_directory, states) = states();
    assert!(states.read("probe").expect("readable").is_none());
    states.write("probe", &snapshot()).expect("written");
    assert_eq!(states.read("probe").expect("readable"), Some(snapshot()));
    let second = Snapshot {
        version: 4,
        state: b"\nnew\n".to_vec(),
    };
    states.write("probe", &second).expect("written");
    assert_eq!(states.read("probe").expect("readable"), Some(second));
}

#[test]
fn only_the_owner_may_look() {
    let (directory, states) = states();
    states.write("probe", &snapshot()).expect("written");
    let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o777;
    assert_eq!(mode(&directory.path().join("state")), 0o700);
    assert_eq!(mode(&states.file("probe")), 0o600);
}

#[test]
fn a_directory_that_others_may_write_is_not_used() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).expect("changed");
    let refused = States::open(directory.path(), 1).expect_err("exposed");
    assert!(refused.to_string().contains("chmod 700"), "{refused}");
}

#[test]
fn every_single_damage_is_found_and_put_aside() {
    let (_directory, states) = states();
    states.write("probe", &snapshot()).expect("written");
    let file = states.file("probe");
    let whole = fs::read(&file).expect("readable");
    let mut damaged: Vec<Vec<u8>> = (0..whole.len()).step_by(37).map(|at| whole[..at].to_vec()).collect();
    damaged.extend((0..whole.len()).step_by(41).map(|at| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        bytes
    }));
    damaged.push([whole.as_slice(), b"more"].concat());
    for bytes in damaged {
        fs::write(&file, &bytes).expect("written");
        match states.read("probe") {
            Err(Unread::Damaged(_)) => assert!(!file.exists(), "it is put aside"),
            // One bit turned form 1 into another form.
            Err(Unread::Newer(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_link_in_its_place_is_not_followed() {
    let (directory, states) = states();
    let elsewhere = directory.path().join("elsewhere");
    states.write("probe", &snapshot()).expect("written");
    fs::rename(states.file("probe"), &elsewhere).expect("moved");
    std::os::unix::fs::symlink(&elsewhere, states.file("probe")).expect("linked");
    assert!(matches!(states.read("probe"), Err(Unread::Io(_))));
    states
        .write(
            "probe",
            &Snapshot {
                version: 9,
                state: vec![],
            },
        )
        .expect("replaced");
    assert_ne!(fs::read(&elsewhere).expect("readable"), b"");
    assert_eq!(states.read("probe").expect("readable").expect("there").version, 9);
}

#[test]
fn what_a_crash_left_half_written_is_of_no_consequence() {
    let (_directory, states) = states();
    states.write("probe", &snapshot()).expect("written");
    fs::write(states.file("probe").with_extension("state.new"), b"half").expect("written");
    assert_eq!(states.read("probe").expect("readable"), Some(snapshot()));
    states.write("probe", &snapshot()).expect("written over it");
}
