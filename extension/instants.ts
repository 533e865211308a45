/** What the commands for going back say and ask, free of VS Code: sources, expressions and instants as texts. */

/** Answer of `ringside/time`: instructions are numbered from the machine's start. */
export interface Instant {
  readonly icount: number;
  readonly start: number;
  readonly latest: number;
}

/** What VS Code hands to a command of the Variables view's menu, and a view's page to one of its own. */
export interface MenuContext {
  readonly expression?: string;
  readonly variable?: {
    readonly name: string;
    readonly value: string;
    readonly evaluateName?: string;
    readonly memoryReference?: string;
  };
}

export const grouped = (count: number): string => count.toString().replace(/\B(?=(\d{3})+$)/g, ",");

/** The status bar's: where this is, and how much of the past's future is known. */
export function instantText(now: Instant): string {
  const { icount, latest } = now;
  return isPast(now) ? `${grouped(icount)} of ${grouped(latest)}` : grouped(icount);
}

export const isPast = ({ icount, latest }: Instant): boolean => icount < latest;

export function instantHelp(now: Instant): string {
  const { icount, start, latest } = now;
  const past = isPast(now) ? ` This is the past: the program has been as far as ${grouped(latest)}.` : "";
  return `Before instruction ${grouped(icount)}.${past} History begins at ${grouped(start)}. Click to go to another instant.`;
}

/** A number as people write it; undefined for a bookmark's name. */
export function instructionNumber(text: string): number | undefined {
  const plain = text.trim().replace(/(?<=\d)[,_ '](?=\d)/g, "");
  return /^\d+$/.test(plain) && Number.isSafeInteger(Number(plain)) ? Number(plain) : undefined;
}

/** Sizes by the digits of a value shown in hexadecimal. */
const SIZES: Readonly<Record<number, string>> = { 2: "byte", 4: "word", 8: "dword", 16: "qword" };

/** What to ask "Who last wrote this?" about; undefined = the place has no name. */
export function expressionOf({ expression, variable }: MenuContext): string | undefined {
  if (expression !== undefined || variable === undefined) return expression;
  if (variable.evaluateName !== undefined) return variable.evaluateName;
  const digits = /^(?:0x[\da-f]+: )?0x([\da-f]+)/i.exec(variable.value)?.[1];
  const size = SIZES[digits?.length ?? 0];
  return variable.memoryReference === undefined ? undefined : `${size ?? "byte"} [${variable.memoryReference}]`;
}

/** VS Code's URI of a source as the adapter knows it: kernel sources by reference, files by path, everything else by URI. */
export function sourceOf(uri: {
  readonly scheme: string;
  readonly path: string;
  readonly query: string;
  readonly fsPath: string;
  toString(): string;
}): { path: string; sourceReference?: number } {
  const reference = uri.scheme === "debug" ? new URLSearchParams(uri.query).get("ref") : null;
  if (reference !== null) return { path: uri.path, sourceReference: Number(reference) };
  return { path: uri.scheme === "file" ? uri.fsPath : uri.toString() };
}

/** The console's list of bookmarks, "name: instruction 123" each. */
export function bookmarksIn(list: string): { name: string; icount: number }[] {
  return [...list.matchAll(/^(.+): instruction (\d+)$/gm)].map(([, name, icount]) => ({
    name: name!,
    icount: Number(icount),
  }));
}
