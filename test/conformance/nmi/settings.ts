/** What is swept: the final designs, each design in the place of the final one, and the presets of older kernels. */
import { DESIGNS } from "../../../src/emu/kernel/designs/design-table.ts";
import { PRESETS } from "../../../src/emu/kernel/designs/presets.ts";

export interface Named {
  /** "key=value", "preset=name". */
  readonly name: string;
  readonly preset: string;
  readonly designs: Readonly<Record<string, string>>;
}

const [latest, ...older] = PRESETS;
const isFinal = ({ key, value }: { key: string; value: string }): boolean => latest!.designs[key] === value;

export const SETTINGS: readonly Named[] = [
  { name: `preset=${latest!.name}`, preset: latest!.name, designs: {} },
  ...DESIGNS.filter((design) => !isFinal(design)).map(({ key, value }) => ({
    name: `${key}=${value}`,
    preset: latest!.name,
    designs: { [key]: value },
  })),
  ...older.map(({ name }) => ({ name: `preset=${name}`, preset: name, designs: {} })),
];
