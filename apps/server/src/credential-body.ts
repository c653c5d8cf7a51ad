/** The bodies with passwords in them, production only. Names become canonical here, once. */
import { z } from "zod";
import { bodyOf, checkBody, TRANSPORT } from "./json-body.ts";
import type { FieldError } from "./problem.ts";
import type { Transport } from "./transport.ts";
import { type Password, parsePassword } from "./users/password.ts";
import { parseUsername, type Username } from "./users/username.ts";

/** Missing is bad as well: parsers get `undefined` then. */
const REQUIRED = z.unknown();

const USERNAME = REQUIRED.transform((text, context): Username => {
  const parsed = parseUsername(text);
  return parsed.username ?? refused(context, parsed.error);
});

function password(field: string): z.ZodType<Password> {
  return REQUIRED.transform((text, context): Password => {
    const parsed = parsePassword(text, field);
    return parsed.password ?? refused(context, parsed.error);
  });
}

function refused(context: z.RefinementCtx, { message }: FieldError): never {
  context.addIssue({ code: "custom", message });
  return z.NEVER;
}

const LOGIN = bodyOf({ username: USERNAME, password: password("password"), transport: TRANSPORT });
const NEW_USER = bodyOf({ username: USERNAME, password: password("password") });
const ENROLMENT = NEW_USER.extend({ token: z.string("must be a string") });
const REAUTHENTICATION = bodyOf({ password: password("password") });
const PASSWORD_CHANGE = bodyOf({ current: password("current"), next: password("next") });

export interface NewUser {
  readonly username: Username;
  readonly password: Password;
}

/** `{username, password, transport?}`. Each throws a 400 `Problem` that points at each bad field. */
export function checkPasswordLogin(
  body: unknown,
): NewUser & { readonly transport?: Transport | undefined } {
  return checkBody(LOGIN, body);
}

/** `{username, password}` */
export function checkNewUser(body: unknown): NewUser {
  return checkBody(NEW_USER, body);
}

/** `{token, username, password}` */
export function checkEnrolment(body: unknown): NewUser & { readonly token: string } {
  return checkBody(ENROLMENT, body);
}

/** `{password}` */
export function checkReauthentication(body: unknown): Pick<NewUser, "password"> {
  return checkBody(REAUTHENTICATION, body);
}

export interface PasswordChangeBody {
  readonly current: Password;
  readonly next: Password;
}

/** `{current, next}` */
export function checkPasswordChange(body: unknown): PasswordChangeBody {
  return checkBody(PASSWORD_CHANGE, body);
}
