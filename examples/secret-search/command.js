// What a command line searches for, and where.

const GREPS = new Set(["grep", "egrep", "fgrep", "zgrep", "pcregrep", "pcre2grep", "rg", "ag", "ack", "ugrep"]);
const RECURSIVE_BY_NATURE = new Set(["rg", "ag", "ack"]);
const LOCATES = new Set(["locate", "mlocate", "plocate"]);
const FDS = new Set(["fd", "fdfind"]);
const MULTIPLE = new Set(["busybox", "toybox"]);
const PROGRAMS = new Set(["find", ...GREPS, ...LOCATES, ...FDS, ...MULTIPLE]);

// Options other than -e and --regexp that take the next argument.
const LETTERS = { rg: "ABCEMTdfgjmrt", ag: "ABCGWgmp", ack: "ABCm" };
const LETTERS_OF_GREP = "ABCDdfm";
const WORDS = new Set(
  ("--file --include --exclude --exclude-dir --exclude-from --max-count --context --after-context --before-context " +
    "--binary-files --directories --devices --label --glob --iglob --type --type-not --max-depth --ignore").split(" "),
);
const FIND_NAMES = /^-(i?name|i?path|i?wholename|i?regex|i?lname)$/;

// Whether a program may be a search: most are not, and need not be looked at any further.
export const maySearch = (exe) => PROGRAMS.has(exe);

// The search that a program does: `names` or `contents` that are sought, and the folders in which it begins, or
// "everywhere"; nothing if it does none. One program by many names goes by the name that it is called by.
export function search(exe, args) {
  let [called, ...rest] = args;
  if (called === undefined) return undefined;
  if (MULTIPLE.has(exe)) {
    if (MULTIPLE.has(lastPart(called))) [called = "", ...rest] = rest;
    exe = lastPart(called);
  }
  if (GREPS.has(exe)) return { program: exe, names: [], ...grep(exe, rest) };
  if (exe === "find") return { program: exe, contents: [], ...find(rest) };
  const operands = rest.filter((arg) => !arg.startsWith("-"));
  if (LOCATES.has(exe)) return { program: exe, contents: [], names: operands, folders: "everywhere" };
  if (FDS.has(exe)) return { program: exe, contents: [], names: operands.slice(0, 1), folders: orHere(operands.slice(1)) };
  return undefined;
}

const lastPart = (path) => path.slice(path.lastIndexOf("/") + 1);
const orHere = (folders) => (folders.length > 0 ? folders : ["."]);

function grep(exe, args) {
  const letters = LETTERS[exe] ?? LETTERS_OF_GREP;
  const contents = [];
  const operands = [];
  let isRecursive = RECURSIVE_BY_NATURE.has(exe);
  for (let at = 0; at < args.length; at++) {
    const arg = args[at];
    if (arg === "--") {
      operands.push(...args.slice(at + 1));
      break;
    }
    if (arg === "-" || !arg.startsWith("-")) operands.push(arg);
    else if (arg.startsWith("--regexp=")) contents.push(arg.slice("--regexp=".length));
    else if (arg === "--regexp") contents.push(args[++at] ?? "");
    else if (arg === "--recursive" || arg === "--dereference-recursive") isRecursive = true;
    else if (arg.startsWith("--")) at += WORDS.has(arg) ? 1 : 0;
    else {
      const { flags, taker, value } = cluster(arg, letters);
      isRecursive ||= /[rR]/.test(flags);
      const taken = taker !== "" && value === "" ? (args[++at] ?? "") : value;
      if (taker === "e") contents.push(taken);
    }
  }
  if (contents.length === 0) contents.push(...operands.splice(0, 1));
  return { contents, folders: isRecursive ? orHere(operands) : [] };
}

// Short options in one argument: those that take no value, the one that does, and its value if it is there.
function cluster(arg, letters) {
  for (let at = 1; at < arg.length; at++)
    if (arg[at] === "e" || letters.includes(arg[at]))
      return { flags: arg.slice(1, at), taker: arg[at], value: arg.slice(at + 1) };
  return { flags: arg.slice(1), taker: "", value: "" };
}

function find(args) {
  // -H, -L, -P, -D and -O come before the folders, which end where the expression begins.
  let first = 0;
  while (/^-([HLP]|O\d*|D)$/.test(args[first] ?? "")) first += args[first] === "-D" ? 2 : 1;
  const expression = args.findIndex((arg, at) => at >= first && /^[-(!]/.test(arg));
  const end = expression < 0 ? args.length : expression;
  const names = args.filter((_, at) => at > end && FIND_NAMES.test(args[at - 1]));
  return { names, folders: orHere(args.slice(first, end)) };
}
