"""Refusals in German."""

from __future__ import annotations

from app.domain.refusals import Reason

REFUSALS: dict[Reason, tuple[str, str]] = {
    Reason.UNKNOWN_CODE: (
        "Unbekannter Code. Erneut scannen oder den Code unter dem Barcode eintippen.",
        "Diesen Code kennen wir nicht.",
    ),
    Reason.BAD_SIGNATURE: (
        "Dieser Barcode ist nicht echt. Bitte nicht annehmen.",
        "Dieser Barcode kann nicht angenommen werden.",
    ),
    Reason.SCANNER_LAYOUT: (
        "Der Scanner tippt für eine andere Tastaturbelegung als die dieser Kasse{layout}, oder die "
        "Feststelltaste ist an. Scanner auf die Belegung der Kasse einstellen oder Code eintippen.",
        "Der Scanner konnte das nicht lesen. Wir tippen den Code ein.",
    ),
    Reason.AMBIGUOUS: (
        "Mehrere Gutscheine haben diesen Code. Bitte den Pass der Kundschaft scannen.",
        "Bitte zeigen Sie den Pass auf Ihrem Telefon.",
    ),
    Reason.STALE_BARCODE: (
        "Dieser Barcode wurde ersetzt. Bitte den aktuellen Pass öffnen lassen.",
        "Dieser Barcode ist veraltet. Bitte öffnen Sie Ihren aktuellen Pass.",
    ),
    Reason.PARTNER_ONLY: (
        "Dieser Code gehört einem Partner und gilt hier nicht.",
        "Dieser Code gilt nur bei unserem Partner.",
    ),
    Reason.NOT_STARTED: (
        "Nicht gültig vor {starts_at}.",
        "Dieses Angebot beginnt am {starts_at}.",
    ),
    Reason.EXPIRED: (
        "Abgelaufen. {ended}",
        "Dieses Angebot ist vorbei. {ended}",
    ),
    Reason.NOT_NOW: (
        "An diesem Tag oder zu dieser Stunde nicht gültig.",
        "Dieses Angebot gilt zurzeit nicht.",
    ),
    Reason.ALREADY_REDEEMED: (
        "Bereits eingelöst am {at}, {store}. {receipt}",
        "Dieser Gutschein wurde bereits am {at} eingelöst.",
    ),
    Reason.LIMIT_REACHED: (
        "Alle {uses} Einlösungen sind verbraucht, die letzte am {at}, {store}. {receipt}",
        "Dieser Gutschein wurde so oft eingelöst, wie er erlaubt.",
    ),
    Reason.CUSTOMER_LIMIT_REACHED: (
        "Diese Person hat das Angebot so oft genutzt, wie es erlaubt.",
        "Sie haben dieses Angebot vorerst so oft genutzt, wie es erlaubt.",
    ),
    Reason.BUDGET_EXHAUSTED: (
        "Das Angebot ist aufgebraucht.",
        "Dieses Angebot ist aufgebraucht.",
    ),
    Reason.CAMPAIGN_PAUSED: (
        "Die Kampagne läuft zurzeit nicht.",
        "Dieses Angebot ist zurzeit nicht verfügbar.",
    ),
    Reason.REVOKED: (
        "Dieser Gutschein wurde zurückgezogen.",
        "Dieser Gutschein ist nicht mehr gültig.",
    ),
    Reason.BLOCKED: (
        "Dieser Gutschein ist gesperrt. Der Kundendienst hilft weiter.",
        "Dieser Gutschein ist gesperrt. Bitte wenden Sie sich an den Kundendienst.",
    ),
    Reason.NOT_ACTIVATED: (
        "Dieser Gutschein ist noch nicht aktiviert.",
        "Dieser Gutschein ist noch nicht aktiv.",
    ),
    Reason.HOLDER_REQUIRED: (
        "Bitte den Pass der Kundschaft scannen; der Code allein genügt nicht.",
        "Bitte zeigen Sie den Pass auf Ihrem Telefon.",
    ),
    Reason.WRONG_STORE: (
        "In dieser Filiale, an dieser Kasse oder auf diesem Weg nicht gültig.",
        "Dieses Angebot gilt hier nicht.",
    ),
    Reason.MIN_BASKET: (
        "Zum Mindestwarenkorb von {minimum} fehlen {missing}.",
        "Noch {missing}, dann gilt dieses Angebot.",
    ),
    Reason.BASKET_REQUIRED: (
        "Zuerst die Artikel scannen: Das Angebot hängt vom Warenkorb ab.",
        "Ihre Artikel müssen zuerst gescannt werden.",
    ),
    Reason.PRODUCTS_NOT_ELIGIBLE: (
        "Kein Artikel im Warenkorb nimmt an diesem Angebot teil.",
        "Keiner Ihrer Artikel nimmt an diesem Angebot teil.",
    ),
    Reason.NOT_COMBINABLE: (
        "Nicht mit einem anderen Gutschein auf diesem Bon kombinierbar.",
        "Dieses Angebot ist nicht mit einem anderen kombinierbar.",
    ),
    Reason.ALREADY_IN_BASKET: (
        "Dieser Gutschein wurde in diesem Vorgang zweimal gescannt.",
        "Dieser Gutschein ist bereits berücksichtigt.",
    ),
    Reason.HELD_ELSEWHERE: (
        "Zurzeit von einer anderen Kasse oder dem Webshop reserviert.",
        "Dieser Gutschein wird gerade anderswo verwendet.",
    ),
    Reason.INSUFFICIENT_BALANCE: (
        "Guthaben reicht nicht: {available} verfügbar.",
        "Auf dieser Karte sind {available}.",
    ),
    Reason.AMOUNT_REQUIRED: (
        "Bitte den Betrag eingeben: {available} verfügbar.",
        "Auf dieser Karte sind {available}.",
    ),
    Reason.CURRENCY_MISMATCH: (
        "Nur für {currency} gültig.",
        "Dieser Gutschein gilt nur für {currency}.",
    ),
    Reason.UNKNOWN_REDEMPTION: (
        "Diese Einlösung gibt es nicht.",
        "Diese Einlösung wurde nicht gefunden.",
    ),
    Reason.ALREADY_REVERSED: (
        "Bereits am {at} zurückgenommen.",
        "Das wurde bereits zurückgenommen.",
    ),
    Reason.NOT_REVERSIBLE: (
        "Das lässt sich hier nicht zurücknehmen. Bitte auf der Karte berichtigen.",
        "Das lässt sich nicht zurücknehmen.",
    ),
    Reason.REVERSAL_WINDOW_CLOSED: (
        "Zu spät für eine Rücknahme: Die Frist ist vorbei.",
        "Das kann nicht mehr zurückgenommen werden.",
    ),
    Reason.UNKNOWN_HOLD: (
        "Diese Reservierung gibt es nicht.",
        "Diese Reservierung wurde nicht gefunden.",
    ),
    Reason.HOLD_EXPIRED: (
        "Die Reservierung ist abgelaufen. Bitte neu scannen.",
        "Die Reservierung ist abgelaufen. Bitte zeigen Sie Ihren Pass noch einmal.",
    ),
    Reason.HOLD_CLOSED: (
        "Die Reservierung wurde schon eingelöst oder freigegeben.",
        "Diese Reservierung ist schon erledigt.",
    ),
    Reason.CAPTURE_OVER_HOLD: (
        "Von der Reservierung sind nur {left} übrig.",
        "Es waren nur {left} reserviert.",
    ),
    Reason.REFUND_OVER_REDEMPTION: (
        "Von dieser Einlösung können nur noch {left} erstattet werden.",
        "Es können nur noch {left} erstattet werden.",
    ),
    Reason.NOT_A_GIFT_CARD: (
        "Das ist keine Geschenkkarte.",
        "Das ist keine Geschenkkarte.",
    ),
    Reason.ALREADY_ACTIVE: (
        "Die Karte ist schon aktiv.",
        "Diese Karte ist schon aktiv.",
    ),
    Reason.NOT_BLOCKED: (
        "Die Karte ist nicht gesperrt.",
        "Diese Karte ist nicht gesperrt.",
    ),
    Reason.PIN_REQUIRED: (
        "Bitte die PIN des Kunden erfragen.",
        "Bitte geben Sie Ihre PIN ein.",
    ),
    Reason.PIN_WRONG: (
        "Falsche PIN; verbleibende Versuche: {tries_left}.",
        "Diese PIN stimmt nicht.",
    ),
    Reason.PIN_LOCKED: (
        "Nach zu vielen falschen PINs gesperrt. Die Leitung kann sie entsperren.",
        "Diese Karte ist gesperrt. Bitte wenden Sie sich an den Kundendienst.",
    ),
    Reason.OPERATOR_REQUIRED: (
        "Bitte angeben, wer an der Kasse ist.",
        "Das Personal hilft Ihnen gern.",
    ),
    Reason.NOT_LOADABLE: (
        "Karten dieses Angebots werden an der Kassenseite nicht aufgeladen.",
        "Diese Karte kann hier nicht aufgeladen werden.",
    ),
    Reason.LOAD_CAP: (
        "Höchstens {cap} auf einmal aufladen.",
        "Es können höchstens {cap} auf einmal aufgeladen werden.",
    ),
    Reason.OPERATOR_CAP: (
        "Die Tagesgrenze dieser Person ist erreicht: {cap}.",
        "Das Personal hilft Ihnen gern.",
    ),
}

RECEIPTS = ("Auf diesem Bon.", "Auf einem anderen Bon.")

#: When an offer ended: its last day, or a moment within a day.
ENDED = ("Der letzte Tag war der {}.", "Es endete am {}.")
