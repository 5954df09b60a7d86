//! The calls that a plugin with a subscription gets for a recording, as data: the same batches and ticks in the same
//! order, without any plugin.
use crate::filter::Subscription;
use crate::interface::vespid::plugin::events::Batch;
use crate::pipeline::{Outlet, Seat};
use crate::plugin::{Delivery, Seconds};
use crate::recording::{Header, Line};

use super::feed::Feed;
use super::{Options, SEAT};

/// One call.
#[derive(Clone, Copy, Debug)]
pub enum Call<'a> {
    /// `on-batch`.
    Batch(&'a Batch),
    /// `tick`, with its time.
    Tick(u64),
    /// `snapshot`, then `init` and `restore` of another instance.
    Replace,
}

/// Makes calls of lines.
pub struct Calls {
    feed: Feed,
    seconds: Seconds,
}

/// Says what a worker would call.
struct Saying<'a, F> {
    seconds: &'a mut Seconds,
    say: &'a mut F,
}

impl<F: FnMut(Call<'_>)> Outlet for Saying<'_, F> {
    fn deliver(&mut self, _: Seat, delivery: &Delivery) {
        self.seconds
            .advance(delivery.first_time)
            .for_each(|tick| (self.say)(Call::Tick(tick)));
        (self.say)(Call::Batch(&delivery.batch));
    }
}

impl Calls {
    /// The calls for a plugin with this subscription.
    #[must_use]
    pub fn new(subscription: &Subscription, options: &Options, header: &Header) -> Calls {
        let mut feed = Feed::new(&options.batch, options.processes, header, options.compress);
        let mut seconds = Seconds::default();
        let nothing = &mut |_: Call<'_>| {};
        feed.pipeline().subscribe(
            SEAT,
            subscription,
            &mut Saying {
                seconds: &mut seconds,
                say: nothing,
            },
        );
        Calls { feed, seconds }
    }

    /// How many events were taken in.
    pub fn taken(&mut self) -> u64 {
        self.feed.pipeline().taken()
    }

    /// Takes in a line, and says what it brings about.
    pub fn take(&mut self, line: &Line<'_>, mut say: impl FnMut(Call<'_>)) {
        let (seconds, say) = (&mut self.seconds, &mut say);
        self.feed.take(line, &mut Saying { seconds, say });
    }

    /// Another instance takes over, whose subscription this is.
    pub fn replace(&mut self, subscription: &Subscription, mut say: impl FnMut(Call<'_>)) {
        self.flush(&mut say);
        say(Call::Replace);
        let (seconds, say) = (&mut self.seconds, &mut say);
        self.feed
            .pipeline()
            .subscribe(SEAT, subscription, &mut Saying { seconds, say });
    }

    /// Says what is left, and the ticks by which windows close.
    pub fn finish(mut self, mut say: impl FnMut(Call<'_>)) {
        self.flush(&mut say);
        let end = self.feed.end();
        self.seconds.advance(end).for_each(|tick| say(Call::Tick(tick)));
    }

    fn flush(&mut self, say: &mut impl FnMut(Call<'_>)) {
        let seconds = &mut self.seconds;
        self.feed.flush(&mut Saying { seconds, say });
    }
}
