/** Programs that run: what they print, how they end, the same as natively. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { requireTool } from "../tools.ts";
import { GREETING, HELLO, STATUS } from "./hello.ts";
import { file, ringside, scratch } from "./tool.ts";

const linux = process.platform === "linux" && process.arch === "x64";

describe.each(Object.entries(HELLO))("%s", (name, { bits, text }) => {
  const dir = scratch();
  const source = file(dir, name, text);

  it.each(["x86_64", ...(bits === "32" ? ["i386"] : [])])("runs on the %s kernel", (arch) => {
    const run = ringside(["run", "--bits", bits, "--arch", arch, source]);
    expect(run).toEqual({ status: STATUS, stdout: GREETING, stderr: "" });
  });

  it.runIf(linux)("is the same when assembled to ELF and run natively", () => {
    const elf = path.join(dir, "native");
    expect(ringside(["asm", "--bits", bits, "-o", elf, source])).toEqual({ status: 0, stdout: "", stderr: "" });
    const native = spawnSync(elf, { encoding: "utf8" });
    expect({ status: native.status, stdout: native.stdout }).toEqual({ status: STATUS, stdout: GREETING });
    expect(ringside(["run", elf])).toEqual({ status: STATUS, stdout: GREETING, stderr: "" });
  });
});

describe("files of the guest", () => {
  const dir = scratch();
  const parent = file(
    dir,
    "parent.asm",
    `global _start
_start: mov eax, 59
 lea rdi, [rel child]
 xor esi, esi
 xor edx, edx
 syscall
 mov eax, 60
 mov edi, 1
 syscall
child: db "/bin/child", 0
`,
  );
  const child = file(
    dir,
    "child.s",
    `.globl _start
_start:
begin: mov $2, %eax
 lea name(%rip), %rdi
 xor %esi, %esi
 syscall
 mov %eax, %edi
 mov $0, %eax
 lea 1024-2048(%rsp), %rsi
 mov $3, %edx
 syscall
 movzbl (%rsi), %edi
 mov $60, %eax
 syscall
name: .asciz "/etc/data"
`,
  );
  const data = file(dir, "data", "Aha");

  it("are given one by one: source as a program, anything else as it is", () => {
    const files = ["--file", `/bin/child=${child}`, "--file", `/etc/data=${data}`];
    expect(ringside(["run", ...files, parent])).toEqual({ status: 65, stdout: "", stderr: "" });
    expect(ringside(["run", parent]).status).toBe(1);
  });

  it("can be injected into by their labels", () => {
    const run = ringside(["run", "--file", `/bin/child=${child}`, "--inject", "signal:SIGTERM@begin", parent]);
    expect(run.status).toBe(128 + 15);
  });

  it("are complained of in one line", () => {
    expect(ringside(["run", "--file", `bin/child=${child}`, parent])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("path of the guest"),
    });
    expect(ringside(["run", "--file", "/bin/child=/nowhere", parent])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("no such file"),
    });
    const wrong = file(dir, "wrong.asm", "nosuch eax\n");
    expect(ringside(["run", "--file", `/bin/child=${wrong}`, parent])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("wrong.asm:1:1: error"),
    });
  });
});

const C_HELLO = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv) {
  char line[64];
  printf("hello from C: %d args, %s, %.6f\\n", argc, argv[1], 1.0 / 3);
  while (fgets(line, sizeof line, stdin)) { char *p = strdup(line); fprintf(stdout, "read %zu: %s", strlen(p), p); free(p); }
  fprintf(stderr, "to stderr\\n");
  return argc + 5;
}
`;

describe.runIf(requireTool("gcc"))("a static glibc program", () => {
  const dir = scratch();
  const source = file(dir, "hello.c", C_HELLO);
  const input = "first line\nand a second\n";

  it.each([
    ["-m64", "x86_64", "intel"],
    ["-m64", "x86_64", "amd"],
    ["-m32", "x86_64", "intel"],
    ["-m32", "x86_64", "amd"],
    ["-m32", "i386", "intel"],
  ])("compiled with %s prints on the %s kernel (%s) what it prints natively", (width, arch, cpu) => {
    const elf = path.join(dir, `hello${width}`);
    expect(spawnSync("gcc", [width, "-O2", "-static", source, "-o", elf]).status).toBe(0);
    const native = spawnSync(elf, ["argument"], { input, encoding: "utf8" });
    const ours = ringside(["run", "--arch", arch, "--cpu", cpu, elf, "--", "argument"], input);
    expect(ours).toEqual({ status: native.status, stdout: native.stdout, stderr: native.stderr });
    expect(ours.status).toBe(7);
  });
});

describe("ways to end", () => {
  const dir = scratch();
  const nasm = (body: string) => file(dir, "end.asm", `bits 64\nglobal _start\n_start:\n${body}\n`);

  it("a fatal signal gives 128 + n", () => {
    expect(ringside(["run", nasm("mov eax, [0]")]).status).toBe(128 + 11);
    expect(ringside(["run", nasm("ud2")]).status).toBe(128 + 4);
    expect(ringside(["run", nasm("xor ecx, ecx\n div ecx")]).status).toBe(128 + 8);
    expect(ringside(["run", nasm("int3")]).status).toBe(128 + 5);
  });

  it("a jump to nowhere is the guest's own SIGSEGV, and one clear line says why", () => {
    const far = ringside(["run", nasm("mov rax, 0x123456789abcdef0\n jmp rax")]);
    expect(far.status).toBe(139);
    expect(far.stderr).toMatch(/^ringside: killed by SIGSEGV at 0x40100a: the branch target is not canonical\n$/);
    const near = ringside(["run", nasm("mov eax, 0x12345678\n jmp rax")]);
    expect(near.status).toBe(139);
    expect(near.stderr).toMatch(/^ringside: killed by SIGSEGV at 0x12345678: [^\n]*not present[^\n]*\n$/);
  });

  it("a signal that was sent has no fault behind it", () => {
    const body = "mov eax, 39\n syscall\n mov edi, eax\n mov esi, 15\n mov eax, 62\n syscall";
    const run = ringside(["run", nasm(body)]);
    expect(run).toEqual({ status: 128 + 15, stdout: "", stderr: "ringside: killed by SIGTERM\n" });
  });

  it("an endless loop is stopped by --max-instructions", () => {
    const run = ringside(["run", "--max-instructions", "100000", nasm("jmp $")]);
    expect(run.status).toBe(124);
    expect(run.stderr).toBe("ringside: stopped after 100000 instructions (--max-instructions)\n");
  });

  it("a guest that maps 100 GiB gets ENOMEM, one that touches all there is dies, and the host's memory stays bounded", () => {
    const body = `
      mov eax, 9
      xor edi, edi
      mov rsi, 100 << 30
      mov edx, 3
      mov r10d, 0x22
      mov r8, -1
      xor r9d, r9d
      syscall
      neg eax
      mov edi, eax
      mov eax, 60
      syscall`;
    expect(ringside(["run", nasm(body)]).status).toBe(12);
    const greedy = `
.more: mov eax, 9
      xor edi, edi
      mov esi, 16 << 20
      mov edx, 3
      mov r10d, 0x8022 ; MAP_POPULATE
      mov r8, -1
      xor r9d, r9d
      syscall
      test rax, rax
      jns .more
      neg eax
      mov edi, eax
      mov eax, 60
      syscall`;
    expect(ringside(["run", nasm(greedy)]).status).toBe(137);
  });

  it("--stats ends stderr with one line of JSON", () => {
    const run = ringside(["run", "--stats", nasm("mov eax, 60\n xor edi, edi\n syscall")]);
    const stats = JSON.parse(run.stderr.trimEnd().split("\n").at(-1)!);
    expect(stats).toMatchObject({ entries: { syscall: 1 } });
    expect(stats.instructions).toBeGreaterThan(3);
  });

  it("--trace writes the timeline as JSON lines with a schema version", () => {
    const trace = path.join(dir, "trace.jsonl");
    ringside(["run", "--trace", trace, nasm("mov eax, 39\n syscall\n mov eax, 60\n xor edi, edi\n syscall")]);
    const [header, ...events] = readFileSync(trace, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(header).toMatchObject({ type: "trace", schema: 1 });
    const syscalls = events.filter(({ type }) => type === "syscall").map(({ name, result }) => [name, result]);
    expect(syscalls[0]).toEqual(["getpid", expect.any(Number)]);
    expect(events.filter(({ type }) => type === "exit").map(({ instruction }) => instruction)).toEqual([
      "iret",
      "sysret",
    ]);
  });
});

describe("bad input is one clear line and the right status", () => {
  const dir = scratch();
  it.each([
    [["run", path.join(dir, "none.asm")], 2, /^ringside: cannot read .*none.asm: no such file\n$/],
    [["run", dir], 2, /^ringside: cannot read .*: it is a directory\n$/],
    [
      [
        "run",
        file(
          dir,
          "data.bin",
          Uint8Array.from({ length: 100 }, (_, i) => i),
        ),
      ],
      2,
      /^ringside: data.bin is no program: [^\n]*\n$/,
    ],
    [["run", file(dir, "cut.elf", Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1))], 2, /^ringside: [^\n]*ELF[^\n]*\n$/],
    [["run", file(dir, "bad.asm", "bits 64\n mov eax, [\n")], 1, /bad.asm:2:\d+: error: [^\n]+\n$/],
    [
      ["asm", file(dir, "two.s", " mvo %eax\n nop\n .align 3\n"), "-o", path.join(dir, "o")],
      1,
      /two.s:1:2: error: [^\n]+\n.*two.s:3:\d+: error: /,
    ],
    [["run"], 2, /^ringside: run takes a PROGRAM\n$/],
    [["run", "--cpus", "99", "x"], 2, /--cpus takes a whole number from 1 to 8, not "99"/],
    [["run", "--nonsense", "x"], 2, /^ringside: Unknown option '--nonsense'/],
    [
      ["run", "--design", "espfix=maybe", file(dir, "ok.asm", "bits 64\nnop\n")],
      2,
      /unknown value "maybe" for design espfix/,
    ],
    [
      ["run", "--model", "386", file(dir, "old.asm", "bits 64\nnop\n")],
      2,
      /needs a current processor: a 386 is for arch bare/,
    ],
    [["frobnicate"], 2, /^ringside: no command "frobnicate"/],
    [["scenario", "run", "nosuch"], 2, /^ringside: no scenario "nosuch"/],
  ])("%j", (args, status, stderr) => {
    const run = ringside(args);
    expect(run.stderr).toMatch(stderr);
    expect(run.stderr).not.toMatch(/\n\s+at /);
    expect(run.status).toBe(status);
  });
});

describe("what is not there", () => {
  const dir = scratch();
  it("is reported by name, once each: a system call gives ENOSYS, an instruction #UD", () => {
    const body =
      "mov eax, 321\n syscall\n mov eax, 321\n syscall\n neg eax\n mov ebx, eax\n db 0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc0";
    const run = ringside(["run", file(dir, "missing.asm", `bits 64\nglobal _start\n_start: ${body}\n`)]);
    expect(run.status).toBe(128 + 4);
    expect(run.stderr).toBe(
      [
        "system call bpf is not implemented",
        "instruction Vaddps is not implemented",
        "killed by SIGILL at 0x401012: VADDPS is not implemented",
      ]
        .map((line) => `ringside: ${line}\n`)
        .join(""),
    );
  });
});
