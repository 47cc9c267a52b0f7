import type { Socket } from "node:net";
import { Transform } from "node:stream";
import type { ServerChannel } from "ssh2";

/** What is written to a connection ahead of what it takes, and kept of a channel ahead of what is read of it. */
const MOST_AHEAD = 4 * 1024 * 1024;
const MOST_UNREAD = 8 * 1024 * 1024;

/**
 * A place in a pipe towards a client through which nothing goes while its connection does not keep up. Windows alone
 * (RFC 4254 §5.2) don't do that: some clients say that theirs has no end, and everything would wait in our memory.
 */
export function paced(connection: Socket): Transform {
  return new Transform({
    transform(chunk, _encoding, done) {
      if (connection.destroyed || connection.writableLength < MOST_AHEAD) done(undefined, chunk);
      else connection.once("drain", () => done(undefined, chunk));
    },
  });
}

/** Calls `breach` when a client sends far more than the window it was given: nobody does that by mistake. */
export function guardWindow(channel: ServerChannel, breach: () => void): void {
  const push = channel.push.bind(channel);
  channel.push = (chunk, encoding) => {
    if (channel.readableLength <= MOST_UNREAD) return push(chunk, encoding);
    breach();
    return false;
  };
}
