/**
 * A PC without a kernel: a boot sector or a ROM on a real-mode CPU, port 0xE9 and COM1 as the console, PIC and PIT.
 * There is no BIOS. HLT with interrupts off ends the run.
 */
import { ACTIVITY, PENDING } from "../cpu/cpu.ts";
import { EFLAGS, GPR, OFF, SEG } from "../cpu/layout.ts";
import { PAGE_SIZE } from "../cpu/memory.ts";
import { resetCpu } from "../cpu/system/reset.ts";
import { setSegmentRaw } from "../cpu/system/segment.ts";
import { Pic } from "./devices/pic.ts";
import { Pit } from "./devices/pit.ts";
import { DebugPort, SerialOutput } from "./devices/serial.ts";
import { Machine, type MachineOptions } from "./machine.ts";

export interface BareOptions extends MachineOptions {
  /** bootsector: at 0x7C00, started there. rom: ends at 1 MiB, started at F000:FFF0. */
  readonly load: "bootsector" | "rom";
  readonly image: Uint8Array;
  /** Every byte written to this port is an event of type "post". */
  readonly postPort?: number;
}

const BOOT_SECTOR = 0x7c00;
const ROM_END = 0x10_0000;
const ROM_MAX = 0x2_0000;

/** @throws RangeError with one clear line when the image cannot be one. */
export function createBareMachine(options: BareOptions): Machine {
  const machine = new Machine(options);
  attachBoard(machine, options.postPort);
  const [cpu] = machine.cpus;
  for (const each of machine.cpus) resetCpu(each);
  for (const other of machine.cpus.slice(1)) other.set32(OFF.ACTIVITY, ACTIVITY.WAIT_SIPI);
  if (options.load === "rom") loadRom(machine, options.image);
  else {
    writeRam(machine, BOOT_SECTOR, options.image);
    setSegmentRaw(cpu!, SEG.CS, { selector: 0, attr: 0x9b, base: 0, limit: 0xffff });
    cpu!.setRip(BOOT_SECTOR, 0);
    cpu!.setGprHalves(GPR.RSP, BOOT_SECTOR, 0);
    cpu!.setFlagsRaw(EFLAGS.FIXED);
    cpu!.updateMode();
  }
  return machine;
}

function loadRom(machine: Machine, image: Uint8Array): void {
  if (image.length === 0 || image.length > ROM_MAX)
    throw new RangeError(`a ROM has 1 to ${ROM_MAX} bytes, not ${image.length}`);
  writeRam(machine, ROM_END - image.length, image);
  const [cpu] = machine.cpus;
  setSegmentRaw(cpu!, SEG.CS, { selector: 0xf000, attr: 0x9b, base: 0xf0000, limit: 0xffff });
  cpu!.setRip(0xfff0, 0);
  cpu!.updateMode();
}

function writeRam(machine: Machine, address: number, bytes: Uint8Array): void {
  const { core } = machine;
  if (address + bytes.length > core.ramSize)
    throw new RangeError(`the image (${bytes.length} bytes) does not fit the memory`);
  core.u8.set(bytes, core.ramBase + address);
  for (let page = Math.floor(address / PAGE_SIZE); page * PAGE_SIZE < address + bytes.length; page++) {
    core.markDirty(page);
  }
}

function attachBoard(machine: Machine, postPort: number | undefined): void {
  const [cpu] = machine.cpus;
  const pic = new Pic((asserted) => {
    if (asserted) cpu!.raise(PENDING.INTR);
    else cpu!.lower(PENDING.INTR);
  });
  cpu!.hooks.interruptVector = () => pic.acknowledge();
  const pit = new Pit(
    machine.timers,
    () => machine.now,
    () => pic.raise(0),
  );
  const console = (byte: number) => machine.events.emit("console", 0, { stream: "stdout", bytes: [byte] });
  machine.ports.claim(0x20, 2, pic);
  machine.ports.claim(0xa0, 2, pic);
  machine.ports.claim(0x40, 4, pit);
  machine.ports.claim(0xe9, 1, new DebugPort(console));
  const com1 = new SerialOutput(0x3f8, console);
  machine.ports.claim(0x3f8, 8, com1);
  if (postPort !== undefined) {
    const post = {
      portIn: () => 0xff,
      portOut: (_: number, __: number, value: number) => machine.events.emit("post", 0, { value: value & 0xff }),
    };
    machine.ports.claim(postPort, 1, post);
  }
  machine.components.push(pic, pit, com1);
}
