//! What the kernel leaves out.
use super::model::passes;
use super::*;

#[test]
fn the_kernel_leaves_out_what_the_shipped_kinds_of_patterns_cannot_fit() {
    let sift = Sift::of(
        [&subscription(&[
            Given {
                accesses: Accesses::READ,
                paths: vec![
                    Pattern::Exact("/etc/shadow".into()),
                    Pattern::Glob("{/root,/home/*}/.ssh/id_{rsa,ed25519}".into()),
                    Pattern::Glob("{/root,/home/*}/.aws/*".into()),
                    Pattern::Prefix("/etc/sudoers.d/".into()),
                ],
                ..nothing(Kinds::OPENS)
            },
            Given {
                ops: vec![1, 3],
                ..nothing(Kinds::CHANGES)
            },
        ])],
        &NODE,
    );
    let names: Vec<_> = sift.names.keys().map(|name| name.escape_ascii().to_string()).collect();
    assert_eq!(names, [".aws", "id_ed25519", "id_rsa", "shadow", "sudoers.d"]);
    for path in [
        "/etc/shadow",
        "/srv/shadow",
        "/root/.aws/credentials",
        "/etc/sudoers.d/a/b",
        "/x/id_rsa",
    ] {
        assert!(passes(&sift, &open(path, 0, 3), &NODE, None), "{path}");
        assert!(!passes(&sift, &open(path, 1, 3), &NODE, None), "{path} is only written");
    }
    for path in ["/etc/passwd", "/etc/shadow/x", "/root/.aws/x/y", "/id_rsa/x", "/"] {
        assert!(!passes(&sift, &open(path, 0, 3), &NODE, None), "{path}");
    }
    for (path, passing) in [("/etc/passwd", false), ("/shadow/x", true), ("/x/.aws/y/z", true)] {
        assert_eq!(passes(&sift, &open(path, 0, -2), &NODE, None), passing, "{path}, tried");
    }
    assert!(
        passes(&sift, &change(ChangeOp::Rename), &NODE, None) && !passes(&sift, &change(ChangeOp::Unlink), &NODE, None)
    );
}

/// What one of them describes passes, and what none does is left out as long as it meets a condition of none of those that
/// share a bit.
#[test]
fn filters_beyond_those_that_can_be_told_apart_share_a_bit() {
    let given: Vec<Given> = (0..100_u32)
        .map(|user| Given {
            users: vec![user],
            ops: vec![if user % 2 == 0 { 1 } else { 3 }],
            ..nothing(Kinds::CHANGES)
        })
        .collect();
    let sift = Sift::of([&subscription(&given)], &NODE);
    let passes = |user, op| {
        let change = change(op);
        let subject = Subject {
            uid: user,
            ..change.subject
        };
        passes(&sift, &Event { subject, ..change }, &NODE, None)
    };
    let (even, odd) = (
        ChangeOp::from_number(1).expect("one"),
        ChangeOp::from_number(3).expect("one"),
    );
    for user in 0..100 {
        assert!(passes(user, if user % 2 == 0 { even } else { odd }), "{user}");
        let is_alone = user < 62;
        assert_eq!(
            passes(user, if user % 2 == 0 { odd } else { even }),
            !is_alone,
            "{user}"
        );
    }
    assert!(!passes(100, even) && !passes(99, ChangeOp::from_number(2).expect("one")));
}
