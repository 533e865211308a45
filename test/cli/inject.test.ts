/** `ringside run --inject`: events at labels, counts and conditions, and what is wrong with a place. */
import { expect, test } from "vitest";
import { file, ringside, scratch } from "./tool.ts";

const PROGRAM = `
        bits 64
        global _start
_start: xor ebx, ebx
loop:   inc ebx
middle: nop
        cmp ebx, 100
        jne loop
        mov eax, 60
        xor edi, edi
        syscall
`;

const program = file(scratch(), "inject.asm", PROGRAM);
const run = (inject: string) => ringside(["run", program, "--inject", inject, "--trace", "-"]);
const injected = (stdout: string) =>
  stdout
    .split("\n")
    .filter((line) => line.includes('"type":"inject"'))
    .map((line) => JSON.parse(line));

test("as often as wanted where a condition holds", () => {
  const { status, stdout } = run("nmi*2@middle if ebx % 10 == 0");
  expect(status).toBe(0);
  expect(injected(stdout)).toHaveLength(2);
});

test("a signal that ends the program", () => {
  expect(run("signal:SIGTERM@middle if ebx == 50").status).toBe(143);
});

test("at an instruction count, exactly", () => {
  const { status, stdout } = run("nmi@#200");
  expect(status).toBe(0);
  expect(injected(stdout).map(({ icount }) => icount)).toEqual([200]);
});

test("bad places name the column, and bad events what there is", () => {
  expect(run("nmi@middle if ebx ==")).toMatchObject({ status: 2, stderr: expect.stringContaining("(column 17)") });
  expect(run("nmi")).toMatchObject({ status: 2, stderr: expect.stringContaining("EVENT@PLACE") });
  expect(run("lunch@middle")).toMatchObject({ status: 2, stderr: expect.stringContaining("unknown event") });
});
