//! Many times, told by three numbers.

/// Nanoseconds: of one, on the whole and at the quantiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Score {
    /// All time by all.
    pub mean: u64,
    /// Half of the calls took no more.
    pub median: u64,
    /// 99 of 100 calls took no more.
    pub p99: u64,
}

/// Times of calls, each divided by what it was for.
#[derive(Debug, Default)]
pub(super) struct Samples {
    each: Vec<u64>,
    time: u64,
    amount: u64,
}

impl Samples {
    /// A call that took so long for so many events.
    pub(super) fn add(&mut self, ns: u64, amount: u64) {
        self.each.push(ns / amount.max(1));
        self.time += ns;
        self.amount += amount;
    }

    pub(super) fn score(&mut self) -> Score {
        self.each.sort_unstable();
        Score {
            mean: self.time / self.amount.max(1),
            median: self.quantile(50),
            p99: self.quantile(99),
        }
    }

    /// The smallest of the sorted samples that so many per cent do not exceed.
    fn quantile(&self, percent: usize) -> u64 {
        let rank = (self.each.len() * percent).div_ceil(100).saturating_sub(1);
        self.each.get(rank).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_calls_and_the_mean_is_of_events() {
        let mut samples = Samples::default();
        for ns in (1..=99).rev() {
            samples.add(ns, 1);
        }
        samples.add(901_000, 901);
        let score = samples.score();
        assert_eq!((score.median, score.p99), (50, 99));
        assert_eq!(score.mean, (99 * 50 + 901_000) / 1000);
        assert_eq!(Samples::default().score(), Score::default(), "no calls cost nothing");
    }
}
