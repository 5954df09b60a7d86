"""`{{name}}`: reports programs that are run from folders where programs do not belong, and counts all runs.

Import everything up here: what is imported is stored in the component when it is built, and there are no files to
import from when it runs.
"""
import json
import traceback

from componentize_py_types import Err
from wit_world.exports.guest import Restored
from wit_world.imports.describe import Kinds, Manifest, Metric, MetricKind
from wit_world.imports.reports import Report, Row_Exec, Series, Severity, Verdict

NONE = 0xFFFF_FFFF
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "folders": {
            "description": "Programs that are run from here, or from below, are reported.",
            "type": "array",
            "items": {"type": "string"},
            "default": ["/tmp", "/var/tmp", "/dev/shm"],
        }
    },
}


def text(raw):
    """Kernel strings need not be UTF-8: for people, what is not is escaped."""
    return raw.decode("utf-8", "backslashreplace")


# Codecs are imported when they are first used, so this has to be done while there are files.
text(b"\xff")


class Strings:
    """The batch's strings by their ids, as bytes."""

    def __init__(self, table):
        self.ends, self.blob = table.ends, table.blob

    def __getitem__(self, id):
        return self.blob[self.ends[id - 1] if id else 0 : self.ends[id]]


class Plugin:
    """What is remembered from call to call."""

    def start(self, config):
        folders = config.get("folders", SCHEMA["properties"]["folders"]["default"])
        for folder in folders:
            if not folder.startswith("/"):
                raise ValueError(f"`folders` are absolute paths, and `{folder}` is not")
        self.folders = [folder.rstrip("/") for folder in folders]
        self.series_sent = False

    def batch(self, batch):
        strings, processes, execs = Strings(batch.strings), batch.processes, batch.execs
        verdicts, watched, elsewhere = [], 0, 0
        for row in range(len(execs.seq) if execs else 0):
            process = execs.process[row]
            if execs.errno[row] or process == NONE:
                continue
            # Of a script, `exe` is the interpreter and `filename` the script.
            found = self.watched(strings[processes.exe[process]], strings[execs.filename[row]])
            if not found:
                elsewhere += 1
                continue
            watched += 1
            folder, path = found[0], text(found[1])
            message = f"{text(strings[processes.comm[process]])} was run from {folder}: {path}"
            verdicts.append(
                Verdict("run-from-folder", Severity.WARNING, message, path, [], Row_Exec(row), [("folder", folder)])
            )
        # A series is registered once, and from then on goes by its number.
        series = [] if self.series_sent else [Series(0, ["watched"]), Series(0, ["elsewhere"])]
        self.series_sent = True
        return Report(verdicts, series, [0, 1], [float(watched), float(elsewhere)])

    def watched(self, *paths):
        for path in paths:
            for folder in self.folders:
                if path.startswith(folder.encode() + b"/"):
                    return folder, path
        return None


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
        runs = Metric("runs", "Programs run, in watched folders and elsewhere.", MetricKind.COUNTER, "", ["place"], [])
        about = "Reports programs that are run from folders where programs do not belong"
        return Manifest("{{name}}", "0.1.0", about, Kinds.EXECS, [runs], json.dumps(SCHEMA), 0, 0)

    def init(self, config):
        answer(lambda: plugin.start(json.loads(config or "{}")))

    def filters(self):
        return []  # every row of the tables above

    def on_batch(self, batch):
        return answer(plugin.batch, batch)

    def tick(self, now):
        return Report([], [], [], [])

    def snapshot(self):
        return b""

    def restore(self, version, state):
        return Restored.WARM
