/** `ringside designs`: the presets, and every design's key and values; with --costs, what the exits cost under them. */
import { DESIGNS } from "../emu/kernel/designs/design-table.ts";
import { PRESETS } from "../emu/kernel/designs/presets.ts";
import { flag, parse } from "./options.ts";

export async function designs(args: readonly string[]): Promise<number> {
  if (flag(parse(args, { costs: { type: "boolean" } }), "costs")) {
    const { costLines, costTable } = await import("./costs.ts");
    process.stdout.write(`${costLines(costTable()).join("\n")}\n`);
    return 0;
  }
  const lines = ["presets (--kernel NAME):"];
  for (const preset of PRESETS) {
    const values = Object.entries(preset.designs).map(([key, value]) => `${key}=${value}`);
    lines.push(
      `  ${preset.name}  ${values.join(" ")}`,
      `      ${preset.source}`,
      ...preset.facts.map((fact) => `      - ${fact}`),
    );
  }
  lines.push("designs (--design KEY=VALUE):");
  for (const { key, value, systems, summary } of DESIGNS)
    lines.push(`  ${key}=${value}  [${systems.join(", ")}]  ${summary}`);
  process.stdout.write(`${lines.join("\n")}\n`);
  return 0;
}
