/**
 * Odd messages: requests made from the protocol's schema with values that a client could send, then twisted (other types, huge numbers, parts
 * left out, doubled or swapped), and frames that are cut, miscounted or no text at all.
 */
import type { SeededRandom } from "../../src/emu/machine/random.ts";
import { REQUESTS, resolved, type Schema } from "./schema.ts";

/** What a client would send, by the field's name; other texts come from TEXTS. */
const LIKELY: Readonly<Record<string, readonly unknown[]>> = {
  expression: [
    "rax",
    "rsp + 8",
    "qword [rsp]",
    "dword [count],4x",
    "TS_COMPAT",
    "pt_regs.ip",
    "rip == _start",
    "$1",
    "xmm0",
  ],
  memoryReference: ["0x401000", "0x402000", "0xffffffff81000000", "0x10", "0x7fffffffe000", "4198400"],
  instructionReference: ["0x401000", "0x401005", "0xffffffff81000010", "0x0"],
  condition: ["rax == 1", "1", "0", "rcx >", "dword [count] > 3"],
  hitCondition: ["1", "> 2", "% 3", "x"],
  logMessage: ["rax is {rax}", "{", "{rcx,d} {nothing}"],
  granularity: ["statement", "line", "instruction"],
  context: ["watch", "repl", "hover", "clipboard", "variables"],
  path: ["/w/fuzz.asm", "ringside:kernel/entry/entry_64.S", "/nowhere.s", "\\\\x\\y", "%%%"],
  dataId: ["0x402000:8:ffffffffffffffff", "402000", "x"],
  name: ["rax", "CF", "count", "_start", "TS_COMPAT", "thread_info.flags", "[0]", "0x402000", "qword [rsp]"],
  value: ["0", "0x1234", "rbx", "-1", "rax + 1"],
  data: ["AAAA", "/////w==", "*", ""],
  text: ["ra", "TS_", "qword [", "back ", "who "],
  filterId: ["fatal", "signal", "nothing"],
  event: ["nmi", "irq", "signal:SIGALRM"],
};
const CONSOLE = [
  "help",
  "back",
  "back 5",
  "go 100",
  "bookmark a",
  "go a",
  "time",
  "gdt",
  "idt 14",
  "ldt",
  "page rsp",
  "page 0",
  "trace on",
  "trace off",
  "until twice",
  "who rax",
  "who TS_COMPAT",
  "who qword [rsp]",
  "inject nmi",
  "inject signal:SIGUSR1",
  "back-until _start",
  "rax = 5",
  "byte [count] = 1",
  "rip = 0",
  "cr3 = 0",
  "rsp = rsp + 1",
  "ss = 7",
  "efer = 0",
  "((((1))))",
  "1 / 0",
  "x".repeat(3000),
  "(".repeat(20_000),
  "-".repeat(20_000),
  "rax,",
  "$9",
];
const TEXTS = [
  "",
  "x",
  "rax",
  "0x401000",
  "_start",
  "[[[",
  "1 +",
  "🙂",
  "\u0000",
  "\ud800",
  "a".repeat(10_000),
  "__proto__",
  "../../etc/passwd",
];
const NUMBERS = [
  0,
  1,
  2,
  3,
  5,
  7,
  10,
  16,
  100,
  1000,
  -1,
  -8,
  4096,
  1e9,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  -(2 ** 53),
  1e300,
  0.5,
  -0.1,
];
const ODD: readonly unknown[] = [
  null,
  true,
  false,
  -1,
  2 ** 53,
  1e308,
  "",
  "0x",
  [],
  {},
  [null],
  [[]],
  [{}],
  { a: 1 },
  "AAAA",
  "[".repeat(2000),
];

/** Requests that are ours, with arguments in the schema's words. */
const whole: Schema = { type: "integer" };
const OURS: readonly (readonly [string, Schema])[] = [
  ["ringside/kernelState", { type: "object" }],
  ["ringside/espfix", { type: "object" }],
  ["ringside/time", { type: "object" }],
  ["ringside/stepBackInto", { type: "object", properties: { granularity: { type: "string" } } }],
  ["ringside/stepBackOut", { type: "object" }],
  ["ringside/stepIntoKernel", { type: "object", properties: { enabled: { type: "boolean" } } }],
  ["ringside/runBackTo", { type: "object", properties: { source: { $ref: "#/definitions/Source" }, line: whole } }],
  ["ringside/goToInstruction", { type: "object", properties: { icount: whole } }],
  ["ringside/lastWriter", { type: "object", properties: { expression: { type: "string" } } }],
];
const STRANGE = [
  "",
  "nonsense",
  "__proto__",
  "constructor",
  "toString",
  "ringside/",
  "runInTerminal",
  "a".repeat(1000),
];
/** Those that begin or end a program: asked seldom, or nothing else would be. */
const SELDOM: ReadonlySet<string> = new Set(["disconnect", "terminate", "restart", "launch", "configurationDone"]);

export interface Request {
  readonly command: unknown;
  readonly arguments?: unknown;
}

