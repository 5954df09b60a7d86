// Which searches are for secrets.

const KEY_HEADER = /begin\W(?!.*\bpublic\b).*\b(private|openssh|rsa|dsa|ec)\b/;
// In a project, these words are about keys.
const KEY_WORDS = /private.?key/;
const CLOUD_VARIABLE = /aws_?(access_?key_?id|secret_?access_?key|session_?token)|akia|azure_client_secret|google_application_credentials/;
const PASSWORD = /passw(or)?d|passphrase|pwd\b/;

// A key by the name that ssh gives it; its public half is public.
const KEY_NAME = /(^|[^a-z_])id_(rsa|dsa|ecdsa|ed25519)(?!.*\.pub)/;
const CLOUD_NAME = /\.aws(\/|$)|aws.*credentials|\.kube(\/|$)|kubeconfig|gcloud|application_default_credentials|\.azure(\/|$)/;
// Certificates have some of these names too.
const KEY_FILE = /\.(pem|key|ppk|p12|pfx|jks)$/;
const PASSWORD_NAME = /passw(or)?d|\.netrc|\.pgpass|\.git-credentials|\.htpasswd|\.kdbx/;

// What kind of secret a search is for, or "other".
export function classify({ contents, names, folders }, cwd, config) {
  const texts = contents.map((one) => one.toLowerCase());
  const files = names.map((one) => one.toLowerCase());
  const any = (list, pattern) => list.some((one) => pattern.test(one));
  const isBroad = () => folders === "everywhere" || folders.some((folder) => isBroadFolder(folder, cwd, config));
  if (any(texts, KEY_HEADER) || any(files, KEY_NAME)) return "private-key";
  if (any(texts, CLOUD_VARIABLE) || any(files, CLOUD_NAME)) return "cloud-credential";
  const has = (list, parts) => list.some((one) => parts.some((part) => one.includes(part)));
  if (has(texts, config.extraContents) || has(files, config.extraNames)) return "configured";
  if ((any(texts, KEY_WORDS) || any(files, KEY_FILE)) && isBroad()) return "private-key";
  if ((any(texts, PASSWORD) || any(files, PASSWORD_NAME)) && isBroad()) return "password";
  return "other";
}

function isBroadFolder(folder, cwd, { broadFolders }) {
  const parts = [];
  for (const part of (folder.startsWith("/") ? folder : `${cwd}/${folder}`).split("/"))
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  return broadFolders.some(
    (broad) => broad.length === parts.length && broad.every((part, at) => part === "*" || part === parts[at]),
  );
}
