/** URIs name files wherever text is read. They come from outside: a stray % in one is part of the name. */

export function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A URI, or a path from a root on: nothing that is in some folder. */
export const isAbsolute = (place: string): boolean => /^([a-z][\w+.-]*:|[\\/])/i.test(place);

/** The last part of a path or URI, as its user reads it. */
export const fileNameOf = (uri: string): string => percentDecoded(uri.split("/").at(-1) ?? uri);
