/** Conditions on the kernel's fields and on memory that the program does not touch, in compiled code: false for long, then true. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, it } from "vitest";
import { debuggee } from "./debuggee.ts";

const folder = mkdtempSync(path.join(tmpdir(), "ringside-condition-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PR_SET_TSC = 26;
const ROUNDS = 20_000;

/** Two rounds of a hot loop; in between TIF_NOTSC is set, and `far` written, which the loop does not touch. */
const PROGRAM = `bits 64
     section .text
     global _start
_start: mov ecx, ${ROUNDS}
     call loop
     mov eax, 157
     mov edi, ${PR_SET_TSC}
     mov esi, 2
     syscall
     mov dword [far], 5
     mov ecx, ${ROUNDS}
     call loop
     mov eax, 60
     syscall
loop: add rax, rcx
     dec ecx
     jnz loop
     ret
     section .data
     align 4096
far: dd 4
     times 4096 db 0
`;

async function stopAt(condition: string) {
  const program = path.join(folder, "program.asm");
  writeFileSync(program, PROGRAM);
  const { control, target, breakpoints } = await debuggee({ program });
  await control.runToUser();
  let asked = 0;
  for (const { hooks } of target.machine.cpus) {
    const { breakpoint } = hooks;
    hooks.breakpoint = (cpu) => {
      asked++;
      return breakpoint!(cpu);
    };
  }
  const address = target.symbols(target.machine.currentCpu).address("loop")!;
  breakpoints.replace("instruction", [breakpoints.make("instruction", [address], { condition })]);
  const outcome = await control.run();
  const { cpu } = control;
  return { outcome, asked, rcx: Number(cpu.gpr(1)), ip: cpu.linearIp === address };
}

it.each(["TIF_NOTSC == 1", "thread_info.flags & 0x10000", "dword [far] == 5", "TIF_NOTSC && dword [far] > 4"])(
  "%s stops where it becomes true, and costs nobody a question before",
  async (condition) => {
    const { outcome, asked, rcx, ip } = await stopAt(condition);
    expect(outcome).toMatchObject({ reason: "breakpoint" });
    expect({ rcx, ip }).toEqual({ rcx: ROUNDS, ip: true });
    expect(asked).toBeLessThan(ROUNDS / 4);
  },
);

it("one that never becomes true stops nowhere", async () => {
  expect(await stopAt("TS_COMPAT == 1")).toMatchObject({ outcome: { reason: "exited" } });
});
