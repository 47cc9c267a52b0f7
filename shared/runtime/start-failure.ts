import { Fault, OperatorError } from "../model/errors.ts";

/**
 * Why a service could not be started, as a sentence for whoever started it, with the reasons beneath it. Undefined for
 * what no operator can mend: a defect of ours, whose stack is wanted instead.
 */
export function startFailure(error: unknown): string | undefined {
  if (error instanceof OperatorError || error instanceof Fault) return withReasons(error);
  if (isSystemError(error)) return ofListening(error) ?? error.message;
  return undefined;
}

/** A sentence often tells its cause already: then it is not told again. */
function withReasons(error: Error): string {
  let sentence = error.message.trimEnd();
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) {
    if (!sentence.includes(cause.message) && !isRepeated(sentence, cause)) sentence += `: ${cause.message}`;
  }
  return sentence;
}

/** "… (ENOENT)" and "ENOENT: no such file …" are one reason. */
function isRepeated(sentence: string, cause: Error): boolean {
  return isSystemError(cause) && cause.code === "ENOENT" && /there is no|ENOENT/.test(sentence);
}

type SystemError = Error & { code: string; syscall: string; address?: string; port?: number };

function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && "syscall" in error && "code" in error;
}

function ofListening({ code, syscall, address, port }: SystemError): string | undefined {
  if (syscall !== "listen" && syscall !== "bind") return undefined;
  const place = `${address?.includes(":") ? `[${address}]` : address}:${port}`;
  switch (code) {
    case "EADDRINUSE":
      return `port ${place} is taken: end what listens there (ss -lntup names it), or configure another port`;
    case "EADDRNOTAVAIL":
      return `this machine has no address ${address}: configure one of its own (ip address lists them)`;
    case "EACCES":
      return `port ${place} may not be listened at: take one from 1024 on, or give the service CAP_NET_BIND_SERVICE`;
    default:
      return undefined;
  }
}
