/** Numbers and structures of sockets: linux/socket.h, uapi/asm-generic/socket.h, uapi/linux/net.h. */
import { s32, struct, u16, u32, u64 } from "./struct.ts";

export const AF_UNIX = 1;
export const SOCK = { STREAM: 1, DGRAM: 2, RAW: 3, SEQPACKET: 5 } as const;
export const SOCK_TYPE_MASK = 0xf;
export const MSG = {
  PEEK: 2,
  CTRUNC: 8,
  TRUNC: 0x20,
  DONTWAIT: 0x40,
  EOR: 0x80,
  WAITALL: 0x100,
  NOSIGNAL: 0x4000,
  CMSG_CLOEXEC: 0x4000_0000,
} as const;
export const SOL_SOCKET = 1;
export const SCM_RIGHTS = 1;
/** SCM_MAX_FD. */
export const SCM_MAX_FD = 253;
export const SO = { TYPE: 3, ERROR: 4, SNDBUF: 7, RCVBUF: 8, PEERCRED: 17, PROTOCOL: 38, DOMAIN: 39 } as const;
export const SHUT = { RD: 0, WR: 1, RDWR: 2 } as const;

export const MSGHDR_64 = struct({
  msg_name: u64,
  msg_namelen: s32,
  msg_iov: u64,
  msg_iovlen: u64,
  msg_control: u64,
  msg_controllen: u64,
  msg_flags: u32,
});
export const MSGHDR_32 = struct({
  msg_name: u32,
  msg_namelen: s32,
  msg_iov: u32,
  msg_iovlen: u32,
  msg_control: u32,
  msg_controllen: u32,
  msg_flags: u32,
});
export const CMSGHDR_64 = struct({ cmsg_len: u64, cmsg_level: s32, cmsg_type: s32 });
export const CMSGHDR_32 = struct({ cmsg_len: u32, cmsg_level: s32, cmsg_type: s32 });
export const UCRED = struct({ pid: s32, uid: u32, gid: u32 });
/** sa_family alone: what a nameless UNIX socket's name is. */
export const SOCKADDR_FAMILY = struct({ sa_family: u16 });

/** The calls of i386's socketcall, by number from 1 on. */
export const SOCKETCALLS: readonly string[] = [
  ...["socket", "bind", "connect", "listen", "accept", "getsockname", "getpeername", "socketpair", "send", "recv"],
  ...[
    "sendto",
    "recvfrom",
    "shutdown",
    "setsockopt",
    "getsockopt",
    "sendmsg",
    "recvmsg",
    "accept4",
    "recvmmsg",
    "sendmmsg",
  ],
];
