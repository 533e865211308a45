/** The system call tables, put together from their groups. The 32-bit kernel's own table is COMPAT_CALLS and vm86. */
import { EXEC_CALLS } from "../exec/execve.ts";
import { ptrace } from "../ptrace/request.ts";
import { CLONE_CALLS_32, CLONE_CALLS_64 } from "./clone.ts";
import { CRED_CALLS_32, CRED_CALLS_64 } from "./cred.ts";
import { DIRECTORY_CALLS } from "./directories.ts";
import { EXTENT_CALLS } from "./extents.ts";
import { FILE_CALLS } from "./files.ts";
import { INFO_CALLS } from "./info.ts";
import { IO_CALLS } from "./io.ts";
import { ITIMER_CALLS } from "./itimers.ts";
import { KCMP_CALLS } from "./kcmp.ts";
import { MEMORY_CALLS_32, MEMORY_CALLS_64 } from "./memory.ts";
import { PIPE_CALLS } from "./pipes.ts";
import { POLL_CALLS } from "./poll.ts";
import { PRCTL_CALLS } from "./prctl.ts";
import { PROCESS_CALLS } from "./process.ts";
import { PROCESS_VM_CALLS } from "./process-vm.ts";
import { SEGMENT_CALLS_32, SEGMENT_CALLS_64 } from "./segments.ts";
import { SIGNAL_CALLS_32, SIGNAL_CALLS_64 } from "./signals.ts";
import { SLEEP_CALLS, SLEEP_CALLS_32 } from "./sleep.ts";
import { SOCKET_CALLS } from "./sockets.ts";
import { STATFS_CALLS } from "./statfs.ts";
import type { SyscallGroup } from "./types.ts";
import { UNSHARE_CALLS } from "./unshare.ts";
import { WAIT_CALLS } from "./wait.ts";

const shared: SyscallGroup = {
  ...IO_CALLS,
  ...FILE_CALLS,
  ...PIPE_CALLS,
  ...SOCKET_CALLS,
  ...DIRECTORY_CALLS,
  ...EXTENT_CALLS,
  ...STATFS_CALLS,
  ...PROCESS_CALLS,
  ...PRCTL_CALLS,
  ...KCMP_CALLS,
  ...ITIMER_CALLS,
  ...UNSHARE_CALLS,
  ...INFO_CALLS,
  ...SLEEP_CALLS,
  ...WAIT_CALLS,
  ...EXEC_CALLS,
  ...POLL_CALLS,
  ...PROCESS_VM_CALLS,
  ptrace,
};

export const NATIVE_CALLS: SyscallGroup = {
  ...shared,
  ...CLONE_CALLS_64,
  ...CRED_CALLS_64,
  ...MEMORY_CALLS_64,
  ...SIGNAL_CALLS_64,
  ...SEGMENT_CALLS_64,
};
export const COMPAT_CALLS: SyscallGroup = {
  ...shared,
  ...CLONE_CALLS_32,
  ...CRED_CALLS_32,
  ...SLEEP_CALLS_32,
  ...MEMORY_CALLS_32,
  ...SIGNAL_CALLS_32,
  ...SEGMENT_CALLS_32,
};
