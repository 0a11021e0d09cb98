"use strict";
// What the page says: the service writes its catalogues into the page, one for each language.

const WORDS = JSON.parse(document.getElementById("words").textContent);

let language = "en";
// How amounts and times are written: the language, in the region that was asked for.
let locale = "en";

// The catalogue for a language's tag: the tag's own, else that of its language in any region.
function closest(tag) {
  const wanted = tag.replaceAll("_", "-").toLowerCase();
  const tags = Object.keys(WORDS);
  const own = (parts) => tags.find((each) => each.toLowerCase() === parts.join("-"));
  for (let parts = wanted.split("-"); parts.length > 0; parts = parts.slice(0, -1)) {
    if (own(parts) !== undefined) return own(parts);
  }
  return tags.find((each) => each.toLowerCase().split("-")[0] === wanted.split("-")[0]);
}

// Speak the first of the languages that there is a catalogue for.
export function speak(...tags) {
  const wanted = tags.find((each) => closest(each) !== undefined) ?? "en";
  language = closest(wanted);
  try {
    [locale] = Intl.getCanonicalLocales(wanted.replaceAll("_", "-"));
  } catch {
    locale = language;
  }
  const root = document.documentElement;
  root.lang = language;
  root.dir = WORDS[language].direction;
  document.title = `${say("till")} – Passerelle`;
  for (const element of document.querySelectorAll("[data-word]")) {
    element.textContent = say(element.dataset.word);
  }
}

export function spoken() {
  return language;
}

export function knows(tag) {
  return closest(tag) !== undefined;
}

export function say(name, values = {}) {
  return WORDS[language][name].replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
}

export function kind(name) {
  return WORDS[language].kinds[name] ?? name;
}

export function time(moment, zone) {
  return new Intl.DateTimeFormat(locale, {
    hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone: zone,
  }).format(moment);
}

// Money: minor units in, a text in the page's language out, and back.
function digits(currency) {
  return new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions()
    .maximumFractionDigits;
}

export function money(minor, currency) {
  return new Intl.NumberFormat(locale, { style: "currency", currency }).format(
    minor / 10 ** digits(currency),
  );
}

export function example(currency) {
  return new Intl.NumberFormat(locale, { minimumFractionDigits: digits(currency) }).format(12.5);
}

// An amount in minor units, or null: no arithmetic on fractions, and no guess at "1.234".
export function amount(text, currency) {
  const places = digits(currency);
  const match = /^(\d{1,9})(?:[.,](\d+))?$/.exec(text.replace(/[\s\u00a0\u202f]/g, ""));
  if (match === null || (match[2] ?? "").length > places) return null;
  const minor = Number(match[1] + (match[2] ?? "").padEnd(places, "0"));
  return minor > 0 ? minor : null;
}
