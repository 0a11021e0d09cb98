"use strict";
// The till page: sign in, scan, take money or a use, undo, and see the day.

import { Camera } from "./camera.js";
import * as sound from "./sound.js";
import { Ended, Fault, Silent, Writer, read, session } from "./wire.js";
import { amount, example, kind, knows, money, say, speak, spoken, time } from "./words.js";

const $ = (id) => document.getElementById(id);
const SECTIONS = ["starting", "sign-in", "operator", "work"];
// The same scan within this time is the scanner's stutter or an impatient hand.
const STUTTER = 2500;
// Eight characters in this time were typed by a scanner, not by a person.
const WEDGE = 250;
// Refusals that are shown without being booked as one: codes of nobody's.
const NOT_BOOKED = new Set(["unknown_code", "bad_signature", "ambiguous", "scanner_layout"]);

let till = null;
let writer = null;
let operator = "";
let card = null;
// A coupon that waits for the receipt's total.
let waiting = null;
let recent = { code: "", at: -STUTTER };
let working = false;
let last = () => idle();

const camera = new Camera($("film"), (text) => {
  if (!working && card === null && waiting === null) submit(text);
});

// -- what is shown ------------------------------------------------------------------------------

function show(section) {
  for (const each of SECTIONS) $(each).hidden = each !== section;
  $("sign-out").hidden = till === null;
  $("operator-change").hidden = operator === "" || section !== "work";
}

function verdict(manner, sign, word, { figure = "", text = "", own = "", customer = null } = {}) {
  const box = $("verdict");
  box.className = manner;
  box.querySelector(".sign").textContent = sign;
  box.querySelector(".word").textContent = word;
  box.querySelector(".figure").textContent = figure;
  box.querySelector(".text").textContent = text;
  box.querySelector(".text").lang = own;
  box.querySelector(".customer").replaceChildren(...(customer === null ? [] : quoted(customer)));
}

// What is said to the customer, in the customer's language, among words in the cashier's.
function quoted({ text, language }) {
  const quote = document.createElement("bdi");
  quote.textContent = text;
  quote.lang = language;
  const [before, after] = say("customer_says", { text: "\n" }).split("\n");
  return [before, quote, after];
}

// A verdict is drawn again when the language changes.
function draw(how) {
  last = how;
  how();
}

function idle() {
  verdict("", "", say("ready"), { text: say("ready_text") });
}

function lock(locked) {
  working = locked;
  const fixed = ["code", "go", "camera-start", "operator-change", "sign-out"].map($);
  const forms = document.querySelectorAll("#money-form :is(input, button), #total-form :is(input, button), #day button");
  for (const each of [...fixed, ...forms]) each.disabled = locked;
}

function attend() {
  // On a phone the camera scans: a focused field would only raise the keyboard.
  if (!camera.running) field().focus();
}

function field() {
  if (waiting !== null) return $("whole");
  return card === null ? $("code") : $("amount");
}

function refusal(answer) {
  sound.refuse();
  draw(() => verdict("refused", "✗", say("refused"), {
    text: answer.cashier_text,
    own: till.store.language,
    customer: { text: answer.customer_text, language: answer.customer_language },
  }));
}

function fault(error) {
  sound.refuse();
  const text = error instanceof Silent ? () => say("no_answer") : () => error.message;
  draw(() => verdict("refused", "!", say("fault"), { text: text() }));
}

// -- the answers of writes ------------------------------------------------------------------------

function settled(done) {
  const { about, content, nothing } = done;
  if (nothing) {
    sound.refuse();
    const text = about.what === "undo" ? "nothing_undone" : "nothing_text";
    draw(() => verdict("refused", "–", say("nothing"), { text: say(text) }));
  } else if (content.outcome !== "accepted") {
    refusal(content);
    if (content.reason === "pin_required" && card !== null) {
      $("pin-part").hidden = false;
      $("pin").focus();
      return;
    }
    if (content.reason === "insufficient_balance" && card !== null) {
      const { available_minor: available, currency } = content.details;
      card.all = { minor: available, currency };
      $("take-all").textContent = say("take_all", { amount: money(available, currency) });
      $("take-all").hidden = available <= 0;
      return;
    }
    if (["load_cap", "currency_mismatch", "pin_wrong"].includes(content.reason) && card !== null) return;
    if (content.reason === "min_basket" && waiting !== null) return;
  } else {
    sound.accept();
    draw(() => accepted(about, content));
    // What belongs to one sale is never the next one's.
    if (about.what === "redeem") {
      $("receipt").value = "";
      $("total").value = "";
      $("receipt-part").open = false;
    }
  }
  closeCard();
}

