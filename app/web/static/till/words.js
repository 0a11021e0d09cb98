"use strict";
// What the page says, in each of its languages.

const WORDS = {
  en: {
    till: "Till",
    language: "Language",
    signIn: "Sign in",
    signOut: "Sign out",
    key: "Key of this terminal",
    whoAreYou: "Who is at the till?",
    operator: "Operator",
    begin: "Begin",
    change: "Operator: {name} – change",
    scan: "Scan",
    code: "Scan, or type the code and press Enter",
    go: "Check",
    camera: "Camera",
    cameraStop: "Stop the camera",
    cameraLooking: "Hold the barcode in front of the camera.",
    cameraDenied: "The camera cannot be used: {cause}. Type the code instead.",
    receiptPart: "Receipt number and total",
    receipt: "Receipt",
    total: "Total of the receipt",
    amount: "Amount",
    pin: "PIN",
    partial: "Take less if the card holds less",
    spend: "Take from the card",
    load: "Load onto the card",
    cancel: "Cancel",
    undo: "Undo the last one",
    day: "Today at this till",
    time: "Time",
    what: "What",
    offer: "Offer",
    ready: "Ready",
    readyText: "Scan a pass.",
    accepted: "ACCEPTED",
    refused: "REFUSED",
    undone: "TAKEN BACK",
    loaded: "LOADED",
    asking: "NO ANSWER YET",
    askingText: "Asking what became of it. Do nothing else until it is known.",
    takeBack: "Give up and take it back",
    nothing: "NOT DONE",
    nothingText: "Nothing was taken. Scan again if the customer still wants it.",
    nothingUndone: "It was not taken back. Undo it again if the customer still wants it.",
    fault: "CANNOT BE DONE",
    noAnswer: "The till has no connection. Nothing was taken; scan again.",
    card: "Gift card {name}: {available} available",
    left: "{amount} left on the card",
    usesLeft: "{count} more uses",
    off: "{amount} off",
    customerSays: "For the customer: “{text}”",
    amountFault: "Type an amount such as {example}.",
    totalFault: "The total of the receipt is no amount: type one such as {example}, or leave it empty.",
    sessionEnded: "The session has ended: sign in again.",
    otherTab: "The till is open in another tab of this browser: use it there.",
    keyFault: "This key cannot be used: {cause}",
    offline: "No connection to the service.",
    totals: "{currency}: taken from cards {redeemed}, discounts given {discounts}, loaded {loaded}, taken back {returned}",
    uses: "coupons {count}",
    kinds: {
      redemption: "Redeemed", capture: "Captured", reversal: "Taken back", refund: "Refunded",
      load: "Loaded", adjust: "Adjusted", activate: "Activated", expire: "Expired",
      report: "Reported", conflict: "Conflict", block: "Blocked", unblock: "Unblocked",
      transfer: "Moved", deactivate: "Deactivated",
    },
  },
  fr: {
    till: "Caisse",
    language: "Langue",
    signIn: "Se connecter",
    signOut: "Se déconnecter",
    key: "Clé de ce terminal",
    whoAreYou: "Qui tient la caisse ?",
    operator: "Opérateur",
    begin: "Commencer",
    change: "Opérateur : {name} – changer",
    scan: "Scanner",
    code: "Scannez, ou saisissez le code puis Entrée",
    go: "Vérifier",
    camera: "Caméra",
    cameraStop: "Arrêter la caméra",
    cameraLooking: "Présentez le code-barres à la caméra.",
    cameraDenied: "La caméra est inutilisable : {cause}. Saisissez le code.",
    receiptPart: "Numéro et total du ticket",
    receipt: "Ticket",
    total: "Total du ticket",
    amount: "Montant",
    pin: "Code PIN",
    partial: "Prendre moins si la carte contient moins",
    spend: "Débiter la carte",
    load: "Recharger la carte",
    cancel: "Annuler",
    undo: "Annuler la dernière opération",
    day: "Aujourd’hui à cette caisse",
    time: "Heure",
    what: "Opération",
    offer: "Offre",
    ready: "Prêt",
    readyText: "Scannez un pass.",
    accepted: "ACCEPTÉ",
    refused: "REFUSÉ",
    undone: "ANNULÉ",
    loaded: "RECHARGÉ",
    asking: "PAS DE RÉPONSE",
    askingText: "Vérification en cours. Ne faites rien d’autre avant de savoir.",
    takeBack: "Renoncer et annuler",
    nothing: "PAS FAIT",
    nothingText: "Rien n’a été pris. Scannez de nouveau si le client le souhaite.",
    nothingUndone: "L’annulation n’a pas eu lieu. Recommencez-la si le client le souhaite.",
    fault: "IMPOSSIBLE",
    noAnswer: "La caisse n’a pas de connexion. Rien n’a été pris ; scannez de nouveau.",
    card: "Carte cadeau {name} : {available} disponibles",
    left: "{amount} restent sur la carte",
    usesLeft: "encore {count} utilisations",
    off: "{amount} de remise",
    customerSays: "Pour le client : « {text} »",
    amountFault: "Saisissez un montant, par exemple {example}.",
    totalFault: "Le total du ticket n’est pas un montant : saisissez par exemple {example}, ou rien.",
    sessionEnded: "La session est terminée : connectez-vous de nouveau.",
    otherTab: "La caisse est ouverte dans un autre onglet de ce navigateur : utilisez-le.",
    keyFault: "Cette clé est inutilisable : {cause}",
    offline: "Pas de connexion au service.",
    totals: "{currency} : débité des cartes {redeemed}, remises {discounts}, rechargé {loaded}, annulé {returned}",
    uses: "coupons {count}",
    kinds: {
      redemption: "Utilisé", capture: "Encaissé", reversal: "Annulé", refund: "Remboursé",
      load: "Rechargé", adjust: "Ajusté", activate: "Activé", expire: "Expiré",
      report: "Déclaré", conflict: "Conflit", block: "Bloqué", unblock: "Débloqué",
      transfer: "Transféré", deactivate: "Désactivé",
    },
  },
};

let language = "en";

export function speak(tag) {
  language = tag in WORDS ? tag : "en";
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-word]")) {
    element.textContent = say(element.dataset.word);
  }
}

export function spoken() {
  return language;
}

export function knows(tag) {
  return tag in WORDS;
}

export function say(name, values = {}) {
  return WORDS[language][name].replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
}

export function kind(name) {
  return WORDS[language].kinds[name] ?? name;
}

// Money: minor units in, a text in the page's language out, and back.
function digits(currency) {
  return new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions()
    .maximumFractionDigits;
}

export function money(minor, currency) {
  return new Intl.NumberFormat(language, { style: "currency", currency }).format(
    minor / 10 ** digits(currency),
  );
}

export function example(currency) {
  return new Intl.NumberFormat(language, { minimumFractionDigits: digits(currency) }).format(12.5);
}

// An amount in minor units, or null: no arithmetic on fractions, and no guess at "1.234".
export function amount(text, currency) {
  const places = digits(currency);
  const match = /^(\d{1,9})(?:[.,](\d+))?$/.exec(text.replace(/[\s\u00a0\u202f]/g, ""));
  if (match === null || (match[2] ?? "").length > places) return null;
  const minor = Number(match[1] + (match[2] ?? "").padEnd(places, "0"));
  return minor > 0 ? minor : null;
}
