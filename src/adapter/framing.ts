/**
 * The protocol's frames on a stream of bytes: `Content-Length: N`, an empty line, N bytes of JSON. A client's bug must not end the
 * session: what is no frame is told and skipped, and reading goes on at the next header.
 */

/** Longer ones are refused unread: no message is. */
export const MOST_BYTES = 64 << 20;
/** A header that has not ended by then is none. */
const MOST_HEADER = 4096;
const HEADER = /Content-Length:[ \t]*(\d+)[^\r\n]*(?=\r\n|$)/gi;
const END = "\r\n\r\n";
const NAME = "Content-Length:";

export interface FrameListener {
  /** A frame's JSON, parsed. */
  onMessage(message: unknown): void;
  onProblem(problem: string): void;
}

export class FrameReader {
  readonly #listener: FrameListener;
  #bytes = new Uint8Array(1 << 12);
  #start = 0;
  #end = 0;
  /** Length of the frame whose header has been read. */
  #wanted: number | undefined;

  constructor(listener: FrameListener) {
    this.#listener = listener;
  }

  push(bytes: Uint8Array): void {
    this.#append(bytes);
    while (this.#wanted === undefined ? this.#readHeader() : this.#readBody(this.#wanted));
  }

  #append(bytes: Uint8Array): void {
    const held = this.#end - this.#start;
    if (this.#end + bytes.length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#bytes.length, 2 * (held + bytes.length)));
      grown.set(this.#bytes.subarray(this.#start, this.#end));
      this.#bytes = grown;
      this.#start = 0;
      this.#end = held;
    }
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** Whether there is more to be read now. */
  #readHeader(): boolean {
    const held = this.#bytes.subarray(this.#start, Math.min(this.#end, this.#start + MOST_HEADER));
    const end = endOfHeader(held);
    if (end < 0) return held.length === MOST_HEADER && this.#skipGarbage(latin1(held));
    const header = latin1(held.subarray(0, end));
    const found = [...header.matchAll(HEADER)].at(-1);
    this.#start += end + END.length;
    const length = Number(found?.[1]);
    if (found === undefined) this.#listener.onProblem("a header without Content-Length was skipped");
    else if (length > MOST_BYTES) this.#listener.onProblem(`a message of ${found[1]} bytes was refused`);
    else this.#wanted = length;
    return true;
  }

  /** No header has ended in all that: up to the next that might begin. */
  #skipGarbage(head: string): boolean {
    const next = head.indexOf(NAME, 1);
    this.#start += next > 0 ? next : head.length - NAME.length;
    this.#listener.onProblem("bytes that are no message were skipped");
    return true;
  }

  #readBody(length: number): boolean {
    if (this.#end - this.#start < length) return false;
    const body = this.#bytes.subarray(this.#start, this.#start + length);
    this.#start += length;
    this.#wanted = undefined;
    let message: unknown;
    try {
      message = JSON.parse(utf8.decode(body));
    } catch {
      // the length may have been wrong: what follows its header is looked through for the next one
      this.#start -= length;
      this.#listener.onProblem("a message that is not JSON was skipped");
      return true;
    }
    this.#listener.onMessage(message);
    return true;
  }
}

/** Where END is; -1 if it is not there. */
function endOfHeader(bytes: Uint8Array): number {
  const isAt = (at: number): boolean => bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10;
  let at = bytes.indexOf(13);
  while (at >= 0 && !isAt(at)) at = bytes.indexOf(13, at + 1);
  return at;
}

/** Of a header: a decoder takes longer over so few. */
const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes);
const utf8 = new TextDecoder();
const encoder = new TextEncoder();

export function frame(message: unknown): Uint8Array {
  const body = encoder.encode(JSON.stringify(message));
  const head = encoder.encode(`${NAME} ${body.length}${END}`);
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}
