import { describe, expect, test } from "vitest";
import { cloneShared } from "../../../src/emu/machine/clone.ts";
import { Twin } from "../../../src/emu/machine/twin.ts";

const FROZEN = Object.freeze({ handler: 0n });

function original() {
  const table = { 0: { path: "/a" }, 1: { path: "/b" } };
  return {
    pid: 7,
    list: [1, 2, 3] as (number | undefined)[],
    actions: [FROZEN, FROZEN],
    bytes: Uint8Array.of(1, 2, 3),
    tables: [table, table] as Record<number, { path: string }>[],
    maybe: undefined as number | undefined,
  };
}
type Original = ReturnType<typeof original>;

const changes: Record<string, (o: Original) => void> = {
  "a number": (o) => void o.pid++,
  "an element": (o) => void (o.list[1] = 9),
  "an element more": (o) => void o.list.push(undefined),
  "an element less": (o) => void o.list.pop(),
  "a byte": (o) => void (o.bytes[2] = 0),
  "a longer byte array": (o) => void (o.bytes = Uint8Array.of(1, 2, 3, 0)),
  "a frozen thing": (o) => void (o.actions[1] = Object.freeze({ handler: 0n })),
  "a field more": (o) => void ((o as { more?: undefined }).more = undefined),
  "a field less": (o) => void delete o.maybe,
  "a field of what is shared": (o) => void (o.tables[1]![0]!.path = "/c"),
  "two where one was shared": (o) => void (o.tables[1] = { ...o.tables[0]! }),
  "one where there were two": (o) => void (o.tables[0]![1] = o.tables[0]![0]!),
  "NaN for a number": (o) => void (o.pid = Number.NaN),
  "minus zero for zero": (o) => void (o.pid = -0),
};

describe("a twin", () => {
  test("is one while nothing changes, however often it is asked", () => {
    const value = original();
    const twin = new Twin(value, cloneShared(value));
    expect([twin.isOf(value), twin.isOf(value)]).toEqual([true, true]);
  });

  for (const [what, change] of Object.entries(changes)) {
    test(`is one no more after ${what}`, () => {
      const value = { ...original(), pid: 0 };
      const twin = new Twin(value, cloneShared(value));
      expect(twin.isOf(value)).toBe(true);
      change(value);
      expect(twin.isOf(value)).toBe(false);
    });
  }

  test("is one again when a change is taken back, and is not changed by one", () => {
    const value = original();
    const twin = new Twin(value, cloneShared(value));
    value.list[0] = 5;
    expect(twin.copy.list[0]).toBe(1);
    value.list[0] = 1;
    expect(twin.isOf(value)).toBe(true);
  });

  test("never trusts a Map", () => {
    const value = { map: new Map([[1, 2]]) };
    expect(new Twin(value, cloneShared(value)).isOf(value)).toBe(false);
  });
});
