// iced-x86's WebAssembly as it is once a decoder has been made. That unpacks iced's tables of instructions, which costs a start of
// Ringside more than all else that iced does for it; a build does it once and ships the memory that results, as the module's data.
import { createRequire } from "node:module";

const PAGE = 65536;
const MEMORY_SECTION = 5;
const DATA_SECTION = 11;
/** Zeros between two segments that are worth a second header. */
const GAP = 16;

/** @param {Uint8Array} module iced's WebAssembly, of the package that is installed. It keeps no state but its memory. */
export function startedIced(module) {
  const memory = memoryAfterDecoding();
  const sections = [...sectionsOf(module)].map(({ id, content }) => {
    if (id === MEMORY_SECTION) return section(id, [[1, 0], unsigned(memory.length / PAGE)]);
    return section(id, id === DATA_SECTION ? dataOf(memory) : [content]);
  });
  return Buffer.concat([module.subarray(0, 8), ...sections]);
}

/** In a copy of the package that nobody else uses. */
function memoryAfterDecoding() {
  const require = createRequire(import.meta.url);
  const name = require.resolve("iced-x86");
  const known = require.cache[name];
  delete require.cache[name];
  const { Decoder, DecoderOptions, __wasm } = require(name);
  require.cache[name] = known;
  const decoder = new Decoder(64, Uint8Array.of(0x90), DecoderOptions.None);
  decoder.decode().free();
  decoder.free();
  return new Uint8Array(__wasm.memory.buffer);
}

function* sectionsOf(module) {
  for (let at = 8; at < module.length; ) {
    const id = module[at++];
    let size = 0;
    for (let shift = 0, more = true; more; shift += 7) {
      more = (module[at] & 0x80) !== 0;
      size |= (module[at++] & 0x7f) << shift;
    }
    yield { id, content: module.subarray(at, (at += size)) };
  }
}

function section(id, parts) {
  const content = Buffer.concat(parts.map((part) => Uint8Array.from(part)));
  return Buffer.concat([Uint8Array.of(id), unsigned(content.length), content]);
}

/** Active segments of memory 0, each at a constant address. */
function dataOf(memory) {
  const segments = [...runsOf(memory)].map(({ start, end }) => [
    Uint8Array.of(0, 0x41, ...signed(start), 0x0b),
    unsigned(end - start),
    memory.subarray(start, end),
  ]);
  return [unsigned(segments.length), ...segments.flat()];
}

/** Where memory is not zero, but for short stretches. */
function* runsOf(memory) {
  for (let at = 0; at < memory.length; ) {
    while (memory[at] === 0) at++;
    const start = at;
    let end = at;
    for (; at < memory.length && at - end <= GAP; at++) if (memory[at] !== 0) end = at + 1;
    if (end > start) yield { start, end };
  }
}

/** LEB128. */
function unsigned(value) {
  const bytes = [];
  for (; value >= 0x80; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  return Uint8Array.of(...bytes, value);
}

function signed(value) {
  const bytes = [];
  for (; value >= 0x40; value >>= 7) bytes.push((value & 0x7f) | 0x80);
  return [...bytes, value];
}
