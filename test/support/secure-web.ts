import type { IncomingHttpHeaders } from "node:http";
import { Agent, get } from "node:https";

export type WebAnswer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
};

/** What TLS shows of whoever looks; without a key, of nobody. */
export type Credentials = { readonly ca: string; readonly key?: string; readonly cert?: string };

/** Reads pages over TLS on one connection that is kept alive. */
export class SecureReader implements Disposable {
  readonly #agent: Agent;

  constructor({ ca, key, cert }: Credentials) {
    // A name that is in all servers' certificates, whatever a test puts into its headers.
    const tls = { ca, key, cert, servername: "localhost" };
    this.#agent = new Agent({ ...tls, keepAlive: true, maxSockets: 1, maxCachedSessions: 0 });
  }

  read(url: URL | string, headers: Record<string, string> = {}): Promise<WebAnswer> {
    return new Promise((resolve, reject) => {
      const asked = get(url, { agent: this.#agent, headers }, async (response) => {
        try {
          const parts = await response.toArray();
          const text = Buffer.concat(parts as Buffer[]).toString("utf8");
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
        } catch (error) {
          reject(error);
        }
      });
      asked.on("error", reject);
    });
  }

  /** Reads what never ends until a line with this is there. */
  readUntil(url: URL | string, text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const asked = get(url, { agent: this.#agent }, async (response) => {
        try {
          let read = "";
          for await (const part of response) {
            read += String(part);
            if (new RegExp(`${text}[^\\n]*\\n[^\\n]*\\n`).test(read)) break;
          }
          resolve(read);
        } catch (error) {
          reject(error);
        }
      });
      asked.on("error", reject);
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}
