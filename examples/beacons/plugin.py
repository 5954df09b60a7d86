"""`beacons`: programs that call the same address at regular intervals, as an implant calls its operator.

Verdict `regular-connections`, severity notice, ATT&CK T1071 (application layer protocol), or T1571 (non-standard port).
Attempts that fail count. Time is the events' own.

Import everything at the top of modules: what is imported is stored in the component when it is built, and there are no
files to import from when it runs.
"""
import json
import traceback
from functools import lru_cache

from columns import FAILED, NONE, OPENED, Strings, address, attempts, remote, text
from componentize_py_types import Err
from config import parse, schema
from regularity import Regularity
from wit_world.exports.guest import Restored
from wit_world.imports.describe import Accesses, Filter, Kinds, Manifest, Metric, MetricKind, Outcomes, Places
from wit_world.imports.reports import Report, Row_Connection, Series, Severity, Verdict

STATE_VERSION = 1
# The ports of what T1071 is about: web, mail, file transfer, names.
USUAL_PORTS = {20, 21, 22, 25, 53, 80, 110, 143, 443, 445, 465, 587, 853, 990, 993, 995}

METRICS = [
    Metric("connections", "Outbound connections and attempts.", MetricKind.COUNTER, "", ["outcome"], []),
    Metric("forgotten", "Programs with an address that were forgotten.", MetricKind.COUNTER, "", ["reason"], []),
    Metric("remembered", "Programs with an address that are remembered.", MetricKind.GAUGE, "", [], []),
]
# A series goes by its place in this list.
SERIES = [Series(0, ["watched"]), Series(0, ["excepted"]), Series(1, ["quiet"]), Series(1, ["no-room"]), Series(2, [])]
WATCHED, EXCEPTED, QUIET, NO_ROOM, REMEMBERED = range(len(SERIES))


class Plugin:
    """What is remembered from call to call."""

    def start(self, config):
        self.config = config
        self.regularity = Regularity(config)
        networks = config.except_networks
        self.is_excepted = lru_cache(maxsize=1024)(lambda raw: any(address(raw) in network for network in networks))
        self.series_sent = False

    def batch(self, batch):
        strings, connections = Strings(batch.strings), batch.connections
        verdicts, watched, excepted, displaced = [], 0, 0, 0
        for row, time in attempts(connections) if connections else ():
            key = self.key(batch, strings, row)
            if key is None:
                excepted += 1
                continue
            watched += 1
            found, gone = self.regularity.see(key, time)
            displaced += gone
            if found:
                verdicts.append(self.verdict(key, found, row))
        return self.report(verdicts, {WATCHED: watched, EXCEPTED: excepted, NO_ROOM: displaced})

    def key(self, batch, strings, row):
        """Container, executable, address and port; None for what may be regular, and if the process is not known."""
        processes, process = batch.processes, batch.connections.process[row]
        if process == NONE:
            return None
        raw = remote(batch.connections, row)
        if self.is_excepted(raw):
            return None
        path = strings[processes.exe[process]]
        if path[path.rfind(b"/") + 1 :] in self.config.except_programs:
            return None
        container = processes.container[process]
        inside = b"" if container == NONE else strings.start(batch.containers.id[container])
        return inside, strings.start(processes.exe[process]), raw, batch.connections.remote_port[row]

    def verdict(self, key, found, row):
        container, path, raw, port = key
        shown = address(raw)
        peer = f"[{shown}]:{port}" if shown.version == 6 else f"{shown}:{port}"
        program, jitter = text(path), f"{100 * found.jitter:.0f} %"
        return Verdict(
            "regular-connections",
            Severity.NOTICE,
            f"{program} called {peer} {found.count} times, every {found.gap:.1f} s with a jitter of {jitter}",
            f"regular-connections/{text(container)}{program}/{peer}",
            ["T1071" if port in USUAL_PORTS else "T1571"],
            Row_Connection(row),
            [("gap_seconds", f"{found.gap:.3f}"), ("jitter", f"{found.jitter:.3f}"), ("count", str(found.count))],
        )

    def tick(self, now):
        return self.report([], {QUIET: self.regularity.expire(now)})

    def report(self, verdicts, counted):
        samples = {series: float(count) for series, count in counted.items() if count}
        samples[REMEMBERED] = float(len(self.regularity.keys))
        # Series are registered once, and from then on go by their numbers.
        series = [] if self.series_sent else SERIES
        self.series_sent = True
        return Report(verdicts, series, list(samples), list(samples.values()))

    def snapshot(self):
        rows = [
            [container.hex(), path.hex(), raw.hex(), port, reported, times]
            for (container, path, raw, port), reported, times in self.regularity.state()
        ]
        return json.dumps(rows).encode()

    def restore(self, state):
        self.regularity.resume(
            ((bytes.fromhex(container), bytes.fromhex(path), bytes.fromhex(raw), port), reported, times)
            for container, path, raw, port, reported, times in json.loads(state)
        )


plugin = Plugin()


def answer(function, *args):
    """An exception that leaves a plugin tells nothing; one that becomes an error is in the daemon's log."""
    try:
        return function(*args)
    except ValueError as error:
        raise Err(str(error))
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        raise Err(f"{type(error).__name__} in {at.name}, line {at.lineno}: {error}")


class Guest:
    """What the daemon calls; each call gets a new one."""

    def describe(self):
        return Manifest(
            name="beacons",
            version="0.1.0",
            description="Reports programs that call the same address at regular intervals",
            subscription=Kinds.CONNECTIONS,
            metrics=METRICS,
            config_schema=json.dumps(schema()),
            state_version=STATE_VERSION,
            # Beacons are regular over hours: what was recorded before the plugin came counts.
            look_back=6 * 3600,
        )

    def init(self, config):
        answer(lambda: plugin.start(parse(json.loads(config or "{}"))))

    def filters(self):
        """Beginnings of connections: what the daemon leaves out costs nothing here."""
        return [
            Filter(
                tables=Kinds.CONNECTIONS,
                never=False,
                outcomes=Outcomes(0),
                places=Places(0),
                namespaces=[],
                users=[],
                executables=[],
                paths=[],
                accesses=Accesses(0),
                ops=bytes([OPENED, FAILED]),
                local_ports=[],
                remote_ports=[],
                remote_networks=[],
                merge_ms=0,
            )
        ]

    def on_batch(self, batch):
        return answer(plugin.batch, batch)

    def tick(self, now):
        return answer(plugin.tick, now)

    def snapshot(self):
        return plugin.snapshot()

    def restore(self, version, state):
        if version != STATE_VERSION:
            return Restored.COLD
        plugin.restore(state)
        return Restored.WARM
