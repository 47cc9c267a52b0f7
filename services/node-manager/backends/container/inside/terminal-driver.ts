import { closeSync, constants } from "node:fs";
import koffi from "koffi";
import { Fault } from "#shared/model/errors.ts";

/*
 * What of the terminal driver takes a system call that Node does not make itself (ioctl_tty(2), pidfd_open(2),
 * pidfd_getfd(2)). The numbers are those of x86-64 and arm64. Load this file where a terminal is opened, not before: it
 * brings a foreign function interface.
 */
const TIOCSPTLCK = 0x40045431;
const TIOCGPTPEER = 0x5441;
const TIOCSWINSZ = 0x5414;
const TCSANOW = 0;
/** More than a struct termios has. */
const TERMIOS_BYTES = 128;
const PIDFD_OPEN = 434;
const PIDFD_GETFD = 438;
/** Not among Node's constants. */
const O_CLOEXEC = 0o2000000;
const PEER_FLAGS = constants.O_RDWR | constants.O_NOCTTY | O_CLOEXEC;

const libc = koffi.load("libc.so.6");
const ioctl = libc.func("int ioctl(int fd, ulong request, const void *bytes)");
const tcgetattr = libc.func("int tcgetattr(int fd, void *settings)");
const tcsetattr = libc.func("int tcsetattr(int fd, int when, const void *settings)");
const cfmakeraw = libc.func("void cfmakeraw(void *settings)");
const pidfdOpen = libc.func("long syscall(long call, int process, uint flags)");
const pidfdGetfd = libc.func("long syscall(long call, int process, int descriptor, uint flags)");
const ioctlWithNumber = libc.func("int ioctl(int fd, ulong request, ulong number)");

/** Opens the program's end of the terminal whose other end is `ours`: it is not inherited unless it is handed over. */
export function openPeer(ours: number): number {
  checked(ioctl(ours, TIOCSPTLCK, Buffer.alloc(4))); // an int of 0: unlocked
  return checked(ioctlWithNumber(ours, TIOCGPTPEER, PEER_FLAGS));
}

/** Has a terminal pass on everything as it is, and show nothing of what is typed by itself (termios(3), cfmakeraw). */
export function passOnAll(terminal: number): void {
  const settings = Buffer.alloc(TERMIOS_BYTES);
  checked(tcgetattr(terminal, settings));
  cfmakeraw(settings);
  checked(tcsetattr(terminal, TCSANOW, settings));
}

/** Tells a terminal its size in characters (struct winsize). */
export function setSize(terminal: number, columns: number, rows: number): void {
  const size = new Uint16Array([rows, columns, 0, 0]);
  checked(ioctl(terminal, TIOCSWINSZ, new Uint8Array(size.buffer)));
}

/**
 * The same of a terminal that another process has open as this file descriptor. Nothing happens where that may not be
 * reached, or is there no more.
 */
export function setSizeOf(pid: number, descriptor: number, columns: number, rows: number): void {
  const process = pidfdOpen(PIDFD_OPEN, pid, 0);
  if (process < 0) return;
  try {
    const terminal = pidfdGetfd(PIDFD_GETFD, process, descriptor, 0);
    if (terminal < 0) return;
    try {
      setSize(terminal, columns, rows);
    } finally {
      closeSync(terminal);
    }
  } finally {
    closeSync(process);
  }
}

function checked(result: number): number {
  if (result >= 0) return result;
  throw new Fault("BACKEND_FAILED", "the node could not set up a terminal; try again", {
    cause: new Error(`ioctl failed with error number ${koffi.errno()}`),
  });
}
