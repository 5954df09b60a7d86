//! Filters that make no sense, and how they are refused.
use super::*;

#[test]
fn what_makes_no_sense_is_refused_by_number() {
    let refused = |given: Given, subscribed, expected: &str| {
        let filters = [nothing(Kinds::EXECS), given];
        let error = Subscription::new(&filters, subscribed).expect_err(expected).to_string();
        assert_eq!(error, format!("filter 2 {expected}"));
    };
    let all = every_table();
    let ports = |first, last| vec![PortRange { first, last }];
    refused(nothing(Kinds::empty()), all, "is about no table");
    refused(
        nothing(Kinds::OPENS | Kinds::EXECS),
        Kinds::EXECS,
        "is about opens, which the plugin does not subscribe to",
    );
    refused(
        Given {
            remote_ports: ports(1, 2),
            ..nothing(Kinds::OPENS | Kinds::SOCKETS)
        },
        all,
        "has `remote-ports`, which opens cannot be held against",
    );
    refused(
        Given {
            outcomes: Outcomes::FAILED,
            ..nothing(Kinds::EXITS)
        },
        all,
        "has `outcomes`, which exits cannot be held against",
    );
    refused(
        Given {
            outcomes: Outcomes::SUCCEEDED,
            ..nothing(Kinds::RESOURCES)
        },
        all,
        "has `outcomes`, which resources cannot be held against",
    );
    refused(
        Given {
            local_ports: ports(2, 1),
            ..nothing(Kinds::SOCKETS)
        },
        all,
        "has ports from 2 to 1, which are none",
    );
    refused(
        Given {
            remote_networks: vec!["10.0.0.0/40\n".into()],
            ..nothing(Kinds::SOCKETS)
        },
        all,
        "has the network `10.0.0.0/40\\n`, which is not in the form `10.0.0.0/8`",
    );
    refused(
        Given {
            paths: vec![Pattern::Prefix(String::new())],
            ..nothing(Kinds::OPENS)
        },
        all,
        "has an empty pattern",
    );
    refused(
        Given {
            ops: vec![32],
            ..nothing(Kinds::CHANGES)
        },
        all,
        "has the operation 32, which there is not",
    );
    refused(
        Given {
            merge_ms: 10,
            ..nothing(Kinds::OPENS | Kinds::EXECS)
        },
        all,
        "has `merge-ms`, which execs cannot be held against",
    );
    refused(
        Given {
            merge_ms: 10_001,
            ..nothing(Kinds::OPENS)
        },
        all,
        "merges for 10001 ms, and may for 10000",
    );
    let of = |which| {
        vec![NamespaceFilter {
            kind: NamespaceKind::Mount,
            which,
        }]
    };
    refused(
        Given {
            namespaces: of(WhichNamespace::Inode(0)),
            ..nothing(Kinds::OPENS)
        },
        all,
        "has the namespace 0, which there is not",
    );
    refused(
        Given {
            namespaces: of(WhichNamespace::Other).repeat(65),
            ..nothing(Kinds::OPENS)
        },
        all,
        "has 65 namespaces, and may have 64",
    );
    let many = vec![nothing(Kinds::EXECS); 257];
    let error = Subscription::new(&many, all).expect_err("too many");
    assert_eq!(error.to_string(), "257 filters, and may have 256");
}