export class OddMessages {
  readonly #random: SeededRandom;
  /** Numbers that the adapter gave out, of the present and of earlier stops. */
  readonly references: number[] = [1];

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.#random.below(from.length)]!;
  }
  /** True once in `n` times. */
  once(n: number): boolean {
    return this.#random.below(n) === 0;
  }

  request(): Request {
    if (this.once(30)) return { command: this.pick(STRANGE), arguments: this.pick(ODD) };
    if (this.once(400)) return { command: this.pick(ODD) };
    const [command, type] = this.#command();
    const made = command === "evaluate" && this.once(2) ? this.#console() : this.#value(type, "", 0);
    const args = this.once(3) ? this.#twisted(made) : made;
    return this.once(40) ? { command } : { command, arguments: args };
  }

  #command(): readonly [string, Schema] {
    if (this.once(4)) return this.pick(OURS);
    const all = [...REQUESTS];
    const chosen = this.pick(all);
    return SELDOM.has(chosen[0]) && !this.once(15) ? this.#command() : chosen;
  }

  #console = () => ({ expression: this.pick(CONSOLE), context: "repl" });

  #value(given: Schema, name: string, depth: number): unknown {
    const type = resolved(given);
    if (type.enum !== undefined) return this.pick(type.enum);
    const kind = Array.isArray(type.type) ? this.pick(type.type as string[]) : type.type;
    if (kind === "object" || type.properties !== undefined || type.allOf !== undefined)
      return this.#object(type, depth);
    if (kind === "array") return this.#list(type.items ?? {}, name, depth);
    if (kind === "integer" || kind === "number") return this.#number(name);
    if (kind === "boolean") return this.once(2);
    return this.pick(LIKELY[name] ?? type._enum ?? TEXTS);
  }

  #object(type: Schema, depth: number): Record<string, unknown> {
    const parts = [type, ...(type.allOf ?? []).map(resolved)];
    const made: Record<string, unknown> = {};
    for (const { properties = {}, required = [] } of parts) {
      for (const [name, of] of Object.entries(properties)) {
        const wanted = required.includes(name) || this.once(depth === 0 ? 2 : 4);
        if (wanted && depth < 4) made[name] = this.#value(of, name, depth + 1);
      }
    }
    return made;
  }

  #list(items: Schema, name: string, depth: number): unknown[] {
    const count = this.once(50) ? 300 : this.#random.below(4);
    return Array.from({ length: count }, () => this.#value(items, name, depth + 1));
  }

  #number(name: string): number {
    if (name === "threadId" && !this.once(5)) return 1;
    if (name === "line" && !this.once(5)) return 1 + this.#random.below(30);
    if (/reference|Id$/i.test(name) && !this.once(3)) return this.pick(this.references);
    if (name === "icount" && !this.once(5)) return this.#random.below(60_000);
    return this.pick(NUMBERS);
  }

  /** One value somewhere in it is another, or gone, or doubled. */
  #twisted(value: unknown): unknown {
    if (typeof value !== "object" || value === null || this.once(6)) return this.pick(ODD);
    const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>;
    const keys = Object.keys(copy);
    if (keys.length === 0) return this.pick(ODD);
    const key = this.pick(keys);
    const twist = this.#random.below(6);
    if (twist === 0) delete copy[key];
    else if (twist === 1) copy[this.pick(keys)] = copy[key];
    else copy[key] = this.#twisted(copy[key]);
    return copy;
  }

  /** Bytes that are no good frame: what was meant may be lost, what comes after it must not be. */
  brokenFrame(json: string): Buffer {
    const body = Buffer.from(json);
    const header = (length: unknown) => Buffer.from(`Content-Length: ${length}\r\n\r\n`);
    const damaged = Buffer.from(body);
    damaged[this.#random.below(damaged.length)] = this.pick([0, 0x22, 0x7b, 0x80, 0xc3, 0xff]);
    return this.pick([
      () => Buffer.concat([header(body.length + 1 + this.#random.below(200)), body]),
      () => Buffer.concat([header(this.#random.below(body.length)), body]),
      () => Buffer.concat([header(body.length), damaged]),
      () => Buffer.concat([header(body.length), body.subarray(0, this.#random.below(body.length))]),
      () => body,
      () => header(this.pick(["", "-5", "x", "99999999999", "1e3", "0", `${2 ** 60}`])),
      () => Buffer.from("\r\n\r\n\r\n"),
      () => Buffer.from(this.#random.bytes(1 + this.#random.below(300))),
      () =>
        frameOf(
          this.pick(["null", "5", '"x"', "[]", "{}", '{"type":"request"}', '{"type":"event","seq":1,"event":"x"}']),
        ),
      () =>
        frameOf(
          this.pick([
            '{"type":"response","seq":1,"request_seq":1,"success":true,"command":"x"}',
            '{"seq":"1","type":"request","command":"threads"}',
          ]),
        ),
    ])();
  }
}

export function frameOf(json: string): Buffer {
  const body = Buffer.from(json);
  return Buffer.concat([Buffer.from(`Content-Length: ${body.length}\r\n\r\n`), body]);
}
