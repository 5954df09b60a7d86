// The bytes of a batch. Kernel strings need not be UTF-8.

export const NONE = 0xffff_ffff;

export const bytes = (strings, id) => strings.blob.subarray(id === 0 ? 0 : strings.ends[id - 1], strings.ends[id]);
export const basename = (path) => path.subarray(path.lastIndexOf(0x2f) + 1);

// A text with a character for each byte, to match patterns of ASCII against; not for people.
export const latin = (found) => Array.from(found, (byte) => String.fromCharCode(byte)).join("");
export const fromLatin = (found) => Uint8Array.from(found, (character) => character.charCodeAt(0));

// The arguments, each of which ends with a NUL byte.
export function split(args) {
  const found = [];
  for (let start = 0, end; start < args.length; start = end + 1) {
    end = args.indexOf(0, start);
    if (end < 0) end = args.length;
    found.push(args.subarray(start, end));
  }
  return found;
}

const hex = (byte) => `\\x${byte.toString(16).padStart(2, "0")}`;
const escape = (found) => Array.from(found, hex).join("");

// Control characters, and the format characters that reorder or hide what stands beside them. The engine of a component
// knows no Unicode properties (`\p{C}`).
const UNSAFE = /[\0-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/;

// Bytes in which nobody can hide: printable UTF-8 as it is, a backslash doubled, any other byte as `\xNN`.
export function text(found) {
  const raw = Uint8Array.from(found);
  let shown = "";
  for (let at = 0; at < raw.length; ) {
    const length = characterLength(raw, at);
    const bytes = raw.subarray(at, at + Math.max(length, 1));
    const character = length > 0 ? new TextDecoder().decode(bytes) : "";
    if (character === "\\") shown += "\\\\";
    else shown += character === "" || UNSAFE.test(character) ? escape(bytes) : character;
    at += bytes.length;
  }
  return shown;
}

// How many bytes the UTF-8 character at `at` has, or 0 if there is none.
function characterLength(raw, at) {
  const first = raw[at];
  const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(raw.subarray(at, at + length));
    return at + length <= raw.length ? length : 0;
  } catch {
    return 0;
  }
}
