/** Questions that the page asks before it does something. Each keeps the focus, and gives it back. */
import { clear, onSubmit } from "./form.js";
import { byId } from "./page.js";

/** @type {HTMLDialogElement} */
const reauth = byId("reauth");
/** @type {HTMLDialogElement} */
const sure = byId("sure");
const form = /** @type {HTMLFormElement} */ (reauth.querySelector("form"));
const YES = "yes";

onSubmit(form, () => reauth.close(YES));
reauth.querySelector(".cancel")?.addEventListener("click", () => reauth.close(""));
reauth.addEventListener("close", () => clear(form));

/**
 * Whether the user has proved to be the user, by the password.
 * @param {string} why a sentence
 * @returns {Promise<boolean>}
 */
export function askPassword(why) {
  byId("reauth-why").textContent = why;
  return answerOf(reauth);
}

/**
 * @param {string} question
 * @returns {Promise<boolean>}
 */
export function areYouSure(question) {
  byId("sure-title").textContent = question;
  return answerOf(sure);
}

/** There is nothing left to be asked about. Both were answered with no. */
export function closeDialogs() {
  reauth.close("");
  sure.close("");
}

/** @param {HTMLDialogElement} dialog */
function answerOf(dialog) {
  // Escape closes it and leaves the answer as it is.
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === YES), { once: true });
  });
}
