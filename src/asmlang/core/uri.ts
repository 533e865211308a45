/** URIs name files wherever text is read. They come from outside: a stray % in one is part of the name. */

export function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The last part of a path or URI, as its user reads it. */
export const fileNameOf = (uri: string): string => percentDecoded(uri.split("/").at(-1) ?? uri);
