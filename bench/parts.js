/** What can be measured, in this order. */
import { measureCheck } from "./check/part.js";
import { measureHttp } from "./http/part.js";

export const PARTS = {
  check: measureCheck,
  http: measureHttp,
};
