"use strict";
// The till page: sign in, scan, take money or a use, undo, and see the day.

import { Camera } from "./camera.js";
import * as sound from "./sound.js";
import { Ended, Fault, Silent, Writer, read, session } from "./wire.js";
import { amount, example, kind, knows, money, say, speak, spoken } from "./words.js";

const $ = (id) => document.getElementById(id);
const SECTIONS = ["starting", "sign-in", "operator", "work"];
// The same scan within this time is the scanner's stutter or an impatient hand.
const STUTTER = 2500;
// Eight characters in this time were typed by a scanner, not by a person.
const WEDGE = 250;

let till = null;
let writer = null;
let operator = "";
let card = null;
let undoable = null;
let recent = { code: "", at: -STUTTER };
let working = false;
let last = () => idle();

const camera = new Camera($("film"), (text) => {
  if (!working && card === null) submit(text);
});

// -- what is shown ------------------------------------------------------------------------------

function show(section) {
  for (const each of SECTIONS) $(each).hidden = each !== section;
  $("sign-out").hidden = till === null;
  $("operator-change").hidden = operator === "" || section !== "work";
}

function verdict(manner, sign, word, { figure = "", text = "", customer = "" } = {}) {
  const box = $("verdict");
  box.className = manner;
  box.querySelector(".sign").textContent = sign;
  box.querySelector(".word").textContent = word;
  box.querySelector(".figure").textContent = figure;
  box.querySelector(".text").textContent = text;
  box.querySelector(".customer").textContent = customer && say("customerSays", { text: customer });
}

// A verdict is drawn again when the language changes.
function draw(how) {
  last = how;
  how();
}

function idle() {
  verdict("", "", say("ready"), { text: say("readyText") });
}

function lock(locked) {
  working = locked;
  for (const id of ["code", "go", "camera-start", "amount", "spend", "load", "money-cancel", "operator-change", "sign-out"]) {
    $(id).disabled = locked;
  }
  $("undo").disabled = locked || undoable === null;
}

function attend() {
  // On a phone the camera scans: a focused field would only raise the keyboard.
  if (!camera.running) (card === null ? $("code") : $("amount")).focus();
}

function refusal(answer) {
  sound.refuse();
  draw(() => verdict("refused", "✗", say("refused"), {
    text: answer.cashier_text, customer: answer.customer_text,
  }));
}

function fault(error) {
  sound.refuse();
  const text = error instanceof Silent ? () => say("noAnswer") : () => error.message;
  draw(() => verdict("refused", "!", say("fault"), { text: text() }));
}

// -- the answers of writes ------------------------------------------------------------------------

function settled(done) {
  const { about, content, nothing } = done;
  if (nothing) {
    sound.refuse();
    const text = about.what === "undo" ? "nothingUndone" : "nothingText";
    draw(() => verdict("refused", "–", say("nothing"), { text: say(text) }));
  } else if (content.outcome !== "accepted") {
    refusal(content);
    if (content.reason === "pin_required" && card !== null) {
      $("pin-part").hidden = false;
      $("pin").focus();
      return;
    }
  } else {
    sound.accept();
    draw(() => accepted(about, content));
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
  if (voucher.uses_left) lines.push(say("usesLeft", { count: voucher.uses_left }));
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
  verdict("asking", "?", say("asking"), { text: say("askingText") });
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
  if (total === null) throw new Fault({ detail: say("totalFault", { example: example(currency ?? "EUR") }) }, 0);
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
    const basketRules = ["basket_required", "min_basket", "products_not_eligible"];
    if (found.outcome !== "accepted" && basketRules.includes(found.reason) && $("total").value === "") {
      $("receipt-part").open = true;
    }
    const currency = found.voucher?.currency ?? found.details?.currency;
    if (found.outcome === "accepted" || basketRules.includes(found.reason)) {
      body = { items: [{ barcode: code }], ...origin(), ...(currency ? basket(currency) : {}) };
    }
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
  } else if (found.outcome === "accepted" || body?.basket !== undefined) {
    await write("/pos/v1/redemptions", body, { what: "redeem" });
    recent = { code, at: performance.now() };
  } else {
    refusal(found);
    attend();
  }
}

// -- gift cards -------------------------------------------------------------------------------------

function openCard(code, voucher) {
  card = { code, voucher };
  $("amount").value = "";
  $("pin").value = "";
  $("partial").checked = false;
  $("pin-part").hidden = true;
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
  $("money-form").hidden = true;
  $("scan-form").hidden = false;
  $("pin").value = "";
}

function typedMoney() {
  const { currency } = card.voucher;
  const minor = amount($("amount").value, currency);
  $("money-fault").textContent =
    minor === null ? say("amountFault", { example: example(currency) }) : "";
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
  const pin = $("pin").value;
  const item = {
    barcode: card.code, amount: sum, allow_partial: $("partial").checked, ...(pin ? { pin } : {}),
  };
  await write("/pos/v1/redemptions", { items: [item], ...origin() }, { what: "redeem" });
}

async function load() {
  const sum = card === null || working ? null : typedMoney();
  if (sum === null) return;
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
  undoable = null;
  for (const entry of day.entries) {
    if (undoable === null && entry.undoable) undoable = entry;
    const row = document.createElement("tr");
    if (entry.taken_back) row.className = "undone";
    const at = new Intl.DateTimeFormat(spoken(), {
      hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone: day.timezone,
    }).format(new Date(entry.at));
    const figure = entry.amount_minor !== 0
      ? money(entry.amount_minor, entry.currency)
      : entry.discount_minor !== 0 && entry.currency ? money(-entry.discount_minor, entry.currency) : "";
    for (const text of [at, kind(entry.kind), entry.name, figure, entry.operator ?? ""]) {
      const cell = document.createElement("td");
      cell.textContent = text;
      row.append(cell);
    }
    row.children[3].className = "money";
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
  $("totals").textContent = totals.join(" — ");
  $("undo").textContent =
    undoable === null ? say("undo") : `${say("undo")}: ${undoable.name}`;
  $("undo").disabled = working || undoable === null;
}

async function undo() {
  if (undoable === null || working) return;
  closeCard();
  const { id, name } = undoable;
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
  const wanted = localStorage.getItem("passerelle.till.language") ?? navigator.language.slice(0, 2);
  speak(wanted);
  $("language").value = spoken();
  // One tab at a time: two would take each other's open answer for a lost one.
  if (navigator.locks && !(await alone())) {
    $("notice").textContent = say("otherTab");
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
      error instanceof Silent ? say("offline") : say("keyFault", { cause: error.message });
    $("key").focus();
    return;
  }
  await begin();
});

$("operator-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  operator = $("operator-name").value.trim();
  if (operator === "") return;
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
for (const id of ["code", "amount", "receipt", "total"]) {
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
  if (event.key === "Escape" && card !== null && !working) {
    closeCard();
    draw(idle);
    attend();
  }
  const free = document.activeElement === document.body || document.activeElement === $("verdict");
  if (free && event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) {
    (card === null ? $("code") : $("amount")).focus();
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
$("undo").addEventListener("click", undo);
$("take-back").addEventListener("click", () => {
  writer.stop();
  $("take-back").disabled = true;
});

$("camera-start").addEventListener("click", async () => {
  $("camera").hidden = false;
  $("camera-notice").textContent = say("cameraLooking");
  try {
    await camera.start();
  } catch (error) {
    $("camera-notice").textContent = say("cameraDenied", { cause: error.message || error.name });
  }
});
$("camera-stop").addEventListener("click", () => {
  camera.stop();
  $("camera").hidden = true;
  attend();
});

main();
