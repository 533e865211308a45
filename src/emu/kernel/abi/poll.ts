/** What poll asks and tells (uapi/asm-generic/poll.h). */
import { s16, s32, struct } from "./struct.ts";

export const POLL = {
  IN: 1,
  PRI: 2,
  OUT: 4,
  ERR: 8,
  HUP: 0x10,
  NVAL: 0x20,
  RDNORM: 0x40,
  WRNORM: 0x100,
  RDHUP: 0x2000,
} as const;
export const POLLFD = struct({ fd: s32, events: s16, revents: s16 });
/** What can be read or written without waiting. */
export const POLL_READ = POLL.IN | POLL.RDNORM;
export const POLL_WRITE = POLL.OUT | POLL.WRNORM;
