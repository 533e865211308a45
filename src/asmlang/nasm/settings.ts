/** NASM's `cpu` and `float`: what the source says of the processor, and how numbers with a point are rounded. */
import { SourceError } from "../core/diagnostics.ts";
import type { FloatRule } from "../core/floats.ts";
import type { NasmDirective } from "./directives.ts";

const LEVELS =
  /^(8086|[1-6]86|pentium(ii|iii|pro)?|p6|ppro|p[234]|katmai|willamette|prescott|x64|x86-64|ia-?64|itani(um|c)|merced|all|any|default)$/;
const FLAGS = /^(no)?(latevex|vex|evex|nop)$/;

/** Which names there are; all instructions are taken whatever the name. */
export const cpu: NasmDirective = (_, cursor, span) => {
  const text = cursor.tokens
    .slice(cursor.at)
    .map((token) => token.text)
    .join("")
    .toLowerCase();
  cursor.at = cursor.tokens.length;
  const wrong = text.split(",").find((word) => !LEVELS.test(word) && !FLAGS.test(word));
  if (wrong !== undefined) throw new SourceError(span, `'${wrong}' is no processor that 'cpu' knows`);
};

const MODES = ["near", "up", "down", "zero"] as const;
export const NEAREST: FloatRule = { mode: "near", daz: false };

/** `float near | up | down | zero | daz | nodaz | default` */
export const float: NasmDirective = (assembler, cursor, span) => {
  const token = cursor.next();
  const word = token?.text.toLowerCase();
  const mode = MODES.find((one) => one === word);
  const { expressions } = assembler;
  if (mode) expressions.floatRule = { ...expressions.floatRule, mode };
  else if (word === "daz" || word === "nodaz")
    expressions.floatRule = { ...expressions.floatRule, daz: word === "daz" };
  else if (word === "default") expressions.floatRule = NEAREST;
  else throw new SourceError(token ?? span, "'float' takes 'near', 'up', 'down', 'zero', 'daz', 'nodaz' or 'default'");
};

/** As a small number. */
export const stateOf = ({ mode, daz }: FloatRule): number => MODES.indexOf(mode) | (Number(daz) << 2);
