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
    undo: "Undo",
    chosen: "Total of the articles that take part",
    redeem: "Redeem",
    totalTitle: "Enter the total of the receipt",
    fromTotal: "Valid from {amount}.",
    articles: "Only these take part: {names}.",
    chosenFault: "The articles that take part cannot come to more than the receipt.",
    takeAll: "Take all {amount}",
    loadConfirm: "Load {amount} onto {name}? The new balance is {balance}.",
    undoOf: "Undo: {what}, {name}, {amount}, {time}",
    undoConfirm: "Undo this sale?\n{time} · {what} · {name} {amount}",
    day: "Today at this till",
    noSales: "Nothing yet.",
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
    undo: "Annuler",
    chosen: "Total des articles concernés",
    redeem: "Utiliser",
    totalTitle: "Saisissez le total du ticket",
    fromTotal: "Valable à partir de {amount}.",
    articles: "Seuls participent : {names}.",
    chosenFault: "Les articles concernés ne peuvent dépasser le total du ticket.",
    takeAll: "Prendre tout : {amount}",
    loadConfirm: "Recharger {name} de {amount} ? Le nouveau solde est de {balance}.",
    undoOf: "Annuler : {what}, {name}, {amount}, {time}",
    undoConfirm: "Annuler cette vente ?\n{time} · {what} · {name} {amount}",
    day: "Aujourd’hui à cette caisse",
    noSales: "Rien pour l’instant.",
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
  de: {
    till: "Kasse", language: "Sprache", signIn: "Anmelden", signOut: "Abmelden",
    key: "Schlüssel dieses Terminals", whoAreYou: "Wer ist an der Kasse?", operator: "Kassierer",
    begin: "Beginnen", change: "Kassierer: {name} – wechseln", scan: "Scannen",
    code: "Scannen oder Code eintippen und Enter drücken", go: "Prüfen", camera: "Kamera",
    cameraStop: "Kamera anhalten", cameraLooking: "Den Barcode vor die Kamera halten.",
    cameraDenied: "Die Kamera ist nicht nutzbar: {cause}. Bitte den Code eintippen.",
    receiptPart: "Bonnummer und Summe", receipt: "Bon", total: "Summe des Bons", amount: "Betrag",
    pin: "PIN", partial: "Weniger nehmen, wenn weniger auf der Karte ist",
    spend: "Von der Karte abbuchen", load: "Karte aufladen", cancel: "Abbrechen",
    undo: "Rückgängig",
    chosen: "Summe der Artikel, für die es gilt",
    redeem: "Einlösen",
    totalTitle: "Summe des Bons eingeben",
    fromTotal: "Gilt ab {amount}.",
    articles: "Gilt nur für: {names}.",
    chosenFault: "Diese Artikel können nicht mehr kosten als der ganze Bon.",
    takeAll: "Alles nehmen: {amount}",
    loadConfirm: "{name} mit {amount} aufladen? Das neue Guthaben ist {balance}.",
    undoOf: "Rückgängig: {what}, {name}, {amount}, {time}",
    undoConfirm: "Diesen Verkauf rückgängig machen?\n{time} · {what} · {name} {amount}",
    day: "Heute an dieser Kasse", noSales: "Noch nichts.", time: "Zeit", what: "Vorgang", offer: "Angebot",
    ready: "Bereit", readyText: "Pass scannen.", accepted: "ANGENOMMEN", refused: "ABGELEHNT",
    undone: "RÜCKGÄNGIG", loaded: "AUFGELADEN", asking: "NOCH KEINE ANTWORT",
    askingText: "Es wird nachgefragt. Bis dahin bitte nichts anderes tun.",
    takeBack: "Aufgeben und zurücknehmen", nothing: "NICHT GETAN",
    nothingText: "Es wurde nichts genommen. Bei Bedarf noch einmal scannen.",
    nothingUndone: "Es wurde nichts zurückgenommen. Bei Bedarf noch einmal rückgängig machen.",
    fault: "GEHT NICHT", noAnswer: "Keine Verbindung. Es wurde nichts genommen; noch einmal scannen.",
    card: "Geschenkkarte {name}: {available} verfügbar", left: "noch {amount} auf der Karte",
    usesLeft: "noch {count}-mal", off: "{amount} Rabatt", customerSays: "Für den Kunden: „{text}“",
    amountFault: "Einen Betrag wie {example} eingeben.",
    totalFault: "Die Summe ist kein Betrag: etwa {example} eingeben oder leer lassen.",
    sessionEnded: "Die Sitzung ist zu Ende: bitte neu anmelden.",
    otherTab: "Die Kasse ist in einem anderen Tab dieses Browsers offen: bitte dort weitermachen.",
    keyFault: "Dieser Schlüssel ist nicht nutzbar: {cause}", offline: "Keine Verbindung zum Dienst.",
    totals: "{currency}: von Karten {redeemed}, Rabatte {discounts}, aufgeladen {loaded}, zurückgenommen {returned}",
    uses: "Gutscheine {count}",
    kinds: {
      redemption: "Eingelöst", capture: "Abgerechnet", reversal: "Rückgängig", refund: "Erstattet",
      load: "Aufgeladen", adjust: "Berichtigt", activate: "Aktiviert", expire: "Abgelaufen",
      report: "Gemeldet", conflict: "Konflikt", block: "Gesperrt", unblock: "Entsperrt",
      transfer: "Übertragen", deactivate: "Beendet",
    },
  },
  es: {
    till: "Caja", language: "Idioma", signIn: "Iniciar sesión", signOut: "Cerrar sesión",
    key: "Clave de este terminal", whoAreYou: "¿Quién está en la caja?", operator: "Operador",
    begin: "Empezar", change: "Operador: {name} – cambiar", scan: "Escanear",
    code: "Escanee, o escriba el código y pulse Intro", go: "Comprobar", camera: "Cámara",
    cameraStop: "Parar la cámara", cameraLooking: "Ponga el código de barras ante la cámara.",
    cameraDenied: "No se puede usar la cámara: {cause}. Escriba el código.",
    receiptPart: "Número y total del tique", receipt: "Tique", total: "Total del tique",
    amount: "Importe", pin: "PIN", partial: "Tomar menos si la tarjeta tiene menos",
    spend: "Cobrar de la tarjeta", load: "Recargar la tarjeta", cancel: "Cancelar",
    undo: "Deshacer",
    chosen: "Total de los artículos incluidos",
    redeem: "Canjear",
    totalTitle: "Escriba el total del tique",
    fromTotal: "Válido a partir de {amount}.",
    articles: "Solo se incluyen: {names}.",
    chosenFault: "Los artículos incluidos no pueden superar el total del tique.",
    takeAll: "Cobrar todo: {amount}",
    loadConfirm: "¿Recargar {name} con {amount}? El nuevo saldo es {balance}.",
    undoOf: "Deshacer: {what}, {name}, {amount}, {time}",
    undoConfirm: "¿Deshacer esta venta?\n{time} · {what} · {name} {amount}",
    day: "Hoy en esta caja", noSales: "Nada todavía.", time: "Hora", what: "Operación", offer: "Oferta",
    ready: "Lista", readyText: "Escanee un pase.", accepted: "ACEPTADO", refused: "RECHAZADO",
    undone: "DESHECHO", loaded: "RECARGADO", asking: "SIN RESPUESTA",
    askingText: "Se está consultando. No haga nada más hasta saberlo.",
    takeBack: "Renunciar y deshacer", nothing: "NO HECHO",
    nothingText: "No se ha cobrado nada. Escanee de nuevo si el cliente aún lo quiere.",
    nothingUndone: "No se ha deshecho. Hágalo de nuevo si el cliente aún lo quiere.",
    fault: "NO ES POSIBLE", noAnswer: "La caja no tiene conexión. No se ha cobrado nada; escanee de nuevo.",
    card: "Tarjeta regalo {name}: {available} disponibles", left: "quedan {amount} en la tarjeta",
    usesLeft: "{count} usos más", off: "{amount} de descuento", customerSays: "Para el cliente: «{text}»",
    amountFault: "Escriba un importe como {example}.",
    totalFault: "El total no es un importe: escriba por ejemplo {example}, o nada.",
    sessionEnded: "La sesión ha terminado: iníciela de nuevo.",
    otherTab: "La caja está abierta en otra pestaña de este navegador: úsela allí.",
    keyFault: "Esta clave no se puede usar: {cause}", offline: "Sin conexión con el servicio.",
    totals: "{currency}: cobrado de tarjetas {redeemed}, descuentos {discounts}, recargado {loaded}, deshecho {returned}",
    uses: "cupones {count}",
    kinds: {
      redemption: "Canjeado", capture: "Cobrado", reversal: "Deshecho", refund: "Reembolsado",
      load: "Recargado", adjust: "Ajustado", activate: "Activado", expire: "Caducado",
      report: "Comunicado", conflict: "Conflicto", block: "Bloqueado", unblock: "Desbloqueado",
      transfer: "Transferido", deactivate: "Terminado",
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
