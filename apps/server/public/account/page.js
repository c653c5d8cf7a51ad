/** The few things that every part of the page does with the page. */

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  return /** @type {any} */ (document.getElementById(id));
}

/**
 * An element with this text, which is never markup.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} [text]
 * @param {Record<string, string>} [attributes]
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/**
 * Tells an outcome: it is shown and read out.
 * @param {string} words empty: there is nothing to tell any more
 * @param {"good" | "bad"} kind
 */
export function tell(words, kind = "good") {
  const news = byId("news");
  news.textContent = words;
  news.classList.toggle("bad", kind === "bad");
}
