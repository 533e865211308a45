/** Vector and floating-point registers in expressions: lanes, numbers, conditions, assignment, and what the Variables view says of them. */
import { beforeAll, describe, expect, it } from "vitest";
import { DapClient } from "./client.ts";

const program = "file:///w/vectors.asm";
const source = { path: "/w/vectors.asm" };
const SOURCE = `
        bits 64
        global _start
_start: movups xmm1, [floats]
        vmovups ymm2, [floats]
        fld qword [half]
        fldpi
        movss xmm5, [floats + 4]
        mov ecx, 10
.sum:   addss xmm5, xmm5        ; line 10
        dec ecx
        jnz .sum                ; line 12
        emms
        movq mm3, [floats]      ; line 14
        nop
        mov eax, 60             ; line 16
        syscall
        section .data
floats: dd 1.0, 2.5, -0.1, 1.0e30, 3.0, 4.0, 5.0, 6.0
half:   dq 0.5
`;

describe("vector and floating-point registers", () => {
  let client: DapClient;
  const show = (expression: string) => client.evaluate(expression);
  const set = (expression: string) => client.ok("evaluate", { expression, context: "repl" });
  const problem = async (expression: string) =>
    (await client.request("evaluate", { expression, context: "watch" })).message;

  beforeAll(async () => {
    client = new DapClient({ [program]: SOURCE });
    await client.launch({ program }, () =>
      client.ok("setBreakpoints", {
        source,
        breakpoints: [{ line: 12, condition: "xmm5.v4_float[0] > 15.5" }, { line: 16 }],
      }),
    );
    await client.run("continue");
  });

  it("stop at a condition on a lane", async () => {
    expect(await show("xmm5.v4_float[0]")).toBe("20");
    expect(await show("ecx,d")).toBe("7");
  });

  it.each([
    ["xmm1", "0x7149f2cabdcccccd402000003f800000"],
    ["xmm1.v4_float", "{1, 2.5, -0.1, 1e+30}"],
    ["xmm1.v4_float[2]", "-0.1"],
    ["xmm1.v4_float[1],x", "0x40200000"],
    ["xmm1.v4_int32", "{0x3f800000, 0x40200000, 0xbdcccccd, 0x7149f2ca}"],
    ["xmm1.v2_int64[1]", "0x7149f2cabdcccccd"],
    ["xmm1.v16_int8[3],u", "63"],
    ["xmm1.v8_int16[1 + 2],d", "16416"],
    ["xmm1.v2_double[0],x", "0x402000003f800000"],
    ["ymm2.v8_float", "{1, 2.5, -0.1, 1e+30, 3, 4, 5, 6}"],
    ["ymm2.v4_int64[3]", "0x40c0000040a00000"],
    ["xmm1.v4_float[0] + xmm1.v4_float[1] * 2", "6"],
    ["-xmm1.v4_float[1] < -2.0 && xmm1.v4_float[1] == 2.5", "0x1"],
    ["xmm1.v4_float[0] / 3", "0.3333333333333333"],
    ["int32(xmm1.v4_float[1]),d", "2"],
    ["float [floats + 8]", "-0.1"],
    ["float [floats + 4],2", "2.5 -0.1"],
    ["double [half] * 8 > 3.5 && double [half] < 1", "0x1"],
    ["double(1) / 4", "0.25"],
    ["float(0.1)", "0.1"],
    ["float(0.1) == 0.1", "0x0"],
    ["dword [floats],4f", "1 2.5 -0.1 1e+30"],
    ["qword [half],f", "0.5"],
    ["xmm1 == 0x7149f2cabdcccccd402000003f800000", "0x1"],
    ["xmm1 >> 96", "0x0000000000000000000000007149f2ca"],
    ["st0", "3.141592653589793239"],
    ["st1", "0.5"],
    ["st1 * 4 + 1", "3"],
    ["st0,x", "0x4000c90fdaa22168c235"],
    ["mxcsr", "0x00001f80"],
    ["fcw", "0x037f"],
    ["1.5e3 - 1", "1499"],
  ])("%s is %s", async (expression, value) => {
    expect(await show(expression)).toBe(value);
  });

  it.each([
    ["xmm1.v4_float[4]", "xmm1.v4_float has 4 elements, from 0 on"],
    ["xmm1.v3_float", 'named "xmm1.v3_float"'],
    ["rax[1]", "rax has no elements"],
    ["xmm1.v4_float[0] & 1", "& has no meaning for floating-point numbers"],
    ["al,f", "only 32, 64 and 80 bits hold a floating-point number"],
  ])("%s is complained of", async (expression, message) => {
    expect(await problem(expression)).toContain(message);
  });

  it("are rows of elements to look at, and what is shown can be asked for and changed", async () => {
    const whole = await client.ok("evaluate", { expression: "xmm1.v4_float", context: "watch" });
    const elements = await client.variables(whole.variablesReference);
    expect([...elements].map(([name, { value, evaluateName }]) => [name, value, evaluateName])[1]).toEqual([
      "[1]",
      "2.5",
      "xmm1.v4_float[1]",
    ]);
    const sse = await client.scope("SSE");
    expect(sse.get("xmm1")).toMatchObject({ evaluateName: "xmm1", value: "0x7149f2cabdcccccd402000003f800000" });
    const views = await client.variables(sse.get("xmm1")!.variablesReference);
    const floats = views.get("v4_float")!;
    expect(floats).toMatchObject({ evaluateName: "xmm1.v4_float", value: "{1, 2.5, -0.1, 1e+30}" });
    const lanes = { variablesReference: floats.variablesReference, name: "[3]" };
    expect(await client.ok("setVariable", { ...lanes, value: "0.25" })).toMatchObject({ value: "0.25" });
    expect(await show("xmm1.v4_int32[3]")).toBe("0x3e800000");
    const { variablesReference } = (await client.ok("scopes", { frameId: (await client.topFrame()).id })).scopes.find(
      ({ name }: { name: string }) => name === "SSE",
    );
    const value = "0x7149f2cabdcccccd402000003f800000";
    expect(await client.ok("setVariable", { variablesReference, name: "xmm1", value })).toMatchObject({ value });
    const x87 = await client.scope("x87");
    expect(x87.get("st0")).toMatchObject({
      evaluateName: "st0",
      value: "3.141592653589793239  (0x4000:c90fdaa22168c235)",
    });
    expect(x87.get("st2")!.value).toMatch(/^empty/);
    expect(x87.get("fcw")!.evaluateName).toBe("fcw");
  });

  it("can be assigned to, each lane as what it is", async () => {
    await set("xmm7 = 5");
    await set("xmm7.v4_float[2] = xmm1.v4_float[1] * 3");
    await set("xmm7.v8_int16[7] = 0x1234");
    expect(await show("xmm7")).toBe("0x1234000040f000000000000000000005");
    await set("ymm2.v4_double[3] = 2");
    expect(await show("ymm2.v4_double[3]")).toBe("2");
    expect(await show("xmm2 == xmm1")).toBe("0x1");
    await set("st1 = st1 / 3");
    expect(await show("st1")).toBe("0.1666666666666666574");
    await set("float [floats + 28] = 1");
    expect(await show("dword [floats + 28]")).toBe("0x3f800000");
    await set("mxcsr = 0x3f80");
    expect(await show("mxcsr")).toBe("0x00003f80");
    await set("fcw = 0x27f");
    expect(await show("fcw")).toBe("0x027f");
    const refused = async (expression: string) =>
      (await client.request("evaluate", { expression, context: "repl" })).message;
    expect(await refused("mxcsr = 0x10000")).toContain("reserved");
    expect(await refused("rax = 1.5")).toContain("int64(...)");
  });

  it("have a last change, as others", async () => {
    const { result } = await client.ok("evaluate", { expression: "who xmm5.v4_float[0]", context: "repl" });
    expect(result).toMatch(/^xmm5\.v4_float\[0\]: 10 -> 20 by _start\.sum.*vectors\.asm:10/);
    expect((await client.ok("dataBreakpointInfo", { name: "xmm5.v4_float[0]" })).dataId).toBeNull();
  });

  it("are MMX registers, too", async () => {
    await client.ok("setBreakpoints", { source, breakpoints: [{ line: 16 }] });
    await client.run("continue");
    expect(await show("mm3")).toBe("0x402000003f800000");
    expect(await show("mm3.v2_int32[1]")).toBe("0x40200000");
    await set("mm3.v8_int8[0] = 0x7f");
    expect(await show("mm3.v4_int16")).toBe("{0x007f, 0x3f80, 0x0000, 0x4020}");
    expect(await client.ok("completions", { text: "xmm5.v4_f", column: 10 })).toMatchObject({
      targets: [{ label: "xmm5.v4_float" }],
    });
  });
});
