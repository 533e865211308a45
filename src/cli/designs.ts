/** `ringside designs`: the presets, and every design's key and values. */
import { DESIGNS } from "../emu/kernel/design-table.ts";
import { PRESETS } from "../emu/kernel/presets.ts";

export function designs(): number {
  const lines = ["presets (--kernel NAME):"];
  for (const preset of PRESETS) {
    const values = Object.entries(preset.designs).map(([key, value]) => `${key}=${value}`);
    lines.push(`  ${preset.name}  ${values.join(" ")}`, `      ${preset.source}`);
  }
  lines.push("designs (--design KEY=VALUE):");
  for (const { key, value, systems, summary } of DESIGNS)
    lines.push(`  ${key}=${value}  [${systems.join(", ")}]  ${summary}`);
  process.stdout.write(`${lines.join("\n")}\n`);
  return 0;
}
