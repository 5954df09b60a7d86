//! Two versions of a plugin, ahead of and behind one another.
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

const START: u64 = 1_000 * SECOND;

fn verdict(rule: &str, severity: Severity, subject: Option<u64>, time: u64) -> VerdictSeen {
    VerdictSeen {
        rule: rule.to_owned(),
        severity,
        key: "k".to_owned(),
        subject,
        time,
        message: format!("{rule} at {time}"),
        line: format!("{{\"rule\":\"{rule}\"}}\n").into_bytes().into(),
    }
}

fn warning(rule: &str, subject: impl Into<Option<u64>>, time: u64) -> VerdictSeen {
    verdict(rule, Severity::Warning, subject.into(), time)
}

/// Both sides reach a time at which everything is decided.
fn finish(comparison: &mut Comparison) -> Counts {
    comparison.progress(Side::Active, u64::MAX, 0);
    comparison.progress(Side::Shadow, u64::MAX, 0);
    comparison.summary().total()
}

#[test]
fn what_only_one_side_gave_is_told_with_an_example() {
    let mut comparison = Comparison::new(START);
    comparison.verdict(Side::Active, warning("both", 1, START));
    comparison.verdict(Side::Active, warning("gone", 2, START));
    comparison.verdict(Side::Shadow, warning("both", 1, START));
    comparison.verdict(Side::Shadow, warning("new", 1, START));
    comparison.progress(Side::Active, START + 5 * SECOND, 1_200_000);
    assert_eq!(comparison.summary().total().missing, 0, "the shadow may still give it");
    comparison.progress(Side::Shadow, START + 5 * SECOND, 1_199_000);

    let summary = comparison.summary();
    let sentence = "1 verdict agrees, 1 only the active version gave, 1 only the shadow gave, over 1.2M events";
    assert_eq!(summary.to_string(), sentence);
    assert_eq!(summary.missing[0].rule, "gone");
    assert_eq!(summary.extra[0].message, format!("new at {START}"));
    assert_eq!(summary.agreed[0].rule, "both");
    assert!(summary.is_fair() && summary.has_disagreements());
    assert_eq!(
        summary.rules["gone"],
        Counts {
            missing: 1,
            ..Counts::default()
        }
    );
}

#[test]
fn another_severity_is_one_disagreement_whoever_is_first() {
    for (first, second) in [(Side::Active, Side::Shadow), (Side::Shadow, Side::Active)] {
        let mut comparison = Comparison::new(START);
        let severity = |side| {
            if side == Side::Active {
                Severity::Warning
            } else {
                Severity::Critical
            }
        };
        for side in [first, second] {
            comparison.verdict(side, verdict("r", severity(side), Some(1), START));
        }
        assert_eq!(
            finish(&mut comparison),
            Counts {
                severity: 1,
                ..Counts::default()
            }
        );
        let sample = &comparison.summary().severity[0];
        assert_eq!(
            (&*sample.severity, sample.shadow_severity.as_deref()),
            ("warning", Some("critical"))
        );
    }
}

#[test]
fn an_equal_verdict_is_a_better_match_than_one_of_another_severity() {
    let mut comparison = Comparison::new(START);
    comparison.verdict(Side::Active, verdict("r", Severity::Info, Some(1), START));
    comparison.verdict(Side::Shadow, verdict("r", Severity::Critical, Some(1), START));
    comparison.verdict(Side::Active, verdict("r", Severity::Critical, Some(1), START));
    let expected = Counts {
        agreed: 1,
        missing: 1,
        ..Counts::default()
    };
    assert_eq!(finish(&mut comparison), expected);
}

#[test]
fn without_a_subject_a_second_apart_is_the_same_and_more_is_not() {
    for (apart, agreed) in [(0, 1), (WITHIN, 1), (WITHIN + 1, 0)] {
        let mut comparison = Comparison::new(0);
        comparison.verdict(Side::Shadow, warning("r", None, START + apart));
        comparison.verdict(Side::Active, warning("r", None, START));
        assert_eq!(finish(&mut comparison).agreed, agreed, "{apart} ns apart");
    }
}

