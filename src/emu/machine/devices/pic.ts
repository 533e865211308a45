/**
 * Two 8259A interrupt controllers, cascaded on line 2 as in a PC. Edge triggered, fully nested; what PC software programs of it:
 * ICW1-4, OCW1 (mask), OCW2 (EOI, specific and not), OCW3 (read IRR/ISR). Source: Intel 8259A data sheet.
 */
import type { PortDevice } from "../ports.ts";
import type { Component } from "../types.ts";

interface Chip {
  irr: number;
  isr: number;
  mask: number;
  /** Vector of line 0. */
  offset: number;
  /** Next initialisation word expected (2-4), 0 = none. */
  initStep: number;
  needsIcw4: boolean;
  autoEoi: boolean;
  readIsr: boolean;
}

const newChip = (offset: number): Chip => ({
  irr: 0,
  isr: 0,
  mask: 0xff,
  offset,
  initStep: 0,
  needsIcw4: false,
  autoEoi: false,
  readIsr: false,
});

const lowestLine = (bits: number): number => (bits === 0 ? 8 : 31 - Math.clz32(bits & -bits));

export class Pic implements PortDevice, Component {
  readonly name = "pic";
  #chips: [Chip, Chip] = [newChip(0x08), newChip(0x70)];
  readonly #onChange: (asserted: boolean) => void;

  /** @param onChange told whether INTR is asserted, after every change. */
  constructor(onChange: (asserted: boolean) => void) {
    this.#onChange = onChange;
  }

  /** An edge on line 0-15. */
  raise(line: number): void {
    this.#chips[line >> 3]!.irr |= 1 << (line & 7);
    this.#update();
  }

  /** The CPU's interrupt acknowledge cycle: the vector to deliver. 7 (spurious) of the master if nothing is pending. */
  acknowledge(): number {
    const line = this.#pendingLine(0);
    if (line === 8) return this.#chips[0].offset + 7;
    this.#accept(this.#chips[0], line);
    let vector = this.#chips[0].offset + line;
    if (line === 2) {
      const slaveLine = Math.min(this.#pendingLine(1), 7);
      this.#accept(this.#chips[1], slaveLine);
      vector = this.#chips[1].offset + slaveLine;
    }
    this.#update();
    return vector;
  }

  portIn(port: number): number {
    const chip = this.#chips[port >= 0xa0 ? 1 : 0]!;
    if (port & 1) return chip.mask;
    return chip.readIsr ? chip.isr : chip.irr;
  }

  portOut(port: number, _size: number, value: number): void {
    const chip = this.#chips[port >= 0xa0 ? 1 : 0]!;
    if (port & 1) this.#writeData(chip, value & 0xff);
    else this.#writeCommand(chip, value & 0xff);
    this.#update();
  }

  #writeCommand(chip: Chip, value: number): void {
    if (value & 0x10) {
      Object.assign(chip, newChip(chip.offset), { mask: 0, initStep: 2, needsIcw4: (value & 1) !== 0 });
    } else if (value & 0x08) {
      if (value & 2) chip.readIsr = (value & 1) !== 0;
    } else if (value & 0x20) {
      const line = value & 0x40 ? value & 7 : lowestLine(chip.isr);
      chip.isr &= ~(1 << line);
    }
  }

  #writeData(chip: Chip, value: number): void {
    if (chip.initStep === 2) {
      chip.offset = value & 0xf8;
      chip.initStep = 3;
    } else if (chip.initStep === 3) {
      chip.initStep = chip.needsIcw4 ? 4 : 0;
    } else if (chip.initStep === 4) {
      chip.autoEoi = (value & 2) !== 0;
      chip.initStep = 0;
    } else {
      chip.mask = value;
    }
  }

  #accept(chip: Chip, line: number): void {
    chip.irr &= ~(1 << line);
    if (!chip.autoEoi) chip.isr |= 1 << line;
  }

  /** The line that would interrupt now: unmasked and above everything in service; 8 = none. */
  #pendingLine(index: 0 | 1): number {
    const chip = this.#chips[index];
    const cascade = index === 0 && this.#pendingLine(1) < 8 ? 1 << 2 : 0;
    const line = lowestLine((chip.irr | cascade) & ~chip.mask);
    return line < lowestLine(chip.isr) ? line : 8;
  }

  #update(): void {
    this.#onChange(this.#pendingLine(0) < 8);
  }

  save(): unknown {
    return this.#chips.map((chip) => ({ ...chip }));
  }
  restore(state: unknown): void {
    const [master, slave] = state as [Chip, Chip];
    this.#chips = [{ ...master }, { ...slave }];
  }
}
