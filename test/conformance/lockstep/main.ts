/** Command line of `npm run conformance:lockstep`. */

import type { Bits } from "./forms.ts";
import { FX_BYTES, Native, REGISTERS, UPPER } from "./native.ts";
import { lockstep, type Mismatch } from "./run.ts";

const USAGE = `conformance:lockstep: random instructions here and on this host's processor, compared one by one.
  --instructions N   how many (default 20000)
  --seed S           reproduces a run (default 1)
  --bits 16|32|64    mode; default all three
  --cpu intel|amd    our processor's vendor (default intel)
  --only REGEX       only mnemonics that match (iced's names)
  --keep-going N     go on after a difference, up to N; prints one example a mnemonic`;

function value(name: string, otherwise: string): string {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : (process.argv[at + 1] ?? otherwise);
}

/** Control words and registers of an FXSAVE image, in one line. */
function describeFx(fx: Uint8Array): string {
  const view = new DataView(fx.buffer, fx.byteOffset, FX_BYTES);
  const parts = [`fcw=${view.getUint16(0, true).toString(16)} fsw=${view.getUint16(2, true).toString(16)}`];
  parts.push(`ftw=${view.getUint8(4).toString(16)} mxcsr=${view.getUint32(24, true).toString(16)}`);
  for (let i = 0; i < 8; i++) {
    const at = 32 + i * 16;
    parts.push(`st${i}=${view.getUint16(at + 8, true).toString(16)}:${view.getBigUint64(at, true).toString(16)}`);
  }
  for (let i = 0; i < 16; i++) {
    const words = [UPPER + 8, UPPER, 168, 160].map((at) => view.getBigUint64(at + i * 16, true).toString(16));
    parts.push(`ymm${i}=${words.join(":")}`);
  }
  return parts.join(" ");
}

function show(mismatch: Mismatch): string {
  const { candidate, step, before, lines } = mismatch;
  const bytes = [...candidate.bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const inputs = REGISTERS.map((name) => `${name}=${BigInt.asUintN(64, step.registers[name]).toString(16)}`).join(" ");
  return [
    `${candidate.text}    [${bytes}]`,
    ...lines.map((line) => `    ${line}`),
    `    inputs: ${inputs}`,
    `    fx: ${describeFx(step.fx)}`,
    `    stop: ${mismatch.ours.stop ? JSON.stringify({ ...mismatch.ours.stop, address: String(mismatch.ours.stop.address) }) : "none"}`,
    `    after: ${before.join("; ") || "nothing"}`,
  ].join("\n");
}

function main(): number {
  if (process.argv.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  const only = value("only", "");
  const limit = Number(value("keep-going", "1"));
  const native = new Native(value("tracer", ""));
  let failed = false;
  try {
    for (const bits of value("bits", "64,32,16").split(",").map(Number) as Bits[]) {
      const vendor = value("cpu", "intel") as "intel" | "amd";
      const options = {
        bits,
        instructions: Number(value("instructions", "20000")),
        seed: Number(value("seed", "1")),
        vendor,
        only: only ? new RegExp(only) : undefined,
      };
      const report = lockstep(options, native, limit);
      console.log(
        `${bits}-bit: ${report.compared} instructions, ${report.covered.size} mnemonics, ${report.mismatches.length} differences`,
      );
      const shown = new Map<string, number>();
      for (const mismatch of report.mismatches) {
        const name = mismatch.candidate.form.mnemonic;
        shown.set(name, (shown.get(name) ?? 0) + 1);
        if (shown.get(name) === 1) console.log(show(mismatch));
      }
      if (shown.size > 1)
        console.log([...shown].map(([name, count]) => `${name} ${count}/${report.covered.get(name)}`).join(", "));
      failed ||= report.mismatches.length > 0;
    }
  } finally {
    native.close();
  }
  return failed ? 1 : 0;
}

process.exitCode = main();
