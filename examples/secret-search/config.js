// What an operator may set. Unknown keys are refused by the daemon, by means of the schema; everything else here.

const BROAD = "/ /etc /home /home/* /mnt /opt /root /srv /usr /var /var/lib /var/www".split(" ");
const TEXTS = {
  broad_folders: [BROAD, "Folders where a search for passwords, or for files such as *.pem, must begin to count."],
  extra_contents: [[], "More texts that nobody should search contents for; case does not matter."],
  extra_names: [[], "More parts of file names that nobody should search for; case does not matter."],
  except_ancestors: [[], "File names of programs below which nothing is reported."],
};
const REPEAT = { default: 60, minimum: 1, maximum: 86_400 };

export function schema() {
  const about = "The same search of the same program is reported once in so many seconds.";
  const properties = { repeat_after_seconds: { type: "number", description: about, ...REPEAT } };
  for (const [name, [usual, description]] of Object.entries(TEXTS))
    properties[name] = { type: "array", items: { type: "string" }, default: usual, description };
  return { type: "object", additionalProperties: false, properties };
}

// Checks a configuration and fills in the defaults. What is wrong is thrown as a string.
export function parse(given) {
  const texts = (name) => {
    const found = given[name] ?? TEXTS[name][0];
    if (!Array.isArray(found) || !found.every((one) => typeof one === "string" && one !== ""))
      throw `\`${name}\` is a list of texts that are not empty`;
    return found;
  };
  const folders = texts("broad_folders");
  const relative = folders.find((folder) => !folder.startsWith("/"));
  if (relative !== undefined) throw `\`broad_folders\` are absolute paths, and \`${relative}\` is not`;
  const repeat = given.repeat_after_seconds ?? REPEAT.default;
  if (typeof repeat !== "number" || !(repeat >= REPEAT.minimum && repeat <= REPEAT.maximum))
    throw `\`repeat_after_seconds\` is a number between ${REPEAT.minimum} and ${REPEAT.maximum}`;
  return {
    broadFolders: folders.map((folder) => folder.split("/").filter((part) => part !== "")),
    extraContents: texts("extra_contents").map((one) => one.toLowerCase()),
    extraNames: texts("extra_names").map((one) => one.toLowerCase()),
    exceptAncestors: new Set(texts("except_ancestors")),
    repeatAfterSeconds: repeat,
  };
}

export const DEFAULTS = parse({});
