/** All that an object says, in words: sections with types and flags, groups, relocations in their order, symbols. */

interface Header {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly align: number;
  readonly entrySize: number;
}

const SHT = { symtab: 2, strtab: 3, rela: 4, nobits: 8, rel: 9, group: 17 } as const;
const SYMBOL = { section: 3, file: 4 } as const;

class Elf {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly wide: boolean;
  readonly headers: readonly Header[];

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.wide = bytes[4] === 2;
    const { view, wide } = this;
    const table = this.word(wide ? 0x28 : 0x20);
    const step = view.getUint16(wide ? 0x3a : 0x2e, true);
    const count = view.getUint16(wide ? 0x3c : 0x30, true);
    const names = this.word(table + view.getUint16(wide ? 0x3e : 0x32, true) * step + (wide ? 24 : 16));
    this.headers = Array.from({ length: count }, (_, i) => {
      const at = table + i * step;
      const field = (wideAt: number, narrowAt: number) => this.word(at + (wide ? wideAt : narrowAt));
      const half = (wideAt: number, narrowAt: number) => view.getUint32(at + (wide ? wideAt : narrowAt), true);
      return {
        name: this.text(names + view.getUint32(at, true)),
        type: view.getUint32(at + 4, true),
        flags: field(8, 8),
        offset: field(24, 16),
        size: field(32, 20),
        link: half(40, 24),
        info: half(44, 28),
        align: field(48, 32),
        entrySize: field(56, 36),
      };
    });
  }

  word(at: number): number {
    return this.wide ? Number(this.view.getBigUint64(at, true)) : this.view.getUint32(at, true);
  }

  text(at: number): string {
    return new TextDecoder("latin1").decode(this.bytes.subarray(at, this.bytes.indexOf(0, at)));
  }

  sectionName(index: number): string {
    return { 0: "UND", 65282: "LCOM", 65521: "ABS", 65522: "COM" }[index] ?? this.headers[index]!.name;
  }

  symbol(table: number, index: number) {
    const { offset, link } = this.headers[table]!;
    const at = offset + index * (this.wide ? 24 : 16);
    const info = this.bytes[at + (this.wide ? 4 : 12)]!;
    const section = this.sectionName(this.view.getUint16(at + (this.wide ? 6 : 14), true));
    const name = this.text(this.headers[link]!.offset + this.view.getUint32(at, true));
    return {
      name: index === 0 ? "nothing" : name || section,
      type: info & 15,
      binding: info >> 4,
      visibility: this.bytes[at + (this.wide ? 5 : 13)]!,
      section,
      value: this.word(at + (this.wide ? 8 : 4)),
      size: this.word(at + (this.wide ? 16 : 8)),
    };
  }
}

function hexLines(name: string, bytes: Uint8Array): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16)
    lines.push(
      `${name} ${at.toString(16).padStart(4, "0")} ${Buffer.from(bytes.subarray(at, at + 16)).toString("hex")}`,
    );
  return lines;
}

function relocations(elf: Elf, target: number): string[] {
  const lines: string[] = [];
  for (const { type, info, link, offset, size } of elf.headers) {
    if ((type !== SHT.rela && type !== SHT.rel) || info !== target) continue;
    const { view, wide } = elf;
    const step = (wide ? 16 : 8) + (type === SHT.rela ? (wide ? 8 : 4) : 0);
    for (let at = offset; at < offset + size; at += step) {
      const number = wide ? view.getUint32(at + 8, true) : view.getUint8(at + 4);
      const symbol = wide ? view.getUint32(at + 12, true) : view.getUint32(at + 4, true) >>> 8;
      const addend = type === SHT.rela ? ` ${view.getBigInt64(at + 16, true)}` : "";
      lines.push(
        `${elf.headers[target]!.name} relocation ${elf.word(at)} ${number} ${elf.symbol(link, symbol).name}${addend}`,
      );
    }
  }
  return lines;
}

function sectionFacts(elf: Elf, header: Header, index: number): string[] {
  const { name, type, size, align, flags, entrySize, offset } = header;
  const head = `${name} type ${type} size ${size} align ${align} flags ${flags.toString(16)} entries ${entrySize}`;
  if (type !== SHT.group) {
    const content = type === SHT.nobits ? [] : hexLines(name, elf.bytes.subarray(offset, offset + size));
    return [head, ...content, ...relocations(elf, index)];
  }
  const members: string[] = [];
  for (let at = offset + 4; at < offset + size; at += 4) {
    const member = elf.headers[elf.view.getUint32(at, true)]!;
    if (member.type !== SHT.rela && member.type !== SHT.rel) members.push(member.name);
  }
  const signature = elf.symbol(header.link, header.info).name;
  return [head, `group ${signature} flags ${elf.view.getUint32(offset, true)}: ${members.join()}`];
}

function symbolFacts(elf: Elf): string[] {
  return elf.headers.flatMap(({ type, size }, table) => {
    if (type !== SHT.symtab) return [];
    const count = size / (elf.wide ? 24 : 16);
    return Array.from({ length: count }, (_, i) => elf.symbol(table, i))
      .filter((symbol, i) => i > 0 && symbol.type !== SYMBOL.section && symbol.type !== SYMBOL.file)
      .map(
        ({ name, section, value, size: bytes, type: kind, binding, visibility }) =>
          `symbol ${name} = ${section}+${value.toString(16)} size ${bytes} type ${kind} binding ${binding} visibility ${visibility}`,
      )
      .sort();
  });
}

export function elfFacts(bytes: Uint8Array): string[] {
  const elf = new Elf(bytes);
  const hidden: readonly number[] = [0, SHT.symtab, SHT.strtab, SHT.rela, SHT.rel];
  const sections = elf.headers.flatMap((header, i) =>
    hidden.includes(header.type) || header.name === ".note.gnu.property" ? [] : [{ header, i }],
  );
  sections.sort((a, b) => (a.header.name < b.header.name ? -1 : a.header.name > b.header.name ? 1 : a.i - b.i));
  return [...sections.flatMap(({ header, i }) => sectionFacts(elf, header, i)), ...symbolFacts(elf)];
}
