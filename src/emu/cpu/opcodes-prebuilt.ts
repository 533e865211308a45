/** packOpCodes()' text, in a bundle: a build puts it in the place of this module (scripts/images-plugin.mjs). In the sources there is none. */
export const PREBUILT_OPCODES: string = "";
