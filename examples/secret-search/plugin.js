// `secret-search`: searches for private keys, passwords and cloud credentials with grep, find, locate and their like.
//
// Verdicts `private-key-search` and `cloud-credential-search` (warning), `password-search` and `configured-search`
// (notice); ATT&CK T1552.001 (credentials in files) and T1552.004 (private keys).
import { DEFAULTS, parse, schema } from "./config.js";
import { NONE, basename, bytes, fromLatin, latin, split, text } from "./columns.js";
import { maySearch, search } from "./command.js";
import { classify } from "./secrets.js";

const STATE_VERSION = 1;
// Searches that are remembered so as not to be repeated.
const MOST_REMEMBERED = 1024;
// A verdict's key may have 1 KiB; escaped, a byte becomes four.
const MOST_SHOWN = 180;
const KINDS = {
  "private-key": { about: "private keys", severity: "warning", tag: "T1552.004" },
  "cloud-credential": { about: "cloud credentials", severity: "warning", tag: "T1552.001" },
  password: { about: "passwords", severity: "notice", tag: "T1552.001" },
  configured: { about: "configured texts", severity: "notice", tag: "T1552.001" },
};
const SOUGHT = [...Object.keys(KINDS), "other"];

let config = DEFAULTS;
let seriesSent = false;
// Searches by key, with the time of the last report in milliseconds; the oldest first.
let reported = new Map();

function isRepeated(key, now) {
  const last = reported.get(key);
  if (last !== undefined && now - last < config.repeatAfterSeconds * 1000) return true;
  reported.delete(key);
  reported.set(key, now);
  if (reported.size > MOST_REMEMBERED) reported.delete(reported.keys().next().value);
  return false;
}

function isExcepted({ strings, processes }, process) {
  if (config.exceptAncestors.size === 0) return false;
  // The table is finite, but nothing promises that it has no circle.
  for (let left = 64; process !== NONE && left > 0; left--, process = processes.parent[process])
    if (config.exceptAncestors.has(latin(basename(bytes(strings, processes.exe[process]))))) return true;
  return false;
}

// What a process seeks, or nothing if it is no search.
function sought({ strings, processes }, process) {
  const exe = latin(basename(bytes(strings, processes.exe[process])));
  if (!maySearch(exe)) return undefined;
  const args = split(bytes(strings, processes.args[process]));
  const found = search(exe, args.map(latin));
  if (found === undefined) return undefined;
  const cwd = latin(bytes(strings, processes.cwd[process]));
  return { ...found, args, kind: classify(found, cwd, config) };
}

function verdict({ strings, processes, containers }, process, row, found) {
  const { about, severity, tag } = KINDS[found.kind];
  const command = text(found.args.flatMap((arg) => [0x20, ...arg]).slice(1, MOST_SHOWN));
  const sought = text(fromLatin([...found.contents, ...found.names].join(" ")).subarray(0, MOST_SHOWN));
  const container = processes.container[process];
  const inside = container === NONE ? "" : text(bytes(strings, containers.id[container]).subarray(0, 64));
  return {
    rule: `${found.kind}-search`,
    severity,
    message: `a search for ${about}: ${command}`,
    key: `${found.kind}-search/${inside}/${sought}`,
    tags: [tag],
    subject: { tag: "exec", val: row },
    fields: [
      ["program", found.program],
      ["sought", sought],
    ],
  };
}

const report = (verdicts, values) => {
  // A series is registered once, and from then on goes by its number.
  const series = seriesSent ? [] : SOUGHT.map((kind) => ({ metric: 0, labels: [kind] }));
  seriesSent = true;
  return { verdicts, series, ids: Uint32Array.from(values.keys()), values: Float64Array.from(values) };
};

export const guest = {
  describe: () => ({
    name: "secret-search",
    version: "0.1.0",
    description: "Reports searches for private keys, passwords and cloud credentials",
    subscription: { execs: true },
    metrics: [
      {
        name: "searches",
        help: "Searches by what is sought, those that are not reported again included.",
        kind: "counter",
        unit: "",
        labels: ["sought"],
        buckets: new Float64Array(),
      },
    ],
    configSchema: JSON.stringify(schema()),
    stateVersion: STATE_VERSION,
    lookBack: 0,
  }),

  // What is thrown as a string becomes the call's error.
  init(text) {
    config = parse(JSON.parse(text || "{}"));
    seriesSent = false;
    reported = new Map();
  },

  // What the daemon leaves out costs nothing here.
  filters: () => [
    {
      tables: { execs: true },
      never: false,
      outcomes: { succeeded: true },
      places: {},
      namespaces: [],
      users: new Uint32Array(),
      executables: [],
      paths: [],
      accesses: {},
      ops: new Uint8Array(),
      localPorts: [],
      remotePorts: [],
      remoteNetworks: [],
      mergeMs: 0,
    },
  ],

  onBatch(batch) {
    const { execs } = batch;
    const verdicts = [];
    const values = SOUGHT.map(() => 0);
    for (let row = 0; row < (execs?.seq.length ?? 0); row++) {
      const process = execs.process[row];
      if (execs.errno[row] !== 0 || process === NONE) continue;
      const found = sought(batch, process);
      if (found === undefined) continue;
      values[SOUGHT.indexOf(found.kind)] += 1;
      if (found.kind === "other" || isExcepted(batch, process)) continue;
      const made = verdict(batch, process, row, found);
      if (!isRepeated(made.key, Number(execs.time[row] / 1_000_000n))) verdicts.push(made);
    }
    return report(verdicts, values);
  },

  tick: () => report([], []),
  snapshot: () => new TextEncoder().encode(JSON.stringify([...reported])),
  restore(version, state) {
    if (version !== STATE_VERSION) return "cold";
    reported = new Map(JSON.parse(new TextDecoder().decode(state)));
    return "warm";
  },
};
