import { refuseUnless } from "#shared/model/errors.ts";

/**
 * Where an image comes from. `recipe`: built here by its name. `path`: a root directory, an OCI layout, or the tar of a
 * root, packed or not. `oci`: what skopeo calls it.
 */
export type ImageSource =
  | { readonly kind: "recipe"; readonly recipe: string }
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "oci"; readonly reference: string };

/** Of skopeo's transports those that carry whole images; each but the first two has an absolute path. */
const REFERENCE =
  /^(docker:\/\/[^\s-]|docker-daemon:[^\s-]|(oci|oci-archive|docker-archive):\/)[^\s\p{Cc}]*$/u;
const PATH = /^\/[^\p{Cc}]*$/u;
const RECIPE = /^[a-z][a-z0-9.-]{0,31}$/;

/** Reads a source as people write it. MALFORMED with what there is. */
export function readImageSource(text: string): ImageSource {
  if (REFERENCE.test(text)) return { kind: "oci", reference: text };
  if (PATH.test(text)) return { kind: "path", path: text };
  refuseUnless(
    RECIPE.test(text),
    "MALFORMED",
    "that is no source of an image; give the absolute path of a root directory, of a tar of one or of an OCI layout, oci:/PATH[:TAG], oci-archive:/PATH, docker-archive:/PATH, docker-daemon:NAME:TAG, docker://REGISTRY/NAME:TAG, or the name of a recipe",
  );
  return { kind: "recipe", recipe: text };
}

/** Whether a source could be read at all. */
export function isImageSource(text: string): boolean {
  return [REFERENCE, PATH, RECIPE].some((form) => form.test(text));
}
