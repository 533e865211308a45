/** Requests with missing, wrong and absurd arguments, in any order: each gets exactly one answer, and none finds a bug of ours. */
import { expect, it } from "vitest";
import { HANDLERS } from "../../src/adapter/handlers/table.ts";
import { SeededRandom } from "../../src/emu/machine/random.ts";
import { DapClient } from "./client.ts";

const program = "file:///w/p.asm";
const SOURCE = "bits 64\nglobal _start\n_start: mov eax, 39\n syscall\n inc ebx\n jmp _start\n";
const ROUNDS = 1000;

/** Commands that end the session or run without end are left to other tests. */
const LEFT_OUT = new Set(["disconnect", "terminate", "launch", "restart", "configurationDone", "initialize"]);
const RUNS = new Set(["continue", "next", "stepIn", "stepOut", "stepBack", "reverseContinue"]);

const random = new SeededRandom("fuzz", 7);
const pick = <T>(from: readonly T[]): T => from[random.below(from.length)]!;

const ODDITIES: readonly unknown[] = [
  undefined,
  null,
  true,
  -1,
  0,
  1,
  2,
  1e9,
  2 ** 53,
  Number.NaN,
  0.5,
  "",
  "x",
  "0x401000",
  "0xffffffffffffffff",
  "rax = 1",
  "[[[",
  "1 +",
  "_start",
  [],
  {},
  [null],
  [{}],
  { path: "/w/p.asm" },
  { path: 5 },
  { sourceReference: 1 },
  "AAAA",
  "===",
  "🙂",
  "a".repeat(10_000),
];
const NAMES = [
  "threadId",
  "frameId",
  "variablesReference",
  "expression",
  "context",
  "memoryReference",
  "offset",
  "count",
  "instructionCount",
  "instructionOffset",
  "source",
  "breakpoints",
  "lines",
  "line",
  "endLine",
  "filters",
  "filterOptions",
  "name",
  "value",
  "data",
  "allowPartial",
  "granularity",
  "start",
  "startFrame",
  "levels",
  "sourceReference",
  "enabled",
  "format",
];

function oddArguments(): unknown {
  if (random.below(20) === 0) return pick(ODDITIES);
  const count = random.below(8);
  return Object.fromEntries(Array.from({ length: count }, () => [pick(NAMES), pick(ODDITIES)]));
}

it(`answers ${ROUNDS} odd requests, each once`, async () => {
  const client = new DapClient({ [program]: SOURCE });
  await client.launch({ program });
  const commands = [
    ...Object.keys(HANDLERS).filter((name) => !LEFT_OUT.has(name)),
    "nonsense",
    "__proto__",
    "constructor",
    "",
  ];
  const quiet = commands.filter((name) => !RUNS.has(name));
  for (let i = 0; i < ROUNDS; i++) {
    // running is the slow part: a few times are enough
    const command = pick(random.below(4) === 0 ? commands : quiet);
    const args = oddArguments();
    const response = await client.loose(command, args);
    expect(response.message ?? "", `${command} in round ${i}`).not.toContain("a bug in Ringside");
    if (response.success && RUNS.has(command)) await client.settle();
  }
  expect((await client.request("threads")).success).toBe(true);
});
