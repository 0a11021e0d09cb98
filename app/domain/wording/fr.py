"""Refusals in French."""

from __future__ import annotations

from app.domain.refusals import Reason

REFUSALS: dict[Reason, tuple[str, str]] = {
    Reason.UNKNOWN_CODE: (
        "Code inconnu. Scannez à nouveau ou saisissez le code sous le code-barres.",
        "Nous ne connaissons pas ce code.",
    ),
    Reason.BAD_SIGNATURE: (
        "Ce code-barres n'est pas authentique. Ne l'acceptez pas.",
        "Ce code-barres ne peut pas être accepté.",
    ),
    Reason.SCANNER_LAYOUT: (
        "Le lecteur tape pour une autre disposition de clavier que celle de cette caisse{layout}, "
        "ou le verrouillage des majuscules est actif. Réglez le lecteur sur la disposition de la "
        "caisse, ou tapez le code.",
        "Le lecteur n'a pas pu lire ce code. Nous allons le taper.",
    ),
    Reason.AMBIGUOUS: (
        "Plusieurs bons portent ce code. Scannez le pass du client.",
        "Veuillez présenter le pass sur votre téléphone.",
    ),
    Reason.STALE_BARCODE: (
        "Ce code-barres a été remplacé. Demandez au client d'ouvrir le pass actuel.",
        "Ce code-barres n'est plus à jour. Veuillez ouvrir votre pass actuel.",
    ),
    Reason.PARTNER_ONLY: (
        "Ce code appartient à un partenaire et ne s'utilise pas ici.",
        "Ce code s'utilise uniquement chez notre partenaire.",
    ),
    Reason.NOT_STARTED: (
        "Pas valable avant le {starts_at}.",
        "Cette offre commence le {starts_at}.",
    ),
    Reason.EXPIRED: (
        "Expiré. {ended}",
        "Cette offre est terminée. {ended}",
    ),
    Reason.NOT_NOW: (
        "Pas valable ce jour ou à cette heure.",
        "Cette offre n'est pas valable en ce moment.",
    ),
    Reason.ALREADY_REDEEMED: (
        "Déjà utilisé le {at}, {store}. {receipt}",
        "Ce bon a déjà été utilisé, le {at}.",
    ),
    Reason.LIMIT_REACHED: (
        "Les {uses} utilisations sont prises, la dernière le {at}, {store}. {receipt}",
        "Ce bon a été utilisé autant de fois que permis.",
    ),
    Reason.CUSTOMER_LIMIT_REACHED: (
        "Ce client a utilisé l'offre autant de fois que permis.",
        "Vous avez utilisé cette offre autant de fois que permis pour le moment.",
    ),
    Reason.BUDGET_EXHAUSTED: (
        "L'offre est épuisée.",
        "Cette offre est épuisée.",
    ),
    Reason.CAMPAIGN_PAUSED: (
        "La campagne n'est pas en cours actuellement.",
        "Cette offre n'est pas disponible actuellement.",
    ),
    Reason.REVOKED: (
        "Ce bon a été retiré.",
        "Ce bon n'est plus valable.",
    ),
    Reason.BLOCKED: (
        "Ce bon est bloqué. Le service client peut aider.",
        "Ce bon est bloqué. Veuillez contacter le service client.",
    ),
    Reason.NOT_ACTIVATED: (
        "Ce bon n'est pas encore activé.",
        "Ce bon n'est pas encore actif.",
    ),
    Reason.HOLDER_REQUIRED: (
        "Scannez le pass du client ; le code seul ne suffit pas.",
        "Veuillez présenter le pass sur votre téléphone.",
    ),
    Reason.WRONG_STORE: (
        "Pas valable dans ce magasin, à cette caisse ou par ce canal.",
        "Cette offre n'est pas valable ici.",
    ),
    Reason.MIN_BASKET: (
        "Il manque {missing} pour atteindre le panier minimum de {minimum}.",
        "Encore {missing} et vous profitez de cette offre.",
    ),
    Reason.BASKET_REQUIRED: (
        "Scannez d'abord les articles : cette offre dépend du panier.",
        "Vos articles doivent d'abord être scannés.",
    ),
    Reason.PRODUCTS_NOT_ELIGIBLE: (
        "Aucun article du panier ne participe à cette offre.",
        "Aucun de vos articles ne participe à cette offre.",
    ),
    Reason.NOT_COMBINABLE: (
        "Non cumulable avec un autre bon de ce ticket.",
        "Cette offre n'est pas cumulable avec une autre.",
    ),
    Reason.ALREADY_IN_BASKET: (
        "Ce bon a été scanné deux fois dans cet appel.",
        "Ce bon est déjà pris en compte.",
    ),
    Reason.HELD_ELSEWHERE: (
        "Réservé en ce moment par une autre caisse ou la boutique en ligne.",
        "Ce bon est en cours d'utilisation ailleurs.",
    ),
    Reason.INSUFFICIENT_BALANCE: (
        "Solde insuffisant : {available} disponibles.",
        "Il y a {available} sur cette carte.",
    ),
    Reason.AMOUNT_REQUIRED: (
        "Saisissez le montant à débiter : {available} disponibles.",
        "Il y a {available} sur cette carte.",
    ),
    Reason.CURRENCY_MISMATCH: (
        "Valable en {currency} uniquement.",
        "Ce bon est valable en {currency} uniquement.",
    ),
    Reason.UNKNOWN_REDEMPTION: (
        "Cette utilisation n'existe pas.",
        "Cette utilisation est introuvable.",
    ),
    Reason.ALREADY_REVERSED: (
        "Déjà annulé le {at}.",
        "Cela a déjà été annulé.",
    ),
    Reason.NOT_REVERSIBLE: (
        "Impossible à annuler ici. Corrigez-le sur la carte.",
        "Cela ne peut pas être annulé.",
    ),
    Reason.REVERSAL_WINDOW_CLOSED: (
        "Trop tard pour annuler : le délai est passé.",
        "L'annulation n'est plus possible.",
    ),
    Reason.UNKNOWN_HOLD: (
        "Cette réservation n'existe pas.",
        "Cette réservation est introuvable.",
    ),
    Reason.HOLD_EXPIRED: (
        "La réservation a expiré. Scannez à nouveau.",
        "La réservation a expiré. Veuillez présenter à nouveau votre pass.",
    ),
    Reason.HOLD_CLOSED: (
        "La réservation a déjà été encaissée ou libérée.",
        "Cette réservation est déjà réglée.",
    ),
    Reason.CAPTURE_OVER_HOLD: (
        "Il ne reste que {left} sur la réservation.",
        "Seuls {left} étaient réservés.",
    ),
    Reason.REFUND_OVER_REDEMPTION: (
        "Seuls {left} de cette opération peuvent encore être remboursés.",
        "Seuls {left} peuvent encore être remboursés.",
    ),
    Reason.NOT_A_GIFT_CARD: (
        "Ce n'est pas une carte cadeau.",
        "Ce n'est pas une carte cadeau.",
    ),
    Reason.ALREADY_ACTIVE: (
        "La carte est déjà active.",
        "Cette carte est déjà active.",
    ),
    Reason.NOT_BLOCKED: (
        "La carte n'est pas bloquée.",
        "Cette carte n'est pas bloquée.",
    ),
    Reason.PIN_REQUIRED: (
        "Demandez le code PIN au client.",
        "Veuillez saisir votre code PIN.",
    ),
    Reason.PIN_WRONG: (
        "Code PIN erroné ; essais restants : {tries_left}.",
        "Ce code PIN n'est pas le bon.",
    ),
    Reason.PIN_LOCKED: (
        "Verrouillée après trop de codes PIN erronés. Un responsable peut la débloquer.",
        "Cette carte est verrouillée. Veuillez contacter le service client.",
    ),
    Reason.OPERATOR_REQUIRED: (
        "Indiquez qui tient la caisse : un opérateur est nécessaire.",
        "Un membre du personnel va vous aider.",
    ),
    Reason.NOT_LOADABLE: (
        "Les cartes de cette offre ne se rechargent pas sur la page de caisse.",
        "Cette carte ne peut pas être rechargée ici.",
    ),
    Reason.LOAD_CAP: (
        "{cap} au plus par rechargement.",
        "{cap} au plus par rechargement.",
    ),
    Reason.OPERATOR_CAP: (
        "Cet opérateur a atteint sa limite du jour : {cap}.",
        "Un membre du personnel va vous aider.",
    ),
}

RECEIPTS = ("Sur ce ticket.", "Sur un autre ticket.")

#: When an offer ended: its last day, or a moment within a day.
ENDED = ("Le dernier jour était le {}.", "Fin : {}.")
