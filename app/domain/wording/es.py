"""Refusals in Spanish."""

from __future__ import annotations

from app.domain.refusals import Reason

REFUSALS: dict[Reason, tuple[str, str]] = {
    Reason.UNKNOWN_CODE: (
        "Código desconocido. Escanee de nuevo o teclee el código bajo el código de barras.",
        "No conocemos este código.",
    ),
    Reason.BAD_SIGNATURE: (
        "Este código de barras no es auténtico. No lo acepte.",
        "Este código de barras no se puede aceptar.",
    ),
    Reason.SCANNER_LAYOUT: (
        "El lector escribe para otra distribución de teclado que la de esta caja{layout}, o el "
        "bloqueo de mayúsculas está activo. Ajuste el lector a la distribución de la caja o "
        "escriba el código.",
        "El lector no ha podido leerlo. Escribiremos el código.",
    ),
    Reason.AMBIGUOUS: (
        "Varios vales tienen este código. Escanee el pase del cliente.",
        "Muestre el pase en su teléfono, por favor.",
    ),
    Reason.STALE_BARCODE: (
        "Este código de barras fue sustituido. Pida al cliente que abra el pase actual.",
        "Este código de barras no está al día. Abra su pase actual, por favor.",
    ),
    Reason.PARTNER_ONLY: (
        "Este código pertenece a un socio y no se canjea aquí.",
        "Este código solo se usa con nuestro socio.",
    ),
    Reason.NOT_STARTED: (
        "No válido antes del {starts_at}.",
        "Esta oferta empieza el {starts_at}.",
    ),
    Reason.EXPIRED: (
        "Caducado. {ended}",
        "Esta oferta ha terminado. {ended}",
    ),
    Reason.NOT_NOW: (
        "No válido en este día o a esta hora.",
        "Esta oferta no es válida en este momento.",
    ),
    Reason.ALREADY_REDEEMED: (
        "Ya canjeado el {at}, {store}. {receipt}",
        "Este cupón ya se usó el {at}.",
    ),
    Reason.LIMIT_REACHED: (
        "Los {uses} usos están agotados, el último el {at}, {store}. {receipt}",
        "Este cupón se ha usado tantas veces como permite.",
    ),
    Reason.CUSTOMER_LIMIT_REACHED: (
        "Este cliente ha usado la oferta tantas veces como permite.",
        "Por ahora ha usado esta oferta tantas veces como permite.",
    ),
    Reason.BUDGET_EXHAUSTED: (
        "La oferta está agotada.",
        "Esta oferta está agotada.",
    ),
    Reason.CAMPAIGN_PAUSED: (
        "La campaña no está en marcha ahora.",
        "Esta oferta no está disponible ahora.",
    ),
    Reason.REVOKED: (
        "Este vale fue retirado.",
        "Este vale ya no es válido.",
    ),
    Reason.BLOCKED: (
        "Este vale está bloqueado. Atención al cliente puede ayudar.",
        "Este vale está bloqueado. Contacte con atención al cliente, por favor.",
    ),
    Reason.NOT_ACTIVATED: (
        "Este vale aún no está activado.",
        "Este vale aún no está activo.",
    ),
    Reason.HOLDER_REQUIRED: (
        "Escanee el pase del cliente; el código solo no basta.",
        "Muestre el pase en su teléfono, por favor.",
    ),
    Reason.WRONG_STORE: (
        "No válido en esta tienda, en esta caja o por este canal.",
        "Esta oferta no es válida aquí.",
    ),
    Reason.MIN_BASKET: (
        "Faltan {missing} para la compra mínima de {minimum}.",
        "{missing} más y podrá usar esta oferta.",
    ),
    Reason.BASKET_REQUIRED: (
        "Escanee primero los artículos: esta oferta depende de la compra.",
        "Primero hay que escanear sus artículos.",
    ),
    Reason.PRODUCTS_NOT_ELIGIBLE: (
        "Ningún artículo de la compra participa en esta oferta.",
        "Ninguno de sus artículos participa en esta oferta.",
    ),
    Reason.NOT_COMBINABLE: (
        "No acumulable con otro cupón de este tique.",
        "Esta oferta no es acumulable con otra.",
    ),
    Reason.ALREADY_IN_BASKET: (
        "Este vale se escaneó dos veces en esta llamada.",
        "Este vale ya está aplicado.",
    ),
    Reason.HELD_ELSEWHERE: (
        "Reservado ahora por otra caja o por la tienda en línea.",
        "Este vale se está usando en otro lugar.",
    ),
    Reason.INSUFFICIENT_BALANCE: (
        "Saldo insuficiente: {available} disponibles.",
        "Hay {available} en esta tarjeta.",
    ),
    Reason.AMOUNT_REQUIRED: (
        "Introduzca el importe: {available} disponibles.",
        "Hay {available} en esta tarjeta.",
    ),
    Reason.CURRENCY_MISMATCH: (
        "Válido solo para {currency}.",
        "Este vale es válido solo para {currency}.",
    ),
    Reason.UNKNOWN_REDEMPTION: (
        "No existe ese canje.",
        "No se encontró este canje.",
    ),
    Reason.ALREADY_REVERSED: (
        "Ya se anuló el {at}.",
        "Esto ya se anuló.",
    ),
    Reason.NOT_REVERSIBLE: (
        "No se puede anular aquí. Corríjalo en la tarjeta.",
        "Esto no se puede anular.",
    ),
    Reason.REVERSAL_WINDOW_CLOSED: (
        "Demasiado tarde para anularlo: el plazo ha pasado.",
        "Ya no se puede anular.",
    ),
    Reason.UNKNOWN_HOLD: (
        "Esta reserva no existe.",
        "No se ha encontrado esta reserva.",
    ),
    Reason.HOLD_EXPIRED: (
        "La reserva ha caducado. Escanee de nuevo.",
        "La reserva ha caducado. Muestre de nuevo su pase.",
    ),
    Reason.HOLD_CLOSED: (
        "La reserva ya se cobró o se liberó.",
        "Esta reserva ya está resuelta.",
    ),
    Reason.CAPTURE_OVER_HOLD: (
        "Solo quedan {left} de la reserva.",
        "Solo se reservaron {left}.",
    ),
    Reason.REFUND_OVER_REDEMPTION: (
        "De esta operación solo se pueden devolver {left}.",
        "Solo se pueden devolver {left}.",
    ),
    Reason.NOT_A_GIFT_CARD: (
        "No es una tarjeta regalo.",
        "No es una tarjeta regalo.",
    ),
    Reason.ALREADY_ACTIVE: (
        "La tarjeta ya está activa.",
        "Esta tarjeta ya está activa.",
    ),
    Reason.NOT_BLOCKED: (
        "La tarjeta no está bloqueada.",
        "Esta tarjeta no está bloqueada.",
    ),
    Reason.PIN_REQUIRED: (
        "Pida el PIN al cliente.",
        "Introduzca su PIN.",
    ),
    Reason.PIN_WRONG: (
        "PIN incorrecto; intentos restantes: {tries_left}.",
        "Este PIN no es correcto.",
    ),
    Reason.PIN_LOCKED: (
        "Bloqueada por demasiados PIN incorrectos. Un responsable puede desbloquearla.",
        "Esta tarjeta está bloqueada. Contacte con atención al cliente.",
    ),
    Reason.OPERATOR_REQUIRED: (
        "Indique quién está en la caja: hace falta un operador.",
        "Le atenderá un miembro del personal.",
    ),
    Reason.NOT_LOADABLE: (
        "Las tarjetas de esta oferta no se recargan en la página de caja.",
        "Esta tarjeta no se puede recargar aquí.",
    ),
    Reason.LOAD_CAP: (
        "Como máximo {cap} por recarga.",
        "Se pueden recargar como máximo {cap} de una vez.",
    ),
    Reason.OPERATOR_CAP: (
        "Este operador ha alcanzado su límite de hoy: {cap}.",
        "Le atenderá un miembro del personal.",
    ),
}

RECEIPTS = ("En este tique.", "En otro tique.")

#: When an offer ended: its last day, or a moment within a day.
ENDED = ("El último día fue el {}.", "Terminó el {}.")