#[test]
fn what_the_other_side_could_not_see_is_undecided() {
    let mut comparison = Comparison::new(START);
    comparison.dropped(Side::Shadow, 500, START + 10, START + 20);
    for (at, subject) in [(9, 1), (10, 2), (20, 3), (21, 4)] {
        comparison.verdict(Side::Active, warning("r", subject, START + at));
    }
    comparison.verdict(Side::Active, warning("window", None, START + 20 + WITHIN));
    // What the active version itself dropped does not excuse the shadow.
    comparison.dropped(Side::Active, 1, START + 30, START + 30);
    comparison.verdict(Side::Active, warning("r", 5, START + 30));
    let expected = Counts {
        missing: 3,
        undecided: 3,
        ..Counts::default()
    };
    assert_eq!(finish(&mut comparison), expected);
    let summary = comparison.summary();
    assert!(!summary.is_fair());
    assert_eq!((summary.shadow.dropped, summary.active.undecided), (500, 3));
}

#[test]
fn what_was_before_the_shadow_is_not_held_against_it() {
    let mut comparison = Comparison::new(START);
    comparison.verdict(Side::Active, warning("r", 1, START - 1));
    assert_eq!(finish(&mut comparison), Counts::default());
    assert_eq!(
        comparison.summary().to_string(),
        "no verdicts to compare yet, over 0 events"
    );
}

#[test]
fn a_side_that_floods_or_stands_still_costs_bounded_memory() {
    let mut comparison = Comparison::new(0);
    for at in 0..20_000_u64 {
        comparison.verdict(Side::Shadow, warning(&format!("rule-{}", at % 1_000), at, START + at));
    }
    let summary = comparison.summary();
    assert_eq!(summary.shadow.pending, pending::MOST as u64);
    assert_eq!(summary.shadow.given_up, 20_000 - summary.shadow.pending);
    assert!(summary.rules.len() <= RULES + 1 && summary.rules.contains_key(OTHER_RULES));
    let mut large = warning("large", 1, START);
    large.line = vec![b'x'; 4 << 20].into();
    for _ in 0..10 {
        comparison.verdict(Side::Active, large.clone());
    }
    assert!(comparison.summary().active.pending <= 2);
    assert_eq!(finish(&mut comparison).agreed, 0);
    assert!(
        comparison
            .summary()
            .missing
            .iter()
            .all(|sample| sample.verdict.is_none())
    );
}

#[test]
fn a_summary_survives_the_way_to_the_operator() {
    let mut comparison = Comparison::new(START);
    comparison.verdict(Side::Active, warning("r", 1, START));
    finish(&mut comparison);
    let mut summary = comparison.summary();
    let sent = serde_json::to_value(&summary).expect("JSON");
    assert_eq!(sent["missing"][0]["verdict"]["rule"], "r");
    // Only the white space of the verdict's line is lost.
    summary.missing[0].verdict = Some(VerdictJson(b"{\"rule\":\"r\"}"[..].into()));
    assert_eq!(serde_json::from_value::<Summary>(sent).expect("a summary"), summary);
}

/// A stream of verdicts, in order of time. Without a subject, a key is used once in a while only, since within a second
/// one cannot be told from another.
fn stream() -> impl Strategy<Value = Vec<VerdictSeen>> {
    let one = (0_u64..300, 0_usize..4, any::<bool>(), 0_u8..2);
    prop::collection::vec(one, 0..60).prop_map(|draws| {
        let (mut time, mut out) = (START, Vec::new());
        for (number, (step, rule, has_subject, severity)) in draws.into_iter().enumerate() {
            time += step * 1_000_000;
            let severity = [Severity::Info, Severity::Error][usize::from(severity)];
            let rule = ["a", "b", "c", "d"][rule];
            // Every third shares its subject and key with the one before.
            let subject = has_subject.then_some(number as u64 / 3);
            let mut seen = verdict(rule, severity, subject, time);
            if subject.is_none() {
                seen.key = format!("window {number}");
            }
            out.push(seen);
        }
        out
    })
}

/// What a side does, in order: verdicts in batches, each followed by its progress. `cuts` decides where batches end.
fn script(stream: &[VerdictSeen], cuts: &[bool]) -> Vec<Step> {
    let mut steps = Vec::new();
    for (at, seen) in stream.iter().enumerate() {
        steps.push(Step::Verdict(seen.clone()));
        if cuts.get(at % cuts.len().max(1)).copied().unwrap_or(true) {
            steps.push(Step::Progress(seen.time));
        }
    }
    steps
}

#[derive(Clone)]
enum Step {
    Verdict(VerdictSeen),
    Progress(u64),
}

