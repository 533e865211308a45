/**
 * Images that were assembled when Ringside was built. In the sources there are none, and what is asked for is assembled; a build puts
 * prebuild.ts' result in the place of this module (scripts/images-plugin.mjs). User entry code and other designs are always assembled.
 */
import type { PackedImage } from "./packed.ts";

export interface Prebuilt {
  /** By imageKey(). */
  readonly kernels: Readonly<Record<string, PackedImage>>;
  /** By VdsoKind: the whole image as JSON, its bytes and lines packed. */
  readonly vdsos: Readonly<Record<string, string>>;
}

export const PREBUILT: Prebuilt = { kernels: {}, vdsos: {} };
