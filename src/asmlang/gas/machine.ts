/** What the source says of the processor and of how strictly to judge: `.arch`, `.sse_check`, `.operand_check`, `.intel_mnemonic`. */
import { SourceError } from "../core/diagnostics.ts";
import type { Statement } from "../core/instruction.ts";
import { type Span, wholeLine } from "../core/source.ts";
import { regInfo } from "../encode/registers.ts";
import type { Architecture, EncodeRequest, Encoding } from "../encode/types.ts";
import { architecture, isCore, isExtension } from "./architectures.ts";
import type { Cursor } from "./cursor.ts";
import type { Directive } from "./directives.ts";

/** 32-bit processors whose code is padded as in 64-bit code, by NOP with a ModRM. */
const LONG_NOPS =
  /^(pentium(pro|i+|4)|prescott|nocona|core2?|corei7|athlon|opteron|k8|amdfam10|bdver\d|znver\d|btver\d|generic64)$/;

type Check = "none" | "warning" | "error";
const STRICTNESS: Readonly<Record<Check, number>> = { none: 0, warning: 1, error: 2 };

/** An instruction of SSE that is not written with VEX or EVEX. */
const isSse = ({ mnemonic, operands }: EncodeRequest): boolean =>
  !mnemonic.startsWith("v") &&
  operands.some((operand) => operand.kind === "reg" && regInfo(operand.reg)?.class === "xmm");

const GUESSED = "no instruction mnemonic suffix";

/** What `.arch` has said. */
interface Selected {
  readonly core: string | undefined;
  readonly extensions: readonly string[];
}

export class Machine {
  /** `.intel_mnemonic`: FSUB and FSUBR mean in AT&T syntax what the manuals say. */
  intelMnemonics = false;
  sseCheck: Check = "none";
  operandCheck: Check = "warning";
  readonly #saved: Selected[] = [];
  #current: Selected = { core: undefined, extensions: [] };
  /** undefined: every instruction there is. */
  architecture: Architecture | undefined;

  /** What statements mean depends on this, five bits; 0: nothing unusual. */
  get state(): number {
    return Number(this.intelMnemonics) | (STRICTNESS[this.sseCheck] << 1) | ((STRICTNESS[this.operandCheck] ^ 1) << 3);
  }

  /** Does padding code of this class use NOP with a ModRM? */
  longNops(bits: 32 | 64): boolean {
    const { core, extensions } = this.#current;
    const said = extensions.findLast((name) => /^(no)?nop$/.test(name));
    return said ? said === "nop" : bits === 64 || LONG_NOPS.test(core ?? "");
  }

  /** The encoding with the warnings that are wanted. */
  judged(encoding: Encoding, { request, mnemonic, spans }: Statement): Encoding {
    if (this.state === 0) return encoding;
    let { warnings } = encoding;
    if (this.sseCheck !== "none" && isSse(request)) {
      const message = `SSE instruction "${request.mnemonic}" is used`;
      if (this.sseCheck === "error") throw new SourceError(mnemonic, message);
      warnings = [...warnings, message];
    }
    const guessed = warnings.find((text) => text.startsWith(GUESSED));
    if (guessed === undefined || this.operandCheck === "warning") return { ...encoding, warnings };
    if (this.operandCheck === "error")
      throw new SourceError(spans[0] ?? mnemonic, `${GUESSED} given and no register operands: the size is unknown`);
    return { ...encoding, warnings: warnings.filter((text) => text !== guessed) };
  }

  select(name: string, span: Span): void {
    if (name === "push") {
      this.#saved.push(this.#current);
      return;
    }
    const last = name === "pop" ? this.#saved.pop() : this.#selected(name);
    if (last === undefined)
      throw new SourceError(
        span,
        name === "pop" ? "'.arch pop' without '.arch push'" : `there is no architecture '${name}'`,
      );
    this.#current = last;
    this.architecture = architecture(last.core, last.extensions);
  }

  #selected(name: string): Selected | undefined {
    const { core, extensions } = this.#current;
    const extension = name.startsWith(".") ? name.slice(1) : undefined;
    if (extension !== undefined)
      return isExtension(extension) ? { core, extensions: [...extensions, extension] } : undefined;
    return isCore(name) ? { core: name === "default" ? undefined : name, extensions: [] } : undefined;
  }
}

/** `.arch name[, jumps | nojumps]`: a processor, or an extension more or less. */
const arch: Directive = ({ machine }, cursor) => {
  const start = cursor.skipSpace().at;
  const name = cursor.match(/[.\w]+/y);
  if (name === undefined) throw cursor.error("expected the name of an architecture");
  const extension = name.startsWith(".");
  machine.select(name, cursor.span(start));
  if (extension || name === "push" || name === "pop" || name === "default" || !cursor.eat(",")) return;
  const at = cursor.skipSpace().at;
  const word = cursor.word();
  if (word !== "jumps" && word !== "nojumps") throw new SourceError(cursor.span(at), "expected 'jumps' or 'nojumps'");
};

function readCheck(cursor: Cursor): Check {
  const start = cursor.skipSpace().at;
  const word = cursor.word();
  if (word === "none" || word === "warning" || word === "error") return word;
  throw new SourceError(
    start < cursor.at ? cursor.span(start) : wholeLine(cursor.line),
    "expected 'none', 'warning' or 'error'",
  );
}

const mnemonics =
  (intel: boolean): Directive =>
  ({ machine }) =>
    void (machine.intelMnemonics = intel);

export const MACHINE: Readonly<Record<string, Directive>> = {
  ".arch": arch,
  ".sse_check": ({ machine }, cursor) => void (machine.sseCheck = readCheck(cursor)),
  ".operand_check": ({ machine }, cursor) => void (machine.operandCheck = readCheck(cursor)),
  ".intel_mnemonic": mnemonics(true),
  ".att_mnemonic": mnemonics(false),
};