/// Runs two scripts; `turns` says whose turn it is.
fn play(comparison: &mut Comparison, active: Vec<Step>, shadow: Vec<Step>, turns: &[bool]) {
    let mut scripts = [active.into_iter().peekable(), shadow.into_iter().peekable()];
    let mut turns = turns.iter().cycle();
    while scripts.iter_mut().any(|script| script.peek().is_some()) {
        let is_shadow = turns.next().copied().unwrap_or_default();
        let has_more = scripts.each_mut().map(|script| script.peek().is_some());
        let side = match (is_shadow, has_more) {
            (true, [_, true]) | (false, [false, _]) => Side::Shadow,
            _ => Side::Active,
        };
        match scripts[side as usize].next() {
            Some(Step::Verdict(seen)) => comparison.verdict(side, seen),
            Some(Step::Progress(time)) => comparison.progress(side, time, 1),
            None => {}
        }
    }
}

/// Runs two scripts to the end.
fn run(active: Vec<Step>, shadow: Vec<Step>, turns: &[bool]) -> Comparison {
    let mut comparison = Comparison::new(START);
    play(&mut comparison, active, shadow, turns);
    finish(&mut comparison);
    comparison
}

fn turns() -> impl Strategy<Value = Vec<bool>> {
    prop::collection::vec(any::<bool>(), 1..40)
}

proptest! {
    #[test]
    fn two_equal_streams_agree_completely_however_they_are_cut_and_interleaved(
        stream in stream(), cuts in (turns(), turns()), turns in turns()
    ) {
        let comparison = run(script(&stream, &cuts.0), script(&stream, &cuts.1), &turns);
        let expected = Counts { agreed: stream.len() as u64, ..Counts::default() };
        prop_assert_eq!(comparison.summary().total(), expected);
    }

    #[test]
    fn what_was_removed_is_missing_and_what_was_added_is_extra_and_nothing_else(
        stream in stream(),
        removed in prop::collection::vec(any::<Index>(), 0..8),
        added in prop::collection::vec((0_u64..20_000, any::<Index>()), 0..8),
        cuts in (turns(), turns()),
        turns in turns(),
    ) {
        let gone: std::collections::BTreeSet<usize> = removed.iter().filter(|_| !stream.is_empty())
            .map(|index| index.index(stream.len())).collect();
        let kept = stream.iter().enumerate().filter(|(at, _)| !gone.contains(at)).map(|(_, seen)| seen.clone());
        let mut shadow: Vec<VerdictSeen> = kept.collect();
        for (number, (at, place)) in added.iter().enumerate() {
            let mut seen = warning("added", 1_000_000 + number as u64, START + at * 1_000_000);
            if place.index(2) == 0 {
                seen.subject = None;
                seen.key = format!("added {number}");
            }
            shadow.push(seen);
        }
        shadow.sort_by_key(|seen| seen.time);
        let comparison = run(script(&stream, &cuts.0), script(&shadow, &cuts.1), &turns);
        let summary = comparison.summary();
        let total = summary.total();
        prop_assert_eq!((total.extra, total.undecided), (added.len() as u64, 0));
        prop_assert_eq!(total.missing, gone.len() as u64);
        prop_assert_eq!(total.severity, 0);
        prop_assert_eq!(total.agreed, (stream.len() - gone.len()) as u64);
        prop_assert_eq!(summary.active.verdicts, total.agreed + total.severity + total.missing);
        prop_assert_eq!(summary.shadow.verdicts, total.agreed + total.severity + total.extra);
    }

    #[test]
    fn every_verdict_is_in_one_place_at_any_moment(
        streams in (stream(), stream()), cuts in (turns(), turns()), turns in turns(), lost in 0_u64..9_000, end: bool
    ) {
        let mut comparison = Comparison::new(START);
        comparison.dropped(Side::Shadow, 5, START + lost * 1_000_000, START + (lost + 500) * 1_000_000);
        play(&mut comparison, script(&streams.0, &cuts.0), script(&streams.1, &cuts.1), &turns);
        if end {
            finish(&mut comparison);
        }
        let summary = comparison.summary();
        let (total, active, shadow) = (summary.total(), summary.active, summary.shadow);
        let both = total.agreed + total.severity;
        prop_assert_eq!(active.verdicts, both + total.missing + active.undecided + active.pending);
        prop_assert_eq!(shadow.verdicts, both + total.extra + shadow.undecided + shadow.pending);
        prop_assert_eq!(total.undecided, active.undecided + shadow.undecided);
        prop_assert!(!end || active.pending + shadow.pending == 0);
    }
}
