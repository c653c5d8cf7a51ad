/** A certificate for 127.0.0.1 that nobody has signed but itself, made anew for each test. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

export interface Certificate {
  /** Paths of PEM files. The certificate is its own authority. */
  readonly cert: string;
  readonly key: string;
}

/** @param dir where to put them */
export async function selfSigned(dir: string): Promise<Certificate> {
  const [cert, key] = [join(dir, "cert.pem"), join(dir, "key.pem")];
  await promisify(execFile)("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
    ...["-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=127.0.0.1"],
    ...["-addext", "subjectAltName=IP:127.0.0.1"],
  ]);
  return { cert, key };
}

/** Settings of a Redis that speaks TLS on this port, too. */
export function tlsArgs(port: number, { cert, key }: Certificate): readonly string[] {
  return [
    ...["--tls-port", String(port), "--tls-auth-clients", "no"],
    ...["--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert],
  ];
}
