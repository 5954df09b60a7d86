"""What a batch says about connections, and its bytes as text."""
from functools import lru_cache
from ipaddress import IPv6Address

NONE = 0xFFFF_FFFF
OPENED, FAILED = 1, 3
OUTBOUND = 0
# Paths may have 4 KiB, and a verdict's key 1 KiB; escaped, a byte becomes four.
MOST_OF_A_STRING = 160


class Strings:
    """The batch's strings by their ids, as bytes."""

    def __init__(self, table):
        self.ends, self.blob = table.ends, table.blob

    def __getitem__(self, id):
        return self.blob[self.ends[id - 1] if id else 0 : self.ends[id]]

    def start(self, id):
        """What is remembered of a string that somebody else chose."""
        return self[id][:MOST_OF_A_STRING]


def attempts(connections):
    """Rows of outbound connections and of attempts that failed, each with the time at which it began."""
    for row, op in enumerate(connections.op):
        if op in (OPENED, FAILED) and connections.direction[row] == OUTBOUND:
            yield row, connections.time[row] - connections.duration[row]


def remote(connections, row):
    """The remote address: 16 bytes in network order."""
    return connections.addresses[32 * row + 16 : 32 * row + 32]


@lru_cache(maxsize=1024)
def address(raw):
    """An address for people and for networks: IPv4 as IPv4."""
    parsed = IPv6Address(raw)
    return parsed.ipv4_mapped or parsed


def text(raw):
    """Bytes in which nobody can hide: printable UTF-8 as it is, a backslash doubled, any other byte as `\\xNN`."""
    shown = raw.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else "".join(f"\\x{byte:02x}" for byte in c.encode()) for c in shown)


# Codecs are imported when they are first used, so this has to be done while there are files.
text(b"\xff\n")