function accepted(about, content) {
  if (about.what === "undo") {
    verdict("accepted", "↩", say("undone"), { text: about.name ?? "" });
    return;
  }
  const first = content.redemptions?.[0] ?? content;
  const voucher = first.voucher ?? {};
  const lines = [];
  let figure = "";
  if (first.applied_minor) figure = money(first.applied_minor, voucher.currency);
  if (voucher.available_minor !== null && voucher.available_minor !== undefined) {
    lines.push(say("left", { amount: money(voucher.available_minor, voucher.currency) }));
  }
  if (first.discount) {
    figure = say("off", { amount: money(first.discount.minor, first.discount.currency) });
  } else if (voucher.benefit) {
    figure = benefit(voucher);
  }
  if (voucher.uses_left) lines.push(say("uses_left", { count: voucher.uses_left }));
  verdict("accepted", "✓", say(about.what === "load" ? "loaded" : "accepted"), {
    figure, text: [voucher.name, ...lines].filter(Boolean).join(" · "),
  });
}

function benefit({ benefit: { type, percent, minor }, currency }) {
  if (type === "percent" && percent !== null) return `−${Number(percent)} %`;
  if (type === "amount" && minor !== null && currency) return `−${money(minor, currency)}`;
  return "";
}

async function write(path, body, about) {
  if (working) return;
  lock(true);
  try {
    const done = await writer.write(path, body, { ...about, operator });
    if (done !== null) settled(done);
  } catch (error) {
    await troubled(error);
  } finally {
    await finish();
  }
}

async function finish() {
  lock(false);
  await today();
  if (!$("work").hidden) attend();
}

async function troubled(error) {
  if (error instanceof Ended) await ended();
  else if (error instanceof Silent || error instanceof Fault) fault(error);
  else throw error;
}

function missing(isMissing) {
  $("take-back").hidden = !isMissing;
  $("take-back").disabled = false;
  if (isMissing) {
    if (last !== asking) sound.refuse();
    draw(asking);
    if (!camera.running && document.activeElement === document.body) $("take-back").focus();
  }
}

function asking() {
  verdict("asking", "?", say("asking"), { text: say("asking_text") });
}

// -- scanning -------------------------------------------------------------------------------------

function origin() {
  const receipt = $("receipt").value.trim();
  return { operator, ...(receipt === "" ? {} : { receipt }) };
}

function basket(currency) {
  const text = $("total").value.trim();
  if (text === "") return {};
  const total = amount(text, currency ?? "EUR");
  if (total === null) throw new Fault({ detail: say("total_fault", { example: example(currency ?? "EUR") }) }, 0);
  return { basket: { currency, lines: [{ id: "1", amount_minor: total }] } };
}

async function submit(text) {
  const code = text.trim();
  const now = performance.now();
  if (code === "" || working || writer === null) return;
  if (code === recent.code && now - recent.at < STUTTER) {
    $("code").value = "";
    return;
  }
  closeCard();
  lock(true);
  let found;
  let body;
  try {
    found = await read("/pos/v1/scans", { body: { barcode: code, ...origin() } });
    const currency = found.voucher?.currency;
    // A refusal is booked, too, but what nobody knows: that may have been a guess.
    body = { items: [{ barcode: code }], ...origin(), ...(currency ? basket(currency) : {}) };
  } catch (error) {
    lock(false);
    await troubled(error);
    attend();
    return;
  }
  $("code").value = "";
  lock(false);
  recent = { code, at: performance.now() };
  if (found.outcome === "accepted" && found.voucher.available_minor !== null) {
    openCard(code, found.voucher);
  } else if (found.reason === "basket_required") {
    await askTotal(code, found.details);
  } else if (!NOT_BOOKED.has(found.reason)) {
    await write("/pos/v1/redemptions", body, { what: "redeem" });
    recent = { code, at: performance.now() };
  } else {
    refusal(found);
    attend();
  }
}

// -- a coupon that depends on what is bought -----------------------------------------------------------

