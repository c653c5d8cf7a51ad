/** JSON Web Tokens, HS256, by each library as its documents show it. */
import { createSecretKey } from "node:crypto";
import { createSigner, createVerifier } from "fast-jwt";
import { jwtVerify } from "jose";
import jsonwebtoken from "jsonwebtoken";

const SECRET = "a-secret-of-the-usual-length-0123456789-0123456789";
const LIFE = "1h";

const keyObject = createSecretKey(Buffer.from(SECRET));
/** The form of a key that jose need not convert: its fastest. */
const cryptoKey = await crypto.subtle.importKey(
  "raw",
  Buffer.from(SECRET),
  { name: "HMAC", hash: "SHA-256" },
  false,
  ["verify"],
);
const signer = createSigner({ key: SECRET, algorithm: "HS256", expiresIn: LIFE });

/** The same tokens for all of them. */
export const signToken = (user) => signer({ sub: user, sid: `session-of-${user}` });

/** Name → makes a function from token to user; it throws, or rejects, if the token is none. */
export const VERIFIERS = {
  "jsonwebtoken (string)": () => (token) =>
    jsonwebtoken.verify(token, SECRET, { algorithms: ["HS256"] }).sub,
  "jsonwebtoken (KeyObject)": () => (token) =>
    jsonwebtoken.verify(token, keyObject, { algorithms: ["HS256"] }).sub,
  jose: () => async (token) => {
    const { payload } = await jwtVerify(token, cryptoKey, { algorithms: ["HS256"] });
    return payload.sub;
  },
  "fast-jwt": () => {
    const verify = createVerifier({ key: SECRET, algorithms: ["HS256"], cache: false });
    return (token) => verify(token).sub;
  },
  "fast-jwt (cached)": () => {
    const verify = createVerifier({ key: SECRET, algorithms: ["HS256"], cache: 10_000 });
    return (token) => verify(token).sub;
  },
};
