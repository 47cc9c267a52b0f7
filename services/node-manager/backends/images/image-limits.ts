/** How large an image may become, unpacked. */
export type ImageLimits = { readonly bytes: number; readonly entries: number };

export const IMAGE_LIMITS: ImageLimits = { bytes: 8 * 1024 ** 3, entries: 1_000_000 };

/** What is said of an image that has more. */
export function tooLarge({ bytes }: ImageLimits): string {
  return `the image is larger than ${Math.floor(bytes / 1024 ** 2)} MiB; leave out what slivers don't need, or allow more`;
}
