"""What an operator may set. Unknown keys are refused by the daemon, by means of the schema; everything else here."""
from collections import namedtuple
from ipaddress import ip_network

Number = namedtuple("Number", "default least most about")
Texts = namedtuple("Texts", "default about")

PRIVATE = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
    "::1/128", "fc00::/7", "fe80::/10",
]  # fmt: skip
DAY = 86_400
KEYS = {
    "connections": Number(12, 4, 64, "So many connections in a row must be regular."),
    "min_seconds": Number(1.0, 0.001, 7 * DAY, "Least median of the gaps between them, in seconds."),
    "max_seconds": Number(3600.0, 0.001, 7 * DAY, "Greatest median of the gaps between them, in seconds."),
    "max_jitter": Number(0.15, 0.0, 1.0, "Greatest standard deviation of the gaps, as a part of their mean."),
    "repeat_after_seconds": Number(3600.0, 1.0, 30 * DAY, "What is still regular is reported again after so long."),
    "max_keys": Number(4096, 1, 8192, "So many programs with an address each are remembered."),
    "except_programs": Texts([], "File names of programs that may call regularly."),
    "except_networks": Texts(PRIVATE, "Networks that may be called regularly."),
}
Config = namedtuple("Config", KEYS)


def schema():
    """The keys as JSON Schema."""
    properties = {}
    for name, key in KEYS.items():
        if isinstance(key, Texts):
            kind = {"type": "array", "items": {"type": "string"}}
        else:
            kind = {"type": "integer" if isinstance(key.default, int) else "number"}
            kind |= {"minimum": key.least, "maximum": key.most}
        properties[name] = {"description": key.about, "default": key.default} | kind
    return {"type": "object", "additionalProperties": False, "properties": properties}


def parse(given):
    """Checks a configuration and fills in the defaults. A `ValueError` says what is wrong."""
    values = {name: check(name, key, given.get(name, key.default)) for name, key in KEYS.items()}
    if values["min_seconds"] > values["max_seconds"]:
        raise ValueError("`min_seconds` is more than `max_seconds`")
    values["except_programs"] = frozenset(name.encode() for name in values["except_programs"])
    values["except_networks"] = [network(text) for text in values["except_networks"]]
    return Config(**values)


def check(name, key, value):
    if isinstance(key, Texts):
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise ValueError(f"`{name}` is a list of texts")
        return value
    is_whole = isinstance(key.default, int)
    # In Python, a bool is an int.
    if isinstance(value, bool) or not isinstance(value, int if is_whole else (int, float)):
        raise ValueError(f"`{name}` is a {'whole ' if is_whole else ''}number")
    if not key.least <= value <= key.most:
        raise ValueError(f"`{name}` is between {key.least:g} and {key.most:g}, and {value:g} is not")
    return value


def network(text):
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError(f"`except_networks`: {error}") from None
