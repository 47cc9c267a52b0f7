import koffi from "koffi";
import { NOTIFY_SOCKET, type Notice } from "./service-notice.ts";

/** Tells whoever started this process, and never disturbs it: gives the error's name when that cannot be done. */
export type Notify = (...notices: readonly Notice[]) => string | undefined;

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 0x80002;
const MSG_NOSIGNAL = 0x4000;
const FAMILY_BYTES = 2;
const LONGEST_PATH = 107; // sun_path of sockaddr_un(7), and its NUL

/**
 * Tells the socket at `address`, as in NOTIFY_SOCKET: a path, or `@` and a name in the abstract namespace. Node has no
 * datagrams to such sockets, so the system calls are made here.
 */
export function notifier(address: string): Notify {
  const libc = koffi.load("libc.so.6");
  const socket = libc.func("int socket(int domain, int type, int protocol)");
  const close = libc.func("int close(int fd)");
  const sendto = libc.func(
    "int64_t sendto(int fd, const void *text, uint64_t length, int flags, const void *to, uint32_t tolen)",
  );
  const to = socketAddress(address);
  return (...notices) => {
    const fd = socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
    if (fd < 0) return errorName(koffi.errno());
    const text = Buffer.from(notices.join("\n"));
    const sent = sendto(fd, text, text.length, MSG_NOSIGNAL, to, to.length);
    const error = sent < 0 ? errorName(koffi.errno()) : undefined;
    close(fd);
    return error;
  };
}

function socketAddress(address: string): Buffer {
  const name = Buffer.from(address);
  if (!/^[/@]/.test(address) || name.length > LONGEST_PATH) {
    throw new TypeError(`${NOTIFY_SOCKET} has to be a path or @name of at most ${LONGEST_PATH} bytes`);
  }
  const abstract = address.startsWith("@");
  if (abstract) name[0] = 0;
  const written = Buffer.alloc(FAMILY_BYTES + name.length + (abstract ? 0 : 1));
  written.writeUInt16LE(AF_UNIX, 0); // both machines this runs on are little-endian
  name.copy(written, FAMILY_BYTES);
  return written;
}

function errorName(errno: number): string {
  const { errno: numbers } = koffi.os;
  return Object.keys(numbers).find((name) => numbers[name] === errno) ?? `error ${errno}`;
}
