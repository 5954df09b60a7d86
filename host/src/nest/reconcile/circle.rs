//! Claims to names that others may leave, down to those that wait for each other.
use std::path::{Path, PathBuf};

use super::{Reconciling, Standing};
use crate::nest::runtime::Runtime;

impl<R: Runtime> Reconciling<'_, R> {
    /// Decides all claims that had to wait.
    pub(super) fn place_waiting(&mut self) {
        loop {
            let decided = self
                .waiting
                .iter()
                .position(|claim| !matches!(self.standing(claim), Standing::Open(_)));
            if let Some(index) = decided {
                let claim = self.waiting.remove(index);
                self.place(claim, false);
                continue;
            }
            // All wait for each other. Once one in the circle goes ahead, each leaves its name to the next.
            let circle = self.circle();
            if circle.is_empty() {
                return;
            }
            for (turn, file) in circle.into_iter().enumerate() {
                if let Some(index) = self.waiting.iter().position(|claim| claim.candidate.file == file) {
                    let claim = self.waiting.remove(index);
                    self.place(claim, turn == 0);
                }
            }
        }
    }

    /// Files that wait in a circle: each one's name is had by the one before it, and the first one's by the last.
    fn circle(&self) -> Vec<PathBuf> {
        let owner = |file: &Path| {
            let claim = self.waiting.iter().find(|claim| claim.candidate.file == file)?;
            match self.standing(claim) {
                Standing::Open(owner) => Some(owner),
                Standing::Free | Standing::Taken(_) => None,
            }
        };
        // Whoever is not in a circle waits for one that is, or for one that does.
        let mut start = self.waiting.first().map(|claim| claim.candidate.file.clone());
        for _ in &self.waiting {
            start = start.and_then(|file| owner(&file));
        }
        let Some(start) = start else { return Vec::new() };
        let mut circle = Vec::new();
        let mut file = owner(&start);
        while let Some(next) = file.filter(|file| *file != start) {
            file = owner(&next);
            circle.push(next);
        }
        circle.push(start);
        circle.reverse();
        circle
    }
}
