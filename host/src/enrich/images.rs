//! Makes images, of the memory of images that no process has any more: where programs come and go, each end pays for the
//! next start.
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::process::Image;
use crate::event;

/// Images that are kept for the next ones.
const SPARE: usize = 256;
/// Text of such an image, in bytes, at most: long arguments are rare, and their memory goes.
const SPARE_TEXT: usize = 1024;

/// Where images come from, and where they go.
#[derive(Default)]
pub(super) struct Images {
    /// Bytes of text in use.
    total: Arc<AtomicUsize>,
    spare: Vec<Arc<Image>>,
}

impl Images {
    /// An image of this process's own.
    pub(super) fn make(&mut self, from: &event::Image<'_>) -> Arc<Image> {
        let mut spare = self.spare.pop();
        match spare.as_mut().and_then(Arc::get_mut) {
            Some(image) => image.set(from),
            None => spare = None,
        }
        spare.unwrap_or_else(|| {
            let mut image = Image::empty(&self.total);
            image.set(from);
            Arc::new(image)
        })
    }

    /// Takes an image that a process does not have any more. Others may have it still.
    pub(super) fn retire(&mut self, mut image: Arc<Image>) {
        if self.spare.len() < SPARE
            && let Some(own) = Arc::get_mut(&mut image).filter(|own| own.room() <= SPARE_TEXT)
        {
            own.clear();
            self.spare.push(image);
        }
    }

    /// Bytes of text that all images hold.
    pub(super) fn text(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }
}
