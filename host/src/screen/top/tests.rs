//! The screen of `vespid top` on terminals of all sizes.
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyEvent, KeyModifiers};

use super::super::{Losses, RateLine, draw, table};
use super::*;
use crate::bytes::is_unsafe_to_show;
use crate::control::protocol::Mode;

fn plugin(name: &str, cpu_seconds: f64) -> PluginLine {
    PluginLine {
        name: name.to_owned(),
        version: "0.1.0".to_owned(),
        state: "running".to_owned(),
        events: 5_000,
        guest_ns: 90_000,
        cpu_seconds,
        memory_bytes: 2_000_000,
        ..PluginLine::default()
    }
}

fn view(up: u64) -> View {
    let mut quarantined = plugin("tcp-stats", 0.0);
    quarantined.mode = Mode::Shadow;
    quarantined.state = "quarantined".to_owned();
    quarantined.dropped = 1_234;
    quarantined.last_failure = Some("trapped: unreachable".to_owned());
    View {
        title: "Vespid 0.1.0 on node-1, Linux 6.18".to_owned(),
        started: 1,
        up: Duration::from_secs(up),
        urls: vec!["http://127.0.0.1:9843/metrics".to_owned()],
        rates: vec![RateLine {
            kind: "open".to_owned(),
            total: up.saturating_mul(1_000),
            dropped: Losses {
                kernel: 7,
                decode: 0,
                enrich: 0,
            },
            per_second: 0.0,
        }],
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        plugins: vec![quarantined, plugin("file-audit", up as f64 / 100.0)],
        processes: 42,
        ..View::default()
    }
}

fn hostile() -> View {
    let evil = "\u{1b}[2J\u{9b}31m\r\n\t\u{202e}\0\u{7f} 漢字 👩‍👩‍👧 e\u{301}\u{feff}".repeat(20);
    let mut view = view(u64::MAX / 2);
    for text in [&mut view.title, &mut view.verdict_file, &mut view.rates[0].kind] {
        text.clone_from(&evil);
    }
    view.urls = vec![evil.clone(); 3];
    view.log = vec![evil.clone(); 9];
    let verdict = super::super::VerdictLine {
        time: evil.clone(),
        severity: evil.clone(),
        rule: evil.clone(),
        message: evil.clone(),
    };
    view.verdicts = vec![verdict; 50];
    let line = PluginLine {
        name: evil.clone(),
        version: evil.clone(),
        state: evil.clone(),
        events: u64::MAX,
        guest_ns: u64::MAX,
        cpu_seconds: f64::NAN,
        lag_seconds: f64::INFINITY,
        dropped: u64::MAX,
        last_failure: Some(evil),
        ..PluginLine::default()
    };
    view.plugins.extend(std::iter::repeat_n(line, 30));
    view
}

fn drawn(width: u16, height: u16, draw: impl FnOnce(&mut Frame<'_>)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a test terminal");
    terminal.draw(draw).expect("drawn");
    terminal.backend().to_string()
}

fn key(code: KeyCode) -> Event {
    Event::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

#[test]
fn in_80_by_24_the_plugins_their_cost_and_the_events_can_be_read() {
    let mut top = Top::default();
    top.hear(Ok(view(10)));
    top.hear(Ok(view(12)));
    let text = drawn(80, 24, |frame| top.draw(frame));
    for part in [
        "Vespid 0.1.0 on node-1, Linux 6.18   up 0:00:12   42 processes known",
        "Plugins by CPU",
        "plugin               state       events/s ns/event  CPU %  memory dropped",
        "file-audit           running            0       18   1.00    2.0M       0",
        "tcp-stats            quarantined        0       18   0.00    2.0M    1.2k",
        "tcp-stats quarantined, last failure: trapped: unreachable",
        "open              1.0k          12000            7          0          0",
        "q quits",
    ] {
        assert!(text.contains(part), "`{part}` is not on the screen:\n{text}");
    }
    assert!(
        text.find("file-audit") < text.find("tcp-stats "),
        "sorted by CPU:\n{text}"
    );
}

#[test]
fn keys_sort_and_end() {
    let mut top = Top::default();
    top.hear(Ok(view(10)));
    for (code, first) in [
        ('d', "tcp-stats"),
        ('n', "file-audit"),
        ('m', "file-audit"),
        ('c', "file-audit"),
    ] {
        assert!(top.obey(&key(KeyCode::Char(code))));
        assert_eq!(top.view.as_ref().expect("a view").plugins[0].name, first, "{code}");
    }
    assert!(top.obey(&key(KeyCode::Char('x'))) && top.obey(&Event::Resize(1, 1)));
    let interrupt = Event::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    for event in [
        key(KeyCode::Char('q')),
        key(KeyCode::Char('p')),
        key(KeyCode::Esc),
        interrupt,
    ] {
        assert!(!top.obey(&event), "{event:?}");
    }
}

#[test]
fn a_daemon_that_is_away_is_waited_for_and_its_last_figures_stay() {
    let mut top = Top::default();
    top.hear(Err("there is no control socket".to_owned()));
    let text = drawn(100, 10, |frame| top.draw(frame));
    assert!(
        text.contains("waiting for the daemon: there is no control socket"),
        "{text}"
    );
    top.hear(Ok(view(10)));
    assert!(!drawn(100, 20, |frame| top.draw(frame)).contains("waiting"));
    top.hear(Err("nobody answers".to_owned()));
    let text = drawn(100, 20, |frame| top.draw(frame));
    assert!(
        text.contains("waiting for the daemon; these are its last figures"),
        "{text}"
    );
    assert!(text.contains("file-audit"), "{text}");
}

#[test]
fn no_size_and_no_text_breaks_a_screen() {
    let mut rates = Rates::default();
    let mut tops = [hostile(), view(1), View::default()].map(|mut view| {
        rates.fill(&mut view);
        let mut top = Top::default();
        top.hear(Ok(view));
        top
    });
    tops[0].missing = Some("\u{1b}[31m".repeat(99));
    for width in [1, 2, 3, 7, 20, 40, 79, 80, 81, 132, 250] {
        for height in [1, 2, 3, 4, 5, 9, 23, 24, 60] {
            for top in &tops {
                let mut both = drawn(width, height, |frame| top.draw(frame));
                let view = top.view.as_ref().expect("a view");
                both += &drawn(width, height, |frame| draw::draw(frame, view));
                let bad = both.chars().find(|c| *c != '\n' && c.is_control());
                assert_eq!(bad, None, "{width}x{height}");
            }
        }
    }
}

#[test]
fn without_a_terminal_the_same_is_a_table() {
    let mut view = view(10);
    Rates::default().fill(&mut view);
    let text = table(&view);
    for part in [
        "tcp-stats",
        "shadow",
        "quarantined, last failure: trapped: unreachable",
        "lost: kernel",
    ] {
        assert!(text.contains(part), "`{part}` is missing:\n{text}");
    }
    let text = table(&hostile());
    assert!(!text.chars().any(|c| c != '\n' && is_unsafe_to_show(c)), "{text:?}");
    assert!(table(&View::default()).contains("no plugin runs"));
}
