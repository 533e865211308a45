/** What a guest without a kernel prints through: COM1's transmitter (always ready), and the debug port 0xE9. */
import type { PortDevice } from "../ports.ts";
import type { Component } from "../types.ts";

const TRANSMIT = 0;
const LINE_STATUS = 5;
/** Transmitter holding register and shift register empty. */
const READY = 0x60;

/** A 16550 as far as polled output needs it; received data never comes. */
export class SerialOutput implements PortDevice, Component {
  readonly name = "com1";
  readonly #base: number;
  readonly #write: (byte: number) => void;
  /** Registers 1-7 read back what was written; bit 7 of register 3 (DLAB) hides the transmitter. */
  readonly #registers = new Uint8Array(8);

  constructor(base: number, write: (byte: number) => void) {
    this.#base = base;
    this.#write = write;
  }

  portIn(port: number): number {
    const register = port - this.#base;
    return register === LINE_STATUS ? READY : this.#registers[register]!;
  }

  portOut(port: number, _size: number, value: number): void {
    const register = port - this.#base;
    const divisorLatch = (this.#registers[3]! & 0x80) !== 0;
    if (register === TRANSMIT && !divisorLatch) this.#write(value & 0xff);
    else if (!divisorLatch || register > 1) this.#registers[register] = value;
  }

  save(): unknown {
    return [...this.#registers];
  }
  restore(state: unknown): void {
    this.#registers.set(state as number[]);
  }
}

/** Port 0xE9: what is written is printed; it reads as 0xE9, which tells a guest that it is there. */
export class DebugPort implements PortDevice {
  readonly #write: (byte: number) => void;
  constructor(write: (byte: number) => void) {
    this.#write = write;
  }
  portIn(): number {
    return 0xe9;
  }
  portOut(_port: number, size: number, value: number): void {
    for (let i = 0; i < size; i++) this.#write((value >>> (8 * i)) & 0xff);
  }
}
