/** The I/O port space: devices claim ports; unclaimed ports read as all ones and swallow writes, as on a PC's bus. */

export interface PortDevice {
  /** @param size 1, 2 or 4 bytes. Unsigned result. */
  portIn(port: number, size: 1 | 2 | 4): number;
  portOut(port: number, size: 1 | 2 | 4, value: number): void;
}

export class PortSpace {
  readonly #devices = new Map<number, PortDevice>();

  claim(first: number, count: number, device: PortDevice): void {
    for (let port = first; port < first + count; port++) {
      if (this.#devices.has(port)) throw new Error(`port ${port.toString(16)} is claimed twice`);
      this.#devices.set(port, device);
    }
  }

  read(port: number, size: 1 | 2 | 4): number {
    const device = this.#devices.get(port);
    return device === undefined ? 0xffff_ffff >>> (32 - size * 8) : device.portIn(port, size);
  }

  write(port: number, size: 1 | 2 | 4, value: number): void {
    this.#devices.get(port)?.portOut(port, size, value);
  }
}