async function askTotal(code, details) {
  waiting = { code, details, currency: details.currency ?? "EUR" };
  const articles = [
    ...(details.skus ?? []), ...(details.prefixes ?? []).map((each) => `${each}…`), ...(details.categories ?? []),
  ];
  waiting.chosen = articles.length > 0;
  $("whole").value = $("total").value;
  $("chosen").value = "";
  $("chosen-part").hidden = !waiting.chosen;
  $("total-fault").textContent = "";
  $("total-form").hidden = false;
  $("scan-form").hidden = true;
  draw(() => {
    const lines = [];
    if (details.minimum_minor) lines.push(say("from_total", { amount: money(details.minimum_minor, waiting?.currency ?? "EUR") }));
    if (articles.length > 0) lines.push(say("articles", { names: articles.join(", ") }));
    $("total-title").textContent = say("total_title");
    $("total-text").textContent = lines.join(" ");
    verdict("", "", say("total_title"), { text: lines.join(" ") });
  });
  if ($("whole").value !== "" && !waiting.chosen) await redeemTotal();
  else attend();
}

function typedTotal() {
  const { currency, details, chosen } = waiting;
  const whole = amount($("whole").value, currency);
  const part = chosen ? amount($("chosen").value, currency) : 0;
  let fault = "";
  if (whole === null || part === null) fault = say("amount_fault", { example: example(currency) });
  else if (part > whole) fault = say("chosen_fault");
  $("total-fault").textContent = fault;
  if (fault !== "") {
    sound.refuse();
    $(whole === null ? "whole" : chosen ? "chosen" : "whole").focus();
    return null;
  }
  if (!chosen) return [{ id: "1", amount_minor: whole }];
  // What takes part goes as one line under the name of an article that does; the rest has none.
  const named = details.skus?.[0] ?? details.prefixes?.[0];
  const line = named === undefined ? { category: details.categories[0] } : { sku: named };
  const rest = whole > part ? [{ id: "2", amount_minor: whole - part }] : [];
  return [{ id: "1", amount_minor: part, ...line }, ...rest];
}

async function redeemTotal() {
  const lines = waiting === null || working ? null : typedTotal();
  if (lines === null) return;
  const { code, currency } = waiting;
  const body = { items: [{ barcode: code }], ...origin(), basket: { currency, lines } };
  await write("/pos/v1/redemptions", body, { what: "redeem" });
  recent = { code, at: performance.now() };
}

// -- gift cards -------------------------------------------------------------------------------------

function openCard(code, voucher) {
  card = { code, voucher };
  $("amount").value = "";
  $("pin").value = "";
  $("partial").checked = false;
  $("pin-part").hidden = true;
  $("take-all").hidden = true;
  $("load").hidden = !voucher.load_cap_minor;
  $("money-fault").textContent = "";
  $("money-form").hidden = false;
  // A scan still works: what a scanner types into the amount is a scan.
  $("scan-form").hidden = true;
  draw(() => {
    const available = money(voucher.available_minor, voucher.currency);
    const values = { name: voucher.name, available };
    $("money-title").textContent = say("card", values);
    verdict("", "", available, { text: say("card", values) });
  });
  $("amount").focus();
}

function closeCard() {
  card = null;
  waiting = null;
  $("total-form").hidden = true;
  $("money-form").hidden = true;
  $("scan-form").hidden = false;
  $("pin").value = "";
}

function typedMoney() {
  const { currency } = card.voucher;
  const minor = amount($("amount").value, currency);
  $("money-fault").textContent =
    minor === null ? say("amount_fault", { example: example(currency) }) : "";
  $("amount").setAttribute("aria-invalid", String(minor === null));
  if (minor === null) {
    sound.refuse();
    $("amount").focus();
    return null;
  }
  return { minor, currency };
}

async function spend() {
  const sum = card === null || working ? null : typedMoney();
  if (sum === null) return;
  await take(sum);
}

async function take(sum) {
  const pin = $("pin").value;
  $("take-all").hidden = true;
  const item = {
    barcode: card.code, amount: sum, allow_partial: $("partial").checked, ...(pin ? { pin } : {}),
  };
  await write("/pos/v1/redemptions", { items: [item], ...origin() }, { what: "redeem" });
}

async function load() {
  const sum = card === null || working ? null : typedMoney();
  if (sum === null) return;
  const { name, available_minor: available } = card.voucher;
  const values = {
    name, amount: money(sum.minor, sum.currency), balance: money(available + sum.minor, sum.currency),
  };
  if (!window.confirm(say("load_confirm", values))) return;
  await write("/pos/v1/gift-cards/load", { barcode: card.code, amount: sum, ...origin() }, { what: "load" });
}

