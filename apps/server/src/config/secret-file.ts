/** A file with secrets in it (AUTH_SECRETS_FILE), which must be its owner's and group's alone. */
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";

const BYTES_MAX = 16_384;
const OTHERS_READ_OR_WRITE = 0o006;

export type SecretFile = { readonly text: string } | { readonly problem: string };

/** The text; or what is wrong, in words that follow the name of the setting and tell no path. */
export function readSecretFile(path: string): SecretFile {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : "";
    return { problem: `names a file that cannot be read (${code})` };
  }
  try {
    // Asked of what was opened: between two looks at a path, another file may have come.
    const { mode, size } = fstatSync(file);
    if (!fstatSync(file).isFile()) return { problem: "names something that is no file" };
    if (size > BYTES_MAX) return { problem: `names a file of more than ${BYTES_MAX} bytes` };
    if ((mode & OTHERS_READ_OR_WRITE) !== 0) {
      return { problem: "names a file that every user of the machine can use: chmod 400 helps" };
    }
    return { text: readFileSync(file, "utf8") };
  } finally {
    closeSync(file);
  }
}
