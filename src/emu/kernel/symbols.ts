/** Names of everything that can run, and the sources that exist only inside: kernel entry code and vDSO. */

import type { Addr } from "../cpu/state.ts";
import { upcallStubs } from "./boot/image.ts";
import type { Kernel } from "./kernel.ts";
import { VDSO_KINDS, VDSO_SOURCES, vdsoImage } from "./vdso/index.ts";

export class SymbolTable {
  readonly #k: Kernel;

  constructor(kernel: Kernel) {
    this.#k = kernel;
  }

  /** The address of a name: the program's first, then the kernel's, then that of the vDSO where it is mapped now. */
  address(name: string): Addr | undefined {
    const { program } = this.#k.options;
    const own = program.kind === "image" ? program.image.symbols.get(name) : undefined;
    if (own !== undefined) return Number(own);
    return this.#k.hasSymbol(name) ? this.#k.symbol(name) : this.#vdso(name);
  }

  #vdso(name: string): Addr | undefined {
    const task = this.#k.state.tasks.find((t) => !t.idle && t.mm !== undefined);
    const context = task === undefined ? undefined : this.#k.mmOf(task)?.context;
    const kind = VDSO_KINDS.find((k) => k === context?.vdsoImage);
    if (context === undefined || kind === undefined || context.vdso === 0) return undefined;
    const offset = vdsoImage(kind).symbols.get(name);
    return offset === undefined ? undefined : context.vdso + offset;
  }

  /** Every source by its URI, the user's own entry code in its place. */
  sources(): readonly { readonly uri: string; readonly text: string }[] {
    const { arch, options } = this.#k;
    const included = Object.entries(arch.includes).map(([name, text]) => ({
      uri: `ringside:kernel/entry/${name}`,
      text,
    }));
    const first = options.entrySource === undefined ? arch.sources : [options.entrySource, ...arch.sources.slice(1)];
    return [...first, ...included, upcallStubs(arch), ...VDSO_SOURCES];
  }
}
