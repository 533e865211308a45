/** Debugging without a kernel: a boot sector in real mode, into protected mode. */
import { describe, expect, it } from "vitest";
import { DapClient } from "./client.ts";

const BOOT = `
        org 0x7c00
        bits 16
start:  cli                     ; line 4
        xor ax, ax
        mov ds, ax
        mov al, 'R'
        out 0xe9, al
        lgdt [gdtr]             ; line 9
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp 8:protected         ; line 13
        bits 32
protected:
        mov ax, 16              ; line 16
        mov ss, ax
        mov al, 'P'
        out 0xe9, al            ; line 19
        hlt
        align 8
gdt:    dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdtr:   dw 23
        dd gdt
        times 510 - ($ - $$) db 0
        dw 0xaa55
`;
const program = "file:///w/boot.asm";

describe("a boot sector", () => {
  it("stops at its first instruction in 16-bit mode, and at lines in both modes", async () => {
    const client = new DapClient({ [program]: BOOT });
    const source = { path: "/w/boot.asm" };
    const stop = await client.launch({ program, arch: "bare" }, () =>
      client.ok("setBreakpoints", { source, breakpoints: [{ line: 13 }, { line: 19 }] }),
    );
    expect(stop.reason).toBe("entry");
    expect(await client.topFrame()).toMatchObject({ line: 4, instructionPointerReference: "0x00007c00" });
    await client.run("next");
    expect((await client.topFrame()).line).toBe(5);
    await client.run("continue");
    expect(await client.topFrame()).toMatchObject({ line: 13 });
    expect(await client.evaluate("cr0 & 1")).toBe("0x1");
    expect(client.output()).toBe("R");
    await client.run("stepIn");
    const frame = await client.topFrame();
    expect(frame.line).toBe(16);
    expect(frame.name).toMatch(/protected .*32-bit/);
    await client.run("continue");
    const ended = await client.run("continue");
    expect(ended).toMatchObject({ description: "Processor halted" });
    expect(client.output("console")).toBe("HLT, and nothing can wake the processor\n");
    expect(client.output()).toBe("RP");
  });
});
