/** Instructions as they come, for the assembler's benchmarks. */
import type { Dialect } from "../../src/asmlang/types.ts";

const REGISTERS = ["ax", "bx", "cx", "dx", "si", "di", "bp"];

/** Instructions of all common shapes, with a function every 200 lines; the same numbers each time. */
export function program(lines: number, dialect: Dialect): string {
  let seed = 12345;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % below;
  };
  const register = (width: "r" | "e") => width + REGISTERS[random(REGISTERS.length)]!;
  const gas = dialect === "gas";
  const out = gas ? [".intel_syntax noprefix", ".text"] : ["bits 64", "section .text"];
  const memory = () => `[${register("r")}+${random(300)}]`;
  const shapes = [
    () => `mov ${register("r")}, ${register("r")}`,
    () => `add ${register("e")}, ${random(5000)}`,
    () => `mov ${register("r")}, ${memory()}`,
    () => `lea ${register("r")}, [${register("r")}+${register("r")}*4+8]`,
    () => `cmp ${register("e")}, ${register("e")}`,
    () => `xor ${register("e")}, ${register("e")}`,
    () => `mov dword ${gas ? "ptr " : ""}${memory()}, ${random(1000)}`,
    () => `call f${random(Math.floor(out.length / 200) + 1)}`,
    () => `jne f${Math.floor(out.length / 200)}`,
    () => `push ${register("r")}`,
  ];
  for (let i = 0; out.length < lines; i++) {
    if (out.length % 200 === 0 || i === 0) out.push(`f${Math.floor(out.length / 200)}:`);
    out.push(`    ${shapes[random(shapes.length)]!()}`);
  }
  return `${out.join("\n")}\n`;
}
