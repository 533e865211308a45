/** A small ELF reader of the tests' own: sections with bytes and relocations in words, to compare object files. */

export interface ElfSection {
  readonly bytes: Uint8Array;
  readonly size: number;
  readonly align: number;
  readonly flags: number;
  readonly nobits: boolean;
  readonly relocations: readonly string[];
}

const NAMES_64: Readonly<Record<number, string>> = {
  1: "abs8",
  2: "pc4",
  4: "plt4",
  10: "abs4",
  11: "abs4s",
  12: "abs2",
  13: "pc2",
  14: "abs1",
  15: "pc1",
  24: "pc8",
};
const NAMES_32: Readonly<Record<number, string>> = {
  1: "abs4",
  2: "pc4",
  4: "plt4",
  20: "abs2",
  21: "pc2",
  22: "abs1",
  23: "pc1",
};

export function readElf(bytes: Uint8Array): Map<string, ElfSection> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wide = bytes[4] === 2;
  const word = (at: number) => (wide ? Number(view.getBigUint64(at, true)) : view.getUint32(at, true));
  const table = word(wide ? 0x28 : 0x20);
  const entry = view.getUint16(wide ? 0x3a : 0x2e, true);
  const count = view.getUint16(wide ? 0x3c : 0x30, true);
  const names = view.getUint16(wide ? 0x3e : 0x32, true);
  const headers = Array.from({ length: count }, (_, i) => {
    const at = table + i * entry;
    return {
      name: view.getUint32(at, true),
      type: view.getUint32(at + 4, true),
      flags: word(at + 8),
      offset: word(at + (wide ? 24 : 16)),
      size: word(at + (wide ? 32 : 20)),
      link: view.getUint32(at + (wide ? 40 : 24), true),
      info: view.getUint32(at + (wide ? 44 : 28), true),
      align: word(at + (wide ? 48 : 32)),
    };
  });
  const text = (section: number, offset: number) => {
    const from = headers[section]!.offset + offset;
    return new TextDecoder().decode(bytes.subarray(from, bytes.indexOf(0, from)));
  };
  const nameOf = (i: number) => text(names, headers[i]!.name);
  const symbolName = (symtab: number, index: number) => {
    const at = headers[symtab]!.offset + index * (wide ? 24 : 16);
    const name = text(headers[symtab]!.link, view.getUint32(at, true));
    const section = view.getUint16(at + (wide ? 6 : 14), true);
    if (index === 0) return "*ABS*";
    return name === "" ? nameOf(section) : name;
  };
  const relocations = new Map<number, string[]>();
  headers.forEach((header) => {
    if (header.type !== 4 && header.type !== 9) return;
    const step = (wide ? 16 : 8) + (header.type === 4 ? (wide ? 8 : 4) : 0);
    const list: { at: number; text: string }[] = [];
    for (let at = header.offset; at < header.offset + header.size; at += step) {
      const place = word(at);
      const info = wide ? view.getUint32(at + 8, true) : view.getUint8(at + 4);
      const symbol = wide ? view.getUint32(at + 12, true) : view.getUint32(at + 4, true) >>> 8;
      const type = (wide ? NAMES_64 : NAMES_32)[info] ?? `type ${info}`;
      const addend = header.type === 4 ? ` ${view.getBigInt64(at + 16, true)}` : "";
      list.push({ at: place, text: `${place} ${type} ${symbolName(header.link, symbol)}${addend}` });
    }
    relocations.set(
      header.info,
      list.sort((a, b) => a.at - b.at).map((one) => one.text),
    );
  });
  const sections = new Map<string, ElfSection>();
  headers.forEach((header, i) => {
    if (![1, 7, 8, 14, 15, 16, 0x70000001].includes(header.type) || header.size === 0) return;
    const nobits = header.type === 8;
    sections.set(nameOf(i), {
      bytes: nobits ? new Uint8Array(0) : bytes.slice(header.offset, header.offset + header.size),
      size: header.size,
      align: header.align,
      flags: header.flags & 7,
      nobits,
      relocations: relocations.get(i) ?? [],
    });
  });
  return sections;
}

/** What two objects are compared by: one line a fact, so that a difference reads well. */
export function describeElf(bytes: Uint8Array): string[] {
  const lines: string[] = [];
  for (const [name, section] of [...readElf(bytes)].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (name.startsWith(".note.gnu.property")) continue;
    lines.push(
      `section ${name} size ${section.size} align ${section.align} flags ${section.flags}${section.nobits ? " nobits" : ""}`,
    );
    for (let at = 0; at < section.bytes.length; at += 16)
      lines.push(
        `${name} ${at.toString(16).padStart(4, "0")} ${Buffer.from(section.bytes.subarray(at, at + 16)).toString("hex")}`,
      );
    lines.push(...section.relocations.map((relocation) => `${name} ${relocation}`));
  }
  return lines;
}
