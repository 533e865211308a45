/** One spelling for each URI, so that the client's and ours compare equal; and file paths for clients that want them. */
import { percentDecoded } from "../../asmlang/core/uri.ts";

export const isFileUri = (uri: string): boolean => /^file:/i.test(uri);

/** Percent-decoded, scheme and Windows drive in lower case. */
export function canonicalUri(uri: string): string {
  const match = /^([a-z][\w+.-]*):(.*)$/i.exec(uri);
  if (match === null) return uri;
  const rest = percentDecoded(match[2]!).replace(
    /^(\/\/\/)([A-Z]):/,
    (_, slashes: string, drive: string) => `${slashes}${drive.toLowerCase()}:`,
  );
  return `${match[1]!.toLowerCase()}:${rest}`;
}

/** Path of a file URI: "/home/a.asm", "c:/a.asm". */
export function pathOfUri(uri: string): string {
  const path = canonicalUri(uri).replace(/^file:\/\/[^/]*/, "");
  return /^\/[a-z]:/i.test(path) ? path.slice(1) : path;
}
