/** Over the protocol: the aliases of an espfix stack walked from CR3 by reading memory, and a physical data breakpoint met through random ones. */
import { expect, it } from "vitest";
import { SeededRandom } from "../../src/emu/machine/random.ts";
import { ALIASES, aliasOf, aliasProgram, randomStacks } from "../emu/kernel/alias-program.ts";
import { DapClient } from "./client.ts";

const program = "file:///w/aliases.s";
const FRAME = 0x000f_ffff_ffff_f000n;
/** page_offset_base without KASLR: all of physical memory lies there. */
const DIRECT_MAP = 0xffff_8880_0000_0000n;
const hex = (value: bigint): string => `0x${value.toString(16)}`;
const numberOf = async (client: DapClient, expression: string) =>
  BigInt((await client.evaluate(expression)).split(" ")[0]!);

/** Stands at the IRET of the first return to the 16-bit stack. */
async function atIret(seed: number): Promise<DapClient> {
  const client = new DapClient({ [program]: aliasProgram(randomStacks(seed), 0) });
  await client.launch({ program, bits: 32, seed }, () =>
    client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "native_irq_return_ldt" }] }),
  );
  await client.run("continue");
  await client.ok("setFunctionBreakpoints", { breakpoints: [] });
  return client;
}

/** Where the linear address leads to, by entries that the client reads through the kernel's mapping of all memory. */
async function walk(client: DapClient, cr3: bigint, linear: bigint): Promise<bigint> {
  let table = cr3 & FRAME;
  for (const shift of [39n, 30n, 21n, 12n]) {
    const entry = DIRECT_MAP + table + ((linear >> shift) & 0x1ffn) * 8n;
    const { data } = await client.ok("readMemory", { memoryReference: hex(entry), count: 8 });
    const value = Buffer.from(data, "base64").readBigUInt64LE(0);
    expect(value & 1n).toBe(1n);
    table = value & FRAME;
  }
  return table;
}

it.each([1, 77])("seed %i: 100 random aliases lead to one page", async (seed) => {
  const client = await atIret(seed);
  const [alias, cr3] = [await numberOf(client, "espfix.alias"), await numberOf(client, "cr3")];
  const info = await client.ok("dataBreakpointInfo", { name: hex(alias), asAddress: true, bytes: 8, mode: "physical" });
  const physical = BigInt(/physical (0x[\da-f]+)/.exec(info.description)![1]!);
  const random = new SeededRandom("walk", seed);
  for (let i = 0; i < ALIASES; i++) {
    const linear = (alias & ~0xffff_0000n) | (BigInt(random.below(0x1_0000)) << 16n);
    expect(await walk(client, cr3, linear)).toBe(physical & FRAME);
  }
});

/** The words that the view has names for. */
const labelled = ({ ministack }: { ministack: { words: { label: string; value: string }[] } }) =>
  Object.fromEntries(
    ministack.words
      .filter(({ label }) => FRAME_WORDS.includes(label))
      .map(({ label, value }) => [label, BigInt(value)]),
  );
const FRAME_WORDS = ["IP", "CS", "FLAGS", "SP", "SS"];

/** What IRET is about to take. */
async function frameOf(client: DapClient, at: string): Promise<Record<string, bigint>> {
  const words = FRAME_WORDS.map(
    async (label, i) => [label, await client.evaluate(`qword [${at} + ${8 * i}]`)] as const,
  );
  return Object.fromEntries((await Promise.all(words)).map(([label, value]) => [label, BigInt(value.split(" ")[0]!)]));
}

it.each(["prototype", "prototype-64"])(
  "the view names the words of %s's ministack as IRET takes them",
  async (espfix) => {
    const client = new DapClient({ [program]: aliasProgram(randomStacks(1), 0) });
    await client.launch({ program, bits: 32, kernel: { espfix } }, () =>
      client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "espfix_on_ministack" }] }),
    );
    await client.run("continue");
    expect(labelled(await client.ok("ringside/espfix"))).toEqual(await frameOf(client, "rsp + 24"));
  },
);

it("the view says when the stack that runs is the ministack", async () => {
  const client = await atIret(1);
  expect((await client.ok("ringside/espfix")).inUse).toBe(false);
  await client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "espfix_on_ministack" }] });
  await client.run("continue");
  const view = await client.ok("ringside/espfix");
  expect(view).toMatchObject({ available: true, inUse: true });
  expect(labelled(view)).toEqual(await frameOf(client, "rsp + 8"));
  await client.run("stepOut");
  expect((await client.ok("ringside/espfix")).inUse).toBe(false);
});

it("a physical data breakpoint stops at the IRET from each of the aliases", async () => {
  const client = await atIret(3);
  const alias = await numberOf(client, "espfix.alias");
  const name = hex(alias + 8n);
  const info = await client.ok("dataBreakpointInfo", { name, asAddress: true, bytes: 8, mode: "physical" });
  const watched = [{ dataId: info.dataId, accessType: "read" }];
  const { breakpoints } = await client.ok("setDataBreakpoints", { breakpoints: watched });
  expect(breakpoints[0].verified).toBe(true);
  const seen: number[] = [];
  for (let stop = await client.run("continue"); stop?.reason === "data breakpoint"; stop = await client.run("continue"))
    seen.push(aliasOf(await numberOf(client, "esp")));
  expect(seen).toEqual(randomStacks(3).map(aliasOf));
}, 60_000);
