"""Which keys recur at regular intervals, in bounded memory, by the events' own time."""
from bisect import insort
from collections import OrderedDict, namedtuple
from math import sqrt

SECOND = 1_000_000_000

Rhythm = namedtuple("Rhythm", "count gap jitter")
"""How many events, the median gap between them in seconds, and the gaps' coefficient of variation."""


def rhythm(times):
    """The rhythm of at least two ascending times in nanoseconds."""
    gaps = sorted((later - earlier) / SECOND for earlier, later in zip(times, times[1:]))
    middle = len(gaps) // 2
    median = gaps[middle] if len(gaps) % 2 else (gaps[middle - 1] + gaps[middle]) / 2
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    return Rhythm(len(times), median, sqrt(variance) / mean if mean else 0.0)


class Seen:
    """The last times of one key, ascending, and when it was last reported."""

    __slots__ = ("times", "reported")

    def __init__(self, times=(), reported=None):
        self.times, self.reported = list(times), reported


class Regularity:
    """The keys that are remembered, the one that was quiet for longest first."""

    def __init__(self, config):
        self.config = config
        self.keys = OrderedDict()
        # A key that is quiet for longer cannot be regular any more; but it must not be reported again too soon.
        quiet = max(2 * config.max_seconds, config.repeat_after_seconds)
        self.quiet_ns = int(quiet * SECOND)
        self.repeat_ns = int(config.repeat_after_seconds * SECOND)

    def see(self, key, time):
        """Takes an event. Its rhythm, if it is to be reported; and how many keys were given up for want of room."""
        seen = self.keys.get(key)
        displaced = 0
        if seen is None:
            displaced = self.make_room(1)
            seen = self.keys[key] = Seen()
        else:
            self.keys.move_to_end(key)
        # An attempt is known when it has succeeded or failed, so attempts do not come in the order of their beginnings.
        insort(seen.times, time)
        del seen.times[: -self.config.connections]
        if len(seen.times) < self.config.connections:
            return None, displaced
        if seen.reported is not None and time - seen.reported < self.repeat_ns:
            return None, displaced
        found = rhythm(seen.times)
        if not self.is_regular(found):
            return None, displaced
        seen.reported = time
        return found, displaced

    def is_regular(self, found):
        bounds = self.config
        return bounds.min_seconds <= found.gap <= bounds.max_seconds and found.jitter <= bounds.max_jitter

    def make_room(self, wanted):
        displaced = 0
        while len(self.keys) + wanted > self.config.max_keys:
            self.keys.popitem(last=False)
            displaced += 1
        return displaced

    def expire(self, now):
        """Forgets keys that have been quiet for too long; how many."""
        expired = 0
        while self.keys:
            key, seen = next(iter(self.keys.items()))
            if now - seen.times[-1] <= self.quiet_ns:
                break
            del self.keys[key]
            expired += 1
        return expired

    def state(self):
        """All that is remembered, as rows of a key, a time of report, and times."""
        return [(key, seen.reported, seen.times) for key, seen in self.keys.items()]

    def resume(self, rows):
        """Continues from another instance's state, which may have had other limits."""
        self.keys = OrderedDict((key, Seen(times[-self.config.connections :], reported)) for key, reported, times in rows)
        self.make_room(0)
