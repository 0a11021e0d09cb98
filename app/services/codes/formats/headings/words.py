"""Lists what people write over columns, in the catalogue's languages."""

from __future__ import annotations

from collections.abc import Mapping

from app.services.codes.formats.headings.meanings import Meaning

#: Names by language and meaning, separated by `|`.
WORDS: dict[str, Mapping[Meaning, str]] = {
    "en": {
        Meaning.CODE: "Code|Codes|Coupon|Coupon codes|Discount code|Discount codes|Voucher|"
        "Voucher code|Voucher number|Promo code|Promo|Promotion code|Gift card|Gift card code|"
        "Gift card number|Gift certificate|Card number|Card|Number|Serial|Serial number|"
        "Gift code|Reward code|Redemption code|Barcode|Certificate number|Card no|Gift card no",
        Meaning.AMOUNT: "Amount|Value|Initial value|Initial balance|Initial amount|Face value|"
        "Opening balance|Original value|Original balance|Card value|Denomination|Price|"
        "Gift card value|Gift card amount|Issued amount|Amount issued|Starting balance",
        Meaning.BALANCE: "Balance|Current balance|Remaining balance|Remaining|Remaining value|"
        "Remaining amount|Available balance|Amount remaining|Outstanding balance|Amount left|"
        "Value left|Credit|Gift card balance|Card balance|Outstanding",
        Meaning.SPENT: "Amount used|Spent|Amount spent|Redeemed amount|Amount redeemed|"
        "Used amount|Total redeemed|Used value",
        Meaning.MINOR: "Amount minor|Balance minor|Amount in cents|Balance in cents|Amount cents|"
        "Balance cents|Cents|Pence|Minor|Value in cents",
        Meaning.CURRENCY: "Currency|Currency code|Cur|Ccy",
        Meaning.PIN: "PIN|PIN code|Card PIN|Gift card PIN|Security code|Scratch code",
        Meaning.USED: "Used|Times used|Used count|Code used count|Usage count|Redemptions|"
        "Redeemed|Is used|Is redeemed|Uses so far|Number of uses|Used times|Redemption count|"
        "Usage|Claimed",
        Meaning.LIMIT: "Usage limit|Limit|Max uses|Maximum uses|Uses allowed|Allowed uses|"
        "Redemption limit|Limit per code|Usage limit per coupon|Max redemptions|Uses total",
        Meaning.LEFT: "Uses left|Remaining uses|Left|Uses remaining|Redemptions left|"
        "Remaining redemptions",
        Meaning.STATUS: "Status|State|Code status|Card status|Coupon status|Condition",
        Meaning.ENABLED: "Enabled|Active|Enabled flag|Is active|Is enabled|Valid|Is valid|Live|"
        "Activated",
        Meaning.DISABLED: "Disabled|Inactive|Is disabled|Blocked|Is blocked|Cancelled|Canceled|"
        "Voided|Void|Deleted|Deactivated|Archived|Locked|Suspended|Revoked",
        Meaning.EXPIRED: "Expired|Is expired",
        Meaning.USED_AT: "Used at|Used on|Date used|Redeemed at|Redeemed on|Redemption date|"
        "Used by|Redeemed by|Used date|Date redeemed|Used in order|Redeemed in order|Last used|"
        "Last used at",
        Meaning.DISABLED_AT: "Disabled at|Cancelled at|Voided at|Blocked at|Deactivated at|"
        "Deleted at|Archived at",
        Meaning.STARTS: "Start|Starts|Start date|Starts at|Valid from|From|Active from|"
        "Available from|Begins",
        Meaning.ENDS: "End|Ends|End date|Ends at|Valid to|Valid until|Until|Expires|Expires at|"
        "Expires on|Expiry|Expiry date|Expiration|Expiration date|Expiry at|Valid till|To",
        Meaning.KIND: "Type|Discount type|Value type",
        Meaning.OTHER: "Id|Name|Campaign|Created|Created at|Created on|Date|Email|E-mail|"
        "Customer|Customer name|Note|Notes|Comment|Description|Order|Order number|Order id|"
        "Minimum purchase|Minimum spend|Minimum amount|Maximum discount|Discount|Percent|"
        "Product|Store|Shop|Batch|Tags|Language|Country|Phone|First name|Last name|Row|No|Nr|"
        "Title|Quantity|Link|Url",
        Meaning.TAIL: "Last characters|Last digits|Last four digits|Last 4 digits|Ending",
    },
    "fr": {
        Meaning.CODE: "Code promo|Code promotionnel|Code réduction|Code de réduction|"
        "Code cadeau|Carte cadeau|Code carte cadeau|Numéro de carte|Numéro de carte cadeau|"
        "N° de carte|Bon|Bon d'achat|Code bon|Code du bon|Bon de réduction|Code coupon|"
        "Numéro|N°|Code avantage|Codes|Chèque cadeau|Code de la carte cadeau|Codes promo",
        Meaning.AMOUNT: "Montant|Valeur|Montant initial|Valeur initiale|Solde initial|"
        "Valeur faciale",
        Meaning.BALANCE: "Solde|Solde restant|Solde actuel|Montant restant|Reste|"
        "Valeur restante|Restant|Crédit",
        Meaning.SPENT: "Montant utilisé|Montant dépensé|Dépensé",
        Meaning.CURRENCY: "Devise|Monnaie",
        Meaning.PIN: "Code PIN|Code secret|Code confidentiel",
        Meaning.USED: "Utilisé|Utilisée|Utilisés|Utilisations|Nombre d'utilisations|"
        "Fois utilisé|Nb utilisations|Consommé|Échangé",
        Meaning.LIMIT: "Limite d'utilisation|Limite|Utilisations maximales|"
        "Nombre maximum d'utilisations|Utilisations max",
        Meaning.LEFT: "Utilisations restantes",
        Meaning.STATUS: "Statut|État|Etat",
        Meaning.ENABLED: "Actif|Active|Activé|Activée|Valide",
        Meaning.DISABLED: "Désactivé|Désactivée|Inactif|Bloqué|Annulé|Supprimé",
        Meaning.EXPIRED: "Expiré|Expirée|Périmé",
        Meaning.USED_AT: "Utilisé le|Date d'utilisation|Utilisé par",
        Meaning.STARTS: "Début|Date de début|Valable à partir du|Valable du|Du",
        Meaning.ENDS: "Fin|Date de fin|Expire le|Expiration|Date d'expiration|"
        "Valable jusqu'au|Valide jusqu'au|Date limite|Échéance|Au",
        Meaning.OTHER: "Nom|Prénom|Courriel|Client|Créé le|Date de création|Commande|"
        "Campagne|Remarque|Description",
    },
    "de": {
        Meaning.CODE: "Gutschein|Gutscheincode|Gutschein-Code|Gutscheinnummer|Gutscheinnr|"
        "Rabattcode|Aktionscode|Promocode|Kartennummer|Geschenkkarte|Geschenkkartennummer|"
        "Geschenkkartencode|Nummer|Kartennr|Gutschein-Nr|Coupon|Couponcode|Seriennummer|"
        "Gutscheincodes|Rabattcodes|Kupon|Kuponcode|Geschenkgutschein|Vorteilscode",
        Meaning.AMOUNT: "Betrag|Wert|Anfangswert|Anfangsguthaben|Ausgangswert|Gutscheinwert|"
        "Ursprungswert|Nennwert|Startguthaben|Kartenwert",
        Meaning.BALANCE: "Guthaben|Restguthaben|Restwert|Saldo|Restbetrag|Kontostand|"
        "Aktuelles Guthaben|Verfügbar",
        Meaning.SPENT: "Eingelöster Betrag|Verbraucht",
        Meaning.CURRENCY: "Währung|Waehrung",
        Meaning.PIN: "PIN-Code|Geheimzahl",
        Meaning.USED: "Benutzt|Verwendet|Eingelöst|Eingeloest|Genutzt|Anzahl Einlösungen|"
        "Einlösungen|Verwendungen|Nutzungen|Anzahl Verwendungen|Gebraucht",
        Meaning.LIMIT: "Nutzungslimit|Limit|Maximale Nutzungen|Max. Verwendungen|"
        "Maximale Einlösungen|Einlöselimit|Verwendungslimit",
        Meaning.LEFT: "Verbleibende Nutzungen|Verbleibende Einlösungen|Restliche Einlösungen",
        Meaning.STATUS: "Status|Zustand",
        Meaning.ENABLED: "Aktiv|Aktiviert|Gültig|Freigeschaltet",
        Meaning.DISABLED: "Deaktiviert|Inaktiv|Gesperrt|Storniert|Gelöscht|Ungültig",
        Meaning.EXPIRED: "Abgelaufen|Verfallen",
        Meaning.USED_AT: "Eingelöst am|Verwendet am|Eingelöst von|Einlösedatum|Benutzt am",
        Meaning.STARTS: "Gültig ab|Gültig von|Beginn|Start|Startdatum|Von",
        Meaning.ENDS: "Gültig bis|Ablaufdatum|Ende|Enddatum|Läuft ab|Verfällt am|Bis|Ablauf",
        Meaning.OTHER: "Name|Vorname|Nachname|E-Mail|Kunde|Erstellt|Erstellt am|Datum|"
        "Bestellung|Kampagne|Aktion|Bemerkung|Notiz|Beschreibung",
    },
    "es": {
        Meaning.CODE: "Código|Código promocional|Código de descuento|Cupón|Código de cupón|"
        "Código del cupón|Vale|Código de vale|Tarjeta regalo|Número de tarjeta|"
        "Código de tarjeta regalo|Número|Códigos|Códigos de descuento|Código de regalo",
        Meaning.AMOUNT: "Importe|Valor|Monto|Valor inicial|Importe inicial|Saldo inicial",
        Meaning.BALANCE: "Saldo|Saldo restante|Saldo actual|Importe restante|Restante|"
        "Saldo disponible",
        Meaning.SPENT: "Importe usado|Importe utilizado|Gastado",
        Meaning.CURRENCY: "Moneda|Divisa",
        Meaning.PIN: "Código PIN|Código de seguridad",
        Meaning.USED: "Usado|Utilizado|Canjeado|Usos|Veces usado|Número de usos|Usada|Canjes",
        Meaning.LIMIT: "Límite de uso|Límite|Usos máximos|Límite de usos|Máximo de usos",
        Meaning.LEFT: "Usos restantes",
        Meaning.STATUS: "Estado|Estatus",
        Meaning.ENABLED: "Activo|Activa|Activado|Habilitado|Válido",
        Meaning.DISABLED: "Desactivado|Inactivo|Deshabilitado|Bloqueado|Cancelado|Anulado",
        Meaning.EXPIRED: "Caducado|Expirado|Vencido",
        Meaning.USED_AT: "Usado el|Fecha de uso|Canjeado el|Fecha de canje",
        Meaning.STARTS: "Inicio|Fecha de inicio|Válido desde|Desde",
        Meaning.ENDS: "Fin|Fecha de fin|Caduca|Caducidad|Fecha de caducidad|Válido hasta|"
        "Vence|Fecha de vencimiento|Hasta|Expira",
        Meaning.OTHER: "Nombre|Apellido|Correo|Cliente|Creado|Creado el|Fecha|Pedido|Campaña",
    },
    "it": {
        Meaning.CODE: "Codice|Codice sconto|Codice promozionale|Codice coupon|Coupon|Buono|"
        "Codice buono|Buono sconto|Buono regalo|Carta regalo|Numero carta|Numero|Codici|"
        "Codice carta regalo|Codice promo|Codici sconto|Codice regalo",
        Meaning.AMOUNT: "Importo|Valore|Valore iniziale|Importo iniziale|Saldo iniziale",
        Meaning.BALANCE: "Saldo|Saldo residuo|Saldo attuale|Residuo|Credito residuo|"
        "Importo residuo|Credito",
        Meaning.SPENT: "Importo utilizzato|Importo speso|Speso",
        Meaning.CURRENCY: "Valuta|Divisa",
        Meaning.PIN: "Codice PIN",
        Meaning.USED: "Usato|Utilizzato|Riscattato|Utilizzi|Numero utilizzi|Volte usato|Usata",
        Meaning.LIMIT: "Limite di utilizzo|Limite|Utilizzi massimi|Limite utilizzi",
        Meaning.LEFT: "Utilizzi rimanenti|Utilizzi residui",
        Meaning.STATUS: "Stato",
        Meaning.ENABLED: "Attivo|Attiva|Abilitato|Valido",
        Meaning.DISABLED: "Disattivato|Disabilitato|Inattivo|Bloccato|Annullato",
        Meaning.EXPIRED: "Scaduto|Scaduta",
        Meaning.USED_AT: "Usato il|Data di utilizzo|Riscattato il|Utilizzato il",
        Meaning.STARTS: "Inizio|Data inizio|Data di inizio|Valido dal|Dal",
        Meaning.ENDS: "Fine|Data fine|Data di fine|Scadenza|Data di scadenza|Scade il|"
        "Valido fino al|Valido fino|Al",
        Meaning.OTHER: "Nome|Cognome|Cliente|Creato|Creato il|Data|Ordine|Campagna",
    },
    "nl": {
        Meaning.CODE: "Kortingscode|Kortingscodes|Actiecode|Cadeaubon|Cadeauboncode|Bon|"
        "Boncode|Vouchercode|Couponcode|Cadeaukaart|Cadeaukaartnummer|Kaartnummer|Nummer|"
        "Waardebon|Waardeboncode|Kortingsbon|Promotiecode|Tegoedbon|Cadeaukaartcode",
        Meaning.AMOUNT: "Bedrag|Waarde|Beginwaarde|Beginsaldo|Oorspronkelijke waarde",
        Meaning.BALANCE: "Saldo|Restsaldo|Tegoed|Resterend saldo|Huidig saldo|Resterend|"
        "Restwaarde|Restbedrag|Resttegoed",
        Meaning.SPENT: "Gebruikt bedrag|Besteed",
        Meaning.CURRENCY: "Valuta|Munteenheid",
        Meaning.PIN: "Pincode",
        Meaning.USED: "Gebruikt|Verzilverd|Ingewisseld|Aantal keer gebruikt|Keer gebruikt|"
        "Aantal gebruikt|Ingeleverd",
        Meaning.LIMIT: "Gebruikslimiet|Limiet|Maximaal aantal|Maximaal gebruik",
        Meaning.LEFT: "Resterend gebruik",
        Meaning.STATUS: "Status|Toestand",
        Meaning.ENABLED: "Actief|Ingeschakeld|Geldig|Geactiveerd",
        Meaning.DISABLED: "Uitgeschakeld|Inactief|Geblokkeerd|Geannuleerd|Gedeactiveerd",
        Meaning.EXPIRED: "Verlopen",
        Meaning.USED_AT: "Gebruikt op|Verzilverd op|Ingewisseld op",
        Meaning.STARTS: "Begin|Begindatum|Startdatum|Geldig vanaf|Vanaf",
        Meaning.ENDS: "Einde|Einddatum|Vervaldatum|Geldig tot|Verloopt op|Tot|Geldig t/m",
        Meaning.OTHER: "Naam|Klant|Aangemaakt|Aangemaakt op|Datum|Bestelling|Campagne",
    },
    "pl": {
        Meaning.CODE: "Kod|Kod rabatowy|Kod promocyjny|Kod kuponu|Kupon|Karta podarunkowa|"
        "Numer karty|Kod karty|Bon|Kod bonu|Voucher|Kod vouchera|Numer|Kody|Kody rabatowe",
        Meaning.AMOUNT: "Kwota|Wartość|Wartość początkowa|Kwota początkowa|Saldo początkowe",
        Meaning.BALANCE: "Saldo|Pozostałe saldo|Pozostała kwota|Bieżące saldo|Pozostało",
        Meaning.SPENT: "Wykorzystana kwota|Wydano",
        Meaning.CURRENCY: "Waluta",
        Meaning.PIN: "Kod PIN",
        Meaning.USED: "Użyty|Użyte|Wykorzystany|Wykorzystano|Zrealizowany|Liczba użyć|Użycia",
        Meaning.LIMIT: "Limit użyć|Limit|Maksymalna liczba użyć|Limit wykorzystania",
        Meaning.LEFT: "Pozostałe użycia",
        Meaning.STATUS: "Status|Stan",
        Meaning.ENABLED: "Aktywny|Aktywna|Włączony|Ważny",
        Meaning.DISABLED: "Nieaktywny|Wyłączony|Zablokowany|Anulowany",
        Meaning.EXPIRED: "Wygasły|Wygasł|Przeterminowany",
        Meaning.USED_AT: "Data użycia|Użyto|Data wykorzystania|Data realizacji",
        Meaning.STARTS: "Początek|Data rozpoczęcia|Ważny od|Od",
        Meaning.ENDS: "Koniec|Data zakończenia|Ważny do|Data ważności|Wygasa|Do|Data wygaśnięcia",
        Meaning.OTHER: "Nazwa|Imię|Nazwisko|Klient|Utworzono|Data|Zamówienie|Kampania",
    },
    "pt": {
        Meaning.CODE: "Código|Código promocional|Código de desconto|Cupom|Cupão|"
        "Código do cupom|Código do cupão|Vale|Vale-presente|Cartão presente|Vale presente|"
        "Número do cartão|Código do vale|Códigos|Cartão-presente|Cartão oferta|Número|"
        "Cupom de desconto",
        Meaning.AMOUNT: "Valor|Montante|Quantia|Valor inicial|Saldo inicial",
        Meaning.BALANCE: "Saldo|Saldo restante|Saldo atual|Valor restante|Saldo disponível|"
        "Restante",
        Meaning.SPENT: "Valor usado|Valor utilizado|Gasto",
        Meaning.CURRENCY: "Moeda|Divisa",
        Meaning.PIN: "Código PIN",
        Meaning.USED: "Usado|Utilizado|Resgatado|Usos|Número de usos|Vezes usado|Utilizações",
        Meaning.LIMIT: "Limite de uso|Limite|Limite de utilização|Máximo de usos",
        Meaning.LEFT: "Usos restantes|Utilizações restantes",
        Meaning.STATUS: "Estado|Situação|Status",
        Meaning.ENABLED: "Ativo|Ativa|Ativado|Válido|Habilitado",
        Meaning.DISABLED: "Desativado|Inativo|Bloqueado|Cancelado|Anulado",
        Meaning.EXPIRED: "Expirado|Vencido|Caducado",
        Meaning.USED_AT: "Usado em|Data de uso|Resgatado em|Data de resgate|Utilizado em",
        Meaning.STARTS: "Início|Data de início|Válido de|Válido a partir de|De",
        Meaning.ENDS: "Fim|Data de fim|Validade|Válido até|Expira em|Data de expiração|"
        "Data de validade|Até|Vencimento",
        Meaning.OTHER: "Nome|Cliente|Criado|Criado em|Data|Pedido|Encomenda|Campanha",
    },
}