// -- the day -----------------------------------------------------------------------------------------

let day = null;

async function today() {
  if (till === null || operator === "") return;
  try {
    day = await read("/pos/v1/day");
  } catch (error) {
    if (error instanceof Ended) await ended();
    return;
  }
  drawDay();
}

function drawDay() {
  const rows = [];
  for (const entry of day.entries) {
    const row = document.createElement("tr");
    // Said outright: where a phone's style makes lines of it, it would be no row any more.
    row.role = "row";
    if (entry.taken_back) row.className = "undone";
    const at = time(new Date(entry.at), day.timezone);
    const figure = entry.amount_minor !== 0
      ? money(entry.amount_minor, entry.currency)
      : entry.discount_minor !== 0 && entry.currency ? money(-entry.discount_minor, entry.currency) : "";
    const shown = {
      time: at, what: kind(entry.kind), offer: entry.name, money: figure,
      operator: entry.operator ?? "", undoing: entry.undoable ? undoer(entry, at, figure) : "",
    };
    for (const [name, content] of Object.entries(shown)) {
      const cell = document.createElement("td");
      cell.className = name;
      cell.role = "cell";
      cell.append(content);
      row.append(cell);
    }
    rows.push(row);
  }
  $("day").replaceChildren(...rows);
  const totals = day.totals.map((each) =>
    each.currency === null
      ? say("uses", { count: each.uses })
      : say("totals", {
          currency: each.currency,
          redeemed: money(each.redeemed_minor, each.currency),
          discounts: money(each.discounts_minor, each.currency),
          loaded: money(each.loaded_minor, each.currency),
          returned: money(each.returned_minor, each.currency),
        }) + ` · ${say("uses", { count: each.uses })}`,
  );
  $("totals").textContent = rows.length === 0 ? say("no_sales") : totals.join(" — ");
}

// Of one sale, that its row names: pressed again it is refused, and no other one is touched.
function undoer(entry, at, figure) {
  const button = document.createElement("button");
  const values = { name: entry.name, what: kind(entry.kind), amount: figure, time: at };
  button.type = "button";
  button.className = "undo";
  button.textContent = say("undo");
  button.setAttribute("aria-label", say("undo_of", values));
  button.disabled = working;
  button.addEventListener("click", () => {
    if (!working && window.confirm(say("undo_confirm", values))) undo(entry);
  });
  return button;
}

async function undo({ id, name }) {
  closeCard();
  await write("/pos/v1/reversals", { redemption_id: id, operator }, { what: "undo", name });
  recent = { code: "", at: -STUTTER };
}

// -- beginning and ending ------------------------------------------------------------------------------

async function ended() {
  till = null;
  camera.stop();
  $("camera").hidden = true;
  $("notice").textContent = "";
  show("sign-in");
  $("key").focus();
}

async function begin() {
  try {
    till = await read("/pos/v1/till");
  } catch (error) {
    if (error instanceof Ended) return ended();
    show("starting");
    $("starting").hidden = false;
    $("notice").textContent = say("offline");
    setTimeout(begin, 2000);
    return undefined;
  }
  $("notice").textContent = "";
  $("place").textContent = `${till.store.name} · ${till.terminal.key}`;
  if (localStorage.getItem("passerelle.till.language") === null && knows(till.store.language)) {
    speak(till.store.language);
    $("language").value = spoken();
  }
  writer = new Writer(till.client, missing);
  operator = sessionStorage.getItem("passerelle.till.operator") ?? "";
  if (operator === "" && writer.open() === null) {
    show("operator");
    $("operator-name").focus();
    return undefined;
  }
  return work();
}

async function work() {
  show("work");
  $("operator-change").textContent = say("change", { name: operator });
  draw(idle);
  if (writer.open() !== null) {
    lock(true);
    draw(asking);
    try {
      const done = await writer.resume();
      if (done !== null) settled(done);
    } catch (error) {
      await troubled(error);
      if (till === null) return;
    }
  }
  if (operator === "") {
    lock(false);
    show("operator");
    $("operator-name").focus();
    return;
  }
  await finish();
}

