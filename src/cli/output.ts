/** The guest's output on its way to the host's: a line at a time, because a bare machine prints byte by byte. Order is kept across streams. */
import { writeSync } from "node:fs";

const NEWLINE = 10;
const FLUSH_AT = 1 << 13;

export class GuestOutput {
  #file = 1;
  #held: number[] = [];

  write(file: 1 | 2, bytes: Iterable<number>): void {
    if (file !== this.#file) this.flush();
    this.#file = file;
    let ended = false;
    for (const byte of bytes) {
      this.#held.push(byte);
      ended ||= byte === NEWLINE;
    }
    if (ended || this.#held.length >= FLUSH_AT) this.flush();
  }

  flush(): void {
    if (this.#held.length === 0) return;
    writeAll(this.#file, Uint8Array.from(this.#held));
    this.#held = [];
  }
}

/** Writes all of it; when nobody reads any more, nothing. */
export function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(file, bytes, at);
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === "EPIPE") return;
      if (code !== "EAGAIN") throw error;
    }
  }
}
