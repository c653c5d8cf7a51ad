/** What can be measured, in this order. */
import { measureCheck } from "./check/part.js";
import { measureGrowth } from "./growth/part.js";
import { measureHttp } from "./http/part.js";
import { measureMemory } from "./memory/part.js";
import { measureRevocation } from "./revocation/part.js";
import { measureVerbs } from "./verbs/part.js";

export const PARTS = {
  check: measureCheck,
  http: measureHttp,
  verbs: measureVerbs,
  memory: measureMemory,
  growth: measureGrowth,
  revocation: measureRevocation,
};
