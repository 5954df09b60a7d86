//! Every link from one document to another leads somewhere, to the heading it names as well.
#![allow(clippy::expect_used, reason = "a test")]
use std::fs;
use std::path::{Path, PathBuf};

/// The documents.
fn documents(root: &Path) -> Vec<PathBuf> {
    let folder = fs::read_dir(root.join("docs")).expect("docs/");
    let files = folder.map(|entry| entry.expect("an entry").path());
    let mut documents: Vec<PathBuf> = files
        .filter(|file| file.extension().is_some_and(|extension| extension == "md"))
        .collect();
    documents.extend(["README.md", "ARCHITECTURE.md"].map(|name| root.join(name)));
    documents.sort();
    documents
}

/// Where the links of a document lead, those elsewhere left out. What is code is no link.
fn links(text: &str) -> Vec<String> {
    let mut is_code = false;
    let mut links = Vec::new();
    for line in text.lines() {
        is_code ^= line.trim_start().starts_with("```");
        let ends = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        let ends = ends.map(|(link, _)| link.to_owned());
        links.extend(ends.filter(|link| !is_code && !link.contains("://")));
    }
    links
}

/// The name that a heading is linked by.
fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn has_heading(text: &str, name: &str) -> bool {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| line.trim_start_matches('#').trim())
        .any(|heading| anchor(heading) == name)
}

#[test]
fn every_link_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut broken = Vec::new();
    for document in documents(&root) {
        let text = fs::read_to_string(&document).expect("a document");
        for link in links(&text) {
            let (path, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = document.parent().expect("a folder").join(path);
            let target = if path.is_empty() { document.clone() } else { target };
            let found = target.exists()
                && (heading.is_empty() || has_heading(&fs::read_to_string(&target).expect("text"), heading));
            if !found {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}
