//! Files of the work tree that this program was built from, by their paths there.

/// Path and content, sorted by path.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/carried.rs"));

/// The content of one file.
pub(super) fn file(path: &str) -> Option<&'static [u8]> {
    FILES.iter().find(|(name, _)| *name == path).map(|(_, bytes)| *bytes)
}

/// The files below a folder, by their paths in it.
pub(super) fn below(folder: &str) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    FILES
        .iter()
        .filter_map(move |(path, bytes)| Some((path.strip_prefix(folder)?.strip_prefix('/')?, *bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interface_and_the_sdk_are_carried_as_they_are() {
        assert_eq!(
            file("wit/vespid.wit"),
            Some(&include_bytes!("../../../wit/vespid.wit")[..])
        );
        assert!(below("sdk/src").any(|(path, _)| path == "lib.rs"));
        assert_eq!(below("sd").count(), 0, "a folder is named in full");
    }
}
