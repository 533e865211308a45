/** The host's processor as an oracle: compiles native/tracer.c, which runs in a process of its own, and hands it one batch at a time. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, copyFileSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Batch } from "./batch.ts";
import {
  ADOPTED_AT,
  CHANGES_AT,
  IMAGE_AT,
  LOADS_AT,
  MAX_CHANGES,
  MAX_STEPS,
  RESULT,
  RESULT_WORDS,
  RESULTS_AT,
  STATE_WORDS,
  STEP_WORDS,
  STEPS_AT,
} from "./layout.ts";

/** What happened, in the words of layout.ts; valid until the next run. */
export interface Outcome {
  readonly results: Int32Array;
  readonly changes: Uint32Array;
}

export class Native {
  private readonly directory = mkdtempSync(join(tmpdir(), "ringside-lockstep-"));
  private readonly program = join(this.directory, "program");
  private readonly exchange: number;
  private readonly tracer: ChildProcess;
  private readonly results = new Int32Array(MAX_STEPS * RESULT_WORDS);
  private readonly changes = new Uint32Array(MAX_CHANGES);

  private readonly keep: string | undefined;

  /** @param source path of tracer.c  @param keep where to leave a copy of the last program */
  constructor(source: string, keep?: string) {
    this.keep = keep;
    const tracer = join(this.directory, "tracer");
    const gcc = spawnSync("gcc", ["-O2", "-o", tracer, source], { encoding: "utf8" });
    if (gcc.status !== 0) throw new Error(`gcc failed: ${gcc.stderr}`);
    const file = join(this.directory, "exchange");
    this.exchange = openSync(file, "w+");
    this.tracer = spawn(tracer, [this.program, file], { stdio: ["pipe", "pipe", "inherit"] });
    this.tracer.stdin!.on("error", () => {});
  }

  /** Runs a batch; what it holds is copied at once. One at a time. */
  run(batch: Batch): Promise<Outcome> {
    const put = (words: ArrayBufferView, length: number, at: number) => {
      const bytes = new Uint8Array(words.buffer, words.byteOffset, length);
      for (let done = 0; done < length; ) done += writeSync(this.exchange, bytes, done, length - done, at + done);
    };
    put(batch.image, batch.image.length, IMAGE_AT);
    put(batch.steps, batch.count * STEP_WORDS * 4, STEPS_AT);
    put(batch.loads, batch.loadCount * STATE_WORDS * 4, LOADS_AT);
    put(batch.adopted, batch.adoptedCount * 4, ADOPTED_AT);
    writeFileSync(this.program, batch.elf(), { mode: 0o700 });
    this.tracer.stdin!.write(new Uint8Array(Uint32Array.of(batch.count, batch.bits === 64 ? 1 : 0).buffer));
    const { count } = batch;
    return new Promise((resolve, reject) => {
      const ended = (status: number | null) => reject(new Error(`the tracer ended with status ${status}`));
      this.tracer.once("exit", ended);
      this.tracer.stdout!.once("data", () => {
        this.tracer.off("exit", ended);
        resolve(this.outcome(count));
      });
    });
  }

  private outcome(count: number): Outcome {
    this.get(this.results, count * RESULT_WORDS, RESULTS_AT);
    let used = 0;
    for (let i = 0; i < count; i++) {
      const at = i * RESULT_WORDS;
      used = Math.max(used, this.results[at + RESULT.CHANGES_AT]! + this.results[at + RESULT.CHANGES_COUNT]!);
    }
    this.get(this.changes, Math.min(used, MAX_CHANGES), CHANGES_AT);
    const { results, changes } = this;
    return { results, changes };
  }

  private get(words: Int32Array | Uint32Array, count: number, at: number): void {
    const bytes = new Uint8Array(words.buffer, 0, count * 4);
    for (let done = 0; done < bytes.length; ) {
      const got = readSync(this.exchange, bytes, done, bytes.length - done, at + done);
      if (got === 0) throw new Error("the exchange file is too short");
      done += got;
    }
  }

  close(): void {
    if (this.keep !== undefined) copyFileSync(this.program, this.keep);
    this.tracer.kill("SIGKILL");
    closeSync(this.exchange);
    rmSync(this.directory, { recursive: true, force: true });
  }
}
