/** How long ago something was, in the largest unit that fits. */
export function ago(seconds: number): string {
  return `${lasting(seconds)} ago`;
}

export function lasting(seconds: number): string {
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}
