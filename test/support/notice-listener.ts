import { join } from "node:path";
import koffi from "koffi";
import { eventually } from "./deadline.ts";

/** What services tell a service manager such as systemd, heard on a socket like its NOTIFY_SOCKET. */
export type NoticeListener = Disposable & {
  /** What to give as NOTIFY_SOCKET. */
  readonly address: string;
  /** Waits until `notice` has been told; gives everything that was told up to then, a line each. */
  heard(notice: string): Promise<readonly string[]>;
};

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const MSG_DONTWAIT = 0x40;

/** Listens in `directory`, or for an abstract name when none is given. */
export function listenForNotices(directory?: string): NoticeListener {
  const libc = koffi.load("libc.so.6");
  const recv = libc.func("int64_t recv(int fd, void *text, uint64_t length, int flags)");
  const close = libc.func("int close(int fd)");
  const fd: number = libc.func("int socket(int domain, int type, int protocol)")(AF_UNIX, SOCK_DGRAM, 0);
  const address = directory ? join(directory, "notify") : `@slicelab-test-${process.pid}`;
  const name = Buffer.from(directory ? `${address}\0` : address.replace("@", "\0"));
  const own = Buffer.concat([Buffer.from([AF_UNIX, 0]), name]);
  if (libc.func("int bind(int fd, const void *address, uint32_t length)")(fd, own, own.length) !== 0) {
    throw new Error(`could not listen at ${address}: errno ${koffi.errno()}`);
  }
  const told: string[] = [];
  return {
    address,
    heard: (notice) =>
      eventually(
        () => {
          const datagram = Buffer.alloc(4096);
          const length = Number(recv(fd, datagram, datagram.length, MSG_DONTWAIT));
          if (length > 0) told.push(...datagram.toString("utf8", 0, length).split("\n"));
          return told.includes(notice) && told;
        },
        { what: `the notice ${notice}` },
      ),
    [Symbol.dispose]: () => close(fd),
  };
}
