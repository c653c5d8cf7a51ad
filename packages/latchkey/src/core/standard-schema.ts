/**
 * The interface that zod, valibot, arktype and others share, as far as we use it. Types only; the
 * specification asks libraries to copy it rather than to depend on it: https://standardschema.dev
 */

export interface StandardSchema<Output = unknown> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  };
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

export interface SchemaIssue {
  readonly message: string;
  /** Keys, or objects with a `key`, depending on the vendor. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}
