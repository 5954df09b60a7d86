// `{{name}}`: reports programs that are run from folders where programs do not belong, and counts all runs.

const NONE = 0xffff_ffff;
const SCHEMA = {
  type: "object",
  additionalProperties: false,
  properties: {
    folders: {
      description: "Programs that are run from here, or from below, are reported.",
      type: "array",
      items: { type: "string" },
      default: ["/tmp", "/var/tmp", "/dev/shm"],
    },
  },
};

let folders = [];
let seriesSent = false;

// Kernel strings need not be UTF-8: they are compared as bytes, and made text for people only.
const bytes = (strings, id) => strings.blob.subarray(id === 0 ? 0 : strings.ends[id - 1], strings.ends[id]);
const text = (found) => new TextDecoder().decode(found);

function isBelow(path, folder) {
  if (path.length <= folder.length || path[folder.length] !== 0x2f) return false;
  for (let at = 0; at < folder.length; at++) if (path[at] !== folder[at]) return false;
  return true;
}

function watched(paths) {
  for (const path of paths) {
    const folder = folders.find((folder) => isBelow(path, folder));
    if (folder !== undefined) return { folder: text(folder), path: text(path) };
  }
}

export const guest = {
  describe: () => ({
    name: "{{name}}",
    version: "0.1.0",
    description: "Reports programs that are run from folders where programs do not belong",
    subscription: { execs: true },
    metrics: [
      {
        name: "runs",
        help: "Programs run, in watched folders and elsewhere.",
        kind: "counter",
        unit: "",
        labels: ["place"],
        buckets: new Float64Array(),
      },
    ],
    configSchema: JSON.stringify(SCHEMA),
    stateVersion: 0,
    // Seconds of the flight recorder to look back on when it is new on a node.
    lookBack: 0,
  }),

  // What is thrown as a string becomes the call's error.
  init(config) {
    const wanted = JSON.parse(config || "{}").folders ?? SCHEMA.properties.folders.default;
    const relative = wanted.find((folder) => !folder.startsWith("/"));
    if (relative !== undefined) throw `\`folders\` are absolute paths, and \`${relative}\` is not`;
    folders = wanted.map((folder) => new TextEncoder().encode(folder.replace(/\/+$/, "")));
    seriesSent = false;
  },

  // Every row of the tables above.
  filters: () => [],

  onBatch({ strings, processes, execs }) {
    const verdicts = [];
    const values = [0, 0];
    for (let row = 0; row < (execs?.seq.length ?? 0); row++) {
      const process = execs.process[row];
      if (execs.errno[row] !== 0 || process === NONE) continue;
      // Of a script, `exe` is the interpreter and `filename` the script.
      const paths = [processes.exe[process], execs.filename[row]].map((id) => bytes(strings, id));
      const found = watched(paths);
      values[found ? 0 : 1] += 1;
      if (!found) continue;
      const { folder, path } = found;
      verdicts.push({
        rule: "run-from-folder",
        severity: "warning",
        message: `${text(bytes(strings, processes.comm[process]))} was run from ${folder}: ${path}`,
        key: path,
        tags: [],
        subject: { tag: "exec", val: row },
        fields: [["folder", folder]],
      });
    }
    const series = seriesSent ? [] : ["watched", "elsewhere"].map((place) => ({ metric: 0, labels: [place] }));
    seriesSent = true;
    return { verdicts, series, ids: new Uint32Array([0, 1]), values: new Float64Array(values) };
  },

  tick: () => ({ verdicts: [], series: [], ids: new Uint32Array(), values: new Float64Array() }),
  snapshot: () => new Uint8Array(),
  restore: () => "warm",
};
