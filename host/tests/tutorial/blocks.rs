//! The blocks of a document that have something to do.
use std::path::PathBuf;

/// A fenced block.
#[derive(Debug)]
pub(crate) struct Block {
    /// Where its text begins.
    pub(crate) line: usize,
    pub(crate) text: String,
    pub(crate) does: Does,
    pub(crate) needs_bpf: bool,
}

/// What is done with it.
#[derive(Debug)]
pub(crate) enum Does {
    Write(PathBuf),
    Apply,
    Run { status: i32, retry: bool, output: String },
}

/// The blocks of a document.
pub(crate) fn read(document: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = document.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let inside = lines.by_ref().take_while(|(_, line)| *line != "```");
        let text: String = inside.map(|(_, line)| format!("{line}\n")).collect();
        let words: Vec<&str> = info.split(' ').collect();
        let value = |key: &str| words.iter().find_map(|word| word.strip_prefix(key));
        let does = if words.contains(&"output") {
            let above = blocks.last_mut().map(|block| &mut block.does);
            let Some(Does::Run { output, .. }) = above else {
                panic!("line {}: no block above this one prints anything", at + 1);
            };
            *output = text;
            continue;
        } else if words.contains(&"run") {
            Does::Run {
                status: value("status=").map_or(0, |status| status.parse().expect("a number")),
                retry: words.contains(&"retry"),
                output: String::new(),
            }
        } else if words.contains(&"apply") {
            Does::Apply
        } else if let Some(path) = value("file=") {
            Does::Write(path.into())
        } else {
            continue;
        };
        blocks.push(Block {
            line: at + 2,
            text,
            does,
            needs_bpf: words.contains(&"needs=bpf"),
        });
    }
    blocks
}

/// Whether the expected lines come in this order among those that were printed. How wide the columns of a table are
/// does not count.
pub(crate) fn agrees(expected: &str, printed: &str) -> Result<(), String> {
    let mut lines = printed.lines().map(words);
    for expected in expected
        .lines()
        .map(words)
        .filter(|line| !line.is_empty() && line != "…")
    {
        if !lines.any(|line| fits(&expected, &line)) {
            return Err(format!("it did not print `{expected}` where that is expected"));
        }
    }
    Ok(())
}

fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a line is what a pattern says.
fn fits(pattern: &str, line: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('…') else {
        return pattern == line;
    };
    let Some(line) = line.strip_prefix(first) else {
        return false;
    };
    (0..=line.len())
        .filter_map(|at| line.get(at..))
        .any(|line| fits(rest, line))
}

#[test]
fn an_ellipsis_stands_for_anything_and_order_counts() {
    assert_eq!(agrees("a … c\nd", "x\na  b  c\ny\nd\n"), Ok(()));
    assert!(agrees("d\na … c", "a b c\nd\n").is_err());
    assert!(agrees("a … c", "a b c d\n").is_err());
    assert_eq!(agrees("… c …", "a b c d\n"), Ok(()));
}
