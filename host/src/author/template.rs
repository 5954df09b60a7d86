//! The files that a new project begins with.
//!
//! `templates/every` goes into each project, and `templates/LANGUAGE` over it. In names, `NAME` stands for the plugin's
//! name, a leading `dot-` for the dot of a hidden file, and a trailing `.in` keeps tools of ours from taking a template
//! for the real thing. In texts, `{{name}}` is the plugin's name, `{{language}}` is as in `--lang`, and `{{sdk}}` is the
//! folder of the Rust SDK. No name in a source is made from the plugin's, which may be any language's keyword.
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::carried;
use super::language::Language;

/// A recording on which each template's test case runs.
const FIXTURE: &str = "fixtures/web-shell.jsonl.zst";

/// Files by path.
pub(super) type Files = BTreeMap<PathBuf, Vec<u8>>;

/// The files of a project in `language` for a plugin called `name`, with the Rust SDK in the folder `sdk`.
pub(super) fn files(language: Language, name: &str, sdk: &str) -> Files {
    let mut files = Files::new();
    files.extend(carried::file(FIXTURE).map(|bytes| (PathBuf::from(FIXTURE), bytes.to_vec())));
    for folder in ["every", language.name()] {
        for (path, bytes) in carried::below(&format!("host/templates/{folder}")) {
            files.insert(file_name(path, name), fill(bytes, name, language, sdk));
        }
    }
    files
}

fn file_name(path: &str, name: &str) -> PathBuf {
    let path = path.strip_suffix(".in").unwrap_or(path);
    path.split('/')
        .map(|part| match part.strip_prefix("dot-") {
            Some(hidden) => format!(".{hidden}"),
            None => part.replace("NAME", name),
        })
        .collect()
}

/// What is not text stays as it is.
fn fill(bytes: &[u8], name: &str, language: Language, sdk: &str) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return bytes.to_vec();
    };
    text.replace("{{name}}", name)
        .replace("{{language}}", language.name())
        .replace("{{sdk}}", sdk)
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugins_name_is_in_the_files_names() {
        assert_eq!(file_name("src/NAME.c", "port-watch"), PathBuf::from("src/port-watch.c"));
        assert_eq!(file_name("dot-gitignore", "a"), PathBuf::from(".gitignore"));
        assert_eq!(file_name("Cargo.toml.in", "a"), PathBuf::from("Cargo.toml"));
    }

    #[test]
    fn each_project_has_a_project_file_a_case_and_its_fixture_and_nothing_unfilled() {
        for language in Language::ALL {
            let files = files(language, "port-watch", "sdk");
            for wanted in ["vespid-plugin.toml", ".gitignore", FIXTURE] {
                assert!(files.contains_key(&PathBuf::from(wanted)), "{language}: {wanted}");
            }
            assert!(files.keys().any(|path| path.starts_with("cases")), "{language}");
            for (path, bytes) in &files {
                let text = str::from_utf8(bytes).unwrap_or_default();
                let is_gap = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
                let mut words = text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}"));
                let gap = words.find(|(word, _)| is_gap(word));
                assert!(gap.is_none(), "{language}: {} has a gap", path.display());
            }
        }
    }
}