async function main() {
  const chosen = localStorage.getItem("passerelle.till.language");
  speak(...(chosen === null ? navigator.languages : [chosen]));
  $("language").value = spoken();
  // One tab at a time: two would take each other's open answer for a lost one.
  if (navigator.locks && !(await alone())) {
    $("notice").textContent = say("other_tab");
    return;
  }
  await begin();
}

async function alone() {
  for (let attempt = 0; attempt < 6; attempt += 1) {
    const got = await new Promise((answer) => {
      navigator.locks.request("passerelle.till", { ifAvailable: true }, (held) => {
        answer(held !== null);
        return held === null ? undefined : new Promise(() => {});
      });
    });
    if (got) return true;
    // A page that is being reloaded still has it for a moment.
    await new Promise((wake) => setTimeout(wake, 300));
  }
  return false;
}

$("sign-in-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const key = $("key").value;
  $("key").value = "";
  try {
    await session(document.body.dataset.session, "POST", { key });
  } catch (error) {
    $("starting").hidden = false;
    $("notice").textContent =
      error instanceof Silent ? say("offline") : say("key_fault", { cause: error.message });
    $("key").focus();
    return;
  }
  await begin();
});

$("operator-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  operator = $("operator-name").value.trim();
  // A pass that was scanned here is nobody's name, and its barcode is a secret.
  if (/^[a-z2-7]{32}$/i.test(operator)) $("operator-name").value = operator = "";
  if (operator === "") {
    $("operator-form").reportValidity();
    return;
  }
  sessionStorage.setItem("passerelle.till.operator", operator);
  await work();
});

$("operator-change").addEventListener("click", () => {
  closeCard();
  show("operator");
  $("operator-name").value = operator;
  $("operator-name").select();
});

$("sign-out").addEventListener("click", async () => {
  try {
    await session(document.body.dataset.session, "DELETE");
  } catch (error) {
    await troubled(error);
    return;
  }
  sessionStorage.removeItem("passerelle.till.operator");
  operator = "";
  await ended();
});

$("language").addEventListener("change", (event) => {
  localStorage.setItem("passerelle.till.language", event.target.value);
  speak(event.target.value);
  last();
  $("operator-change").textContent = say("change", { name: operator });
  if (day !== null) drawDay();
});

$("scan-form").addEventListener("submit", (event) => {
  event.preventDefault();
  submit($("code").value);
});

// Some scanners end with a tab: after characters faster than any hand it means Enter.
let keys = [];
for (const id of ["code", "amount", "receipt", "total", "whole", "chosen"]) {
  $(id).addEventListener("keydown", (event) => {
    const now = performance.now();
    if (event.key.length === 1) keys = [...keys.slice(-7), now];
    const wedge = keys.length === 8 && now - keys[0] < WEDGE;
    if ((event.key === "Enter" || (event.key === "Tab" && wedge)) && (id === "code" || wedge)) {
      event.preventDefault();
      const text = event.target.value;
      keys = [];
      // What a scanner typed into another field is a scan, never an amount.
      if (id !== "code") event.target.value = "";
      submit(text);
    }
  });
}

// A scan that meets no field goes to the code.
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && (card !== null || waiting !== null) && !working) {
    closeCard();
    draw(idle);
    attend();
  }
  const free = document.activeElement === document.body || document.activeElement === $("verdict");
  if (free && event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) {
    field().focus();
  }
});

$("money-form").addEventListener("submit", (event) => {
  event.preventDefault();
  spend();
});
$("load").addEventListener("click", load);
$("money-cancel").addEventListener("click", () => {
  if (working) return;
  closeCard();
  draw(idle);
  attend();
});
$("take-all").addEventListener("click", () => {
  if (card?.all === undefined || working) return;
  $("amount").value = "";
  take(card.all);
});
$("total-form").addEventListener("submit", (event) => {
  event.preventDefault();
  redeemTotal();
});
$("total-cancel").addEventListener("click", () => {
  if (working) return;
  closeCard();
  draw(idle);
  attend();
});
$("take-back").addEventListener("click", () => {
  writer.stop();
  $("take-back").disabled = true;
});

$("camera-start").addEventListener("click", async () => {
  $("camera").hidden = false;
  $("camera-notice").textContent = say("camera_looking");
  try {
    await camera.start();
  } catch (error) {
    $("camera-notice").textContent = say("camera_denied", { cause: error.message || error.name });
  }
});
$("camera-stop").addEventListener("click", () => {
  camera.stop();
  $("camera").hidden = true;
  attend();
});

main();
