"""Reads words, flags and counts that say whether a code may still be given to anybody.

A table of plain data in the catalogue's languages. Of several that stand in one row the strictest
holds; a word that is in no list is never taken for a good one.
"""

from __future__ import annotations

import re
from enum import IntEnum

from app.services.codes.formats.headings.meanings import squeezed


class State(IntEnum):
    """What a word says of a code, the stricter the greater."""

    GOOD = 0
    #: Some of its money or uses are gone.
    PARTLY = 1
    #: It was given to somebody.
    GIVEN = 2
    SCHEDULED = 3
    EXPIRED = 4
    DISABLED = 5
    USED = 6


_WORDS: dict[State, tuple[str, ...]] = {
    State.GOOD: (
        # English, and the names in interfaces
        "active|activated|available|unused|not used|never used|valid|enabled|new|open|live|ok|"
        "unredeemed|not redeemed|published|publish|issued|created|unassigned|unclaimed|ready|"
        "redeemable|usable|good|free|fresh|in stock|sold|not yet used|never redeemed|running|on|"
        "purchased|outstanding|full|unspent",
        "actif|active|activé|activée|disponible|inutilisé|inutilisée|non utilisé|non utilisée|"
        "valide|valable|nouveau|ouvert|libre|jamais utilisé|publié|émis|en cours|pas utilisé|"
        "non échangé",
        "aktiv|aktiviert|verfügbar|unbenutzt|ungenutzt|nicht verwendet|nicht eingelöst|gültig|"
        "neu|offen|frei|uneingelöst|nicht benutzt|unverbraucht|einlösbar|noch nicht eingelöst|"
        "unverwendet|ausgestellt|verkauft|nicht genutzt",
        "activo|activa|activado|disponible|sin usar|no usado|no utilizado|válido|vigente|nuevo|"
        "abierto|libre|sin canjear|no canjeado|emitido|habilitado|no usada",
        "attivo|attiva|disponibile|non usato|non utilizzato|inutilizzato|valido|nuovo|aperto|"
        "libero|non riscattato|emesso|abilitato|mai usato|non usata",
        "actief|beschikbaar|ongebruikt|niet gebruikt|geldig|nieuw|open|vrij|niet verzilverd|"
        "uitgegeven|niet ingewisseld|geactiveerd|nog niet gebruikt",
        "aktywny|aktywna|dostępny|dostępna|nieużyty|nieużyta|niewykorzystany|niewykorzystana|"
        "ważny|ważna|nowy|otwarty|wolny|niezrealizowany|wydany",
        "ativo|ativa|ativado|disponível|não usado|não utilizado|por usar|válido|novo|aberto|"
        "livre|não resgatado|emitido|habilitado|vigente",
    ),
    State.PARTLY: (
        "partially used|partly used|partially redeemed|partly redeemed|partial|in use|"
        "partially spent|partial redemption",
        "partiellement utilisé|partiellement utilisée|utilisé en partie|entamé|entamée",
        "teilweise eingelöst|teilweise verwendet|teilweise genutzt|teileingelöst|angebrochen|"
        "teilweise benutzt|teilweise verbraucht",
        "parcialmente usado|parcialmente utilizado|usado parcialmente|parcialmente canjeado",
        "parzialmente usato|parzialmente utilizzato|usato parzialmente|usato in parte",
        "gedeeltelijk gebruikt|deels gebruikt|gedeeltelijk verzilverd",
        "częściowo użyty|częściowo wykorzystany|częściowo zrealizowany|częściowo wykorzystana",
        "parcialmente usado|parcialmente utilizado|usado em parte|parcialmente resgatado",
    ),
    State.GIVEN: (
        "assigned|assigned to profile|allocated|reserved|given|distributed|claimed",
        "attribué|attribuée|réservé|distribué|assigné",
        "zugewiesen|vergeben|reserviert|zugeteilt|ausgegeben",
        "asignado|asignada|reservado|entregado",
        "assegnato|assegnata|riservato",
        "toegewezen|gereserveerd",
        "przypisany|przypisana|zarezerwowany",
        "atribuído|atribuída|reservado|entregue",
    ),
    State.SCHEDULED: (
        "scheduled|future|upcoming|pending|not yet valid|not started|planned|not yet active|"
        "not active yet|waiting",
        "planifié|planifiée|programmé|programmée|à venir|en attente|pas encore valable|futur",
        "geplant|zukünftig|ausstehend|noch nicht gültig|bevorstehend|wartend|künftig|vorgemerkt",
        "programado|programada|futuro|pendiente|planificado|próximo",
        "programmato|programmata|pianificato|futuro|in attesa|in arrivo",
        "gepland|toekomstig|in afwachting|nog niet geldig|wachtend",
        "zaplanowany|zaplanowana|przyszły|oczekujący|oczekuje",
        "agendado|agendada|programado|futuro|pendente|planeado",
    ),
    State.EXPIRED: (
        "expired|lapsed|out of date|ended|finished|past|overdue|expired card",
        "expiré|expirée|périmé|périmée|échu|échue|terminé|terminée|dépassé",
        "abgelaufen|verfallen|beendet|ungültig geworden|ausgelaufen|abgelaufene",
        "caducado|caducada|expirado|expirada|vencido|vencida|finalizado|terminado",
        "scaduto|scaduta|terminato|terminata|finito",
        "verlopen|vervallen|afgelopen|beëindigd",
        "wygasły|wygasła|wygasł|przeterminowany|przeterminowana|nieważny|zakończony|wygasło",
        "expirado|expirada|vencido|vencida|caducado|terminado|encerrado",
    ),
    State.DISABLED: (
        "disabled|inactive|deactivated|blocked|cancelled|canceled|void|voided|deleted|archived|"
        "trash|draft|private|suspended|revoked|locked|invalid|refunded|lost|stolen|off|closed|"
        "frozen|paused|not active|unavailable|withdrawn|returned|rejected|failed|not enabled|"
        "removed|terminated|not valid|replaced|unpublished|hidden|stopped",
        "désactivé|désactivée|inactif|inactive|bloqué|bloquée|annulé|annulée|supprimé|supprimée|"
        "suspendu|suspendue|invalide|archivé|remboursé|perdu|volé|brouillon|fermé|fermée|"
        "non valable|non valide|indisponible|révoqué|non actif",
        "deaktiviert|inaktiv|gesperrt|storniert|annulliert|gelöscht|ungültig|archiviert|"
        "ausgesetzt|widerrufen|entwurf|erstattet|verloren|gestohlen|blockiert|geschlossen|"
        "nicht aktiv|pausiert|nicht verfügbar|nicht gültig|eingefroren|zurückgezogen",
        "desactivado|desactivada|inactivo|inactiva|bloqueado|bloqueada|cancelado|cancelada|"
        "anulado|anulada|eliminado|suspendido|inválido|deshabilitado|archivado|borrador|"
        "reembolsado|cerrado|no válido|no disponible|no activo|revocado|perdido|robado",
        "disattivato|disattivata|inattivo|inattiva|bloccato|bloccata|annullato|annullata|"
        "eliminato|sospeso|non valido|disabilitato|archiviato|bozza|rimborsato|chiuso|"
        "non attivo|non disponibile|revocato|perso|rubato|cancellato",
        "uitgeschakeld|inactief|gedeactiveerd|geblokkeerd|geannuleerd|verwijderd|ongeldig|"
        "opgeschort|gearchiveerd|concept|terugbetaald|gesloten|niet actief|niet geldig|"
        "ingetrokken|gepauzeerd|niet beschikbaar|verloren|gestolen",
        "nieaktywny|nieaktywna|wyłączony|wyłączona|zablokowany|zablokowana|anulowany|anulowana|"
        "usunięty|usunięta|zawieszony|unieważniony|zarchiwizowany|szkic|zwrócony|zamknięty|"
        "dezaktywowany|niedostępny|wstrzymany|utracony|skradziony",
        "desativado|desativada|inativo|inativa|bloqueado|bloqueada|cancelado|cancelada|anulado|"
        "anulada|eliminado|excluído|suspenso|inválido|desabilitado|arquivado|rascunho|"
        "reembolsado|fechado|não ativo|indisponível|revogado|perdido|roubado",
    ),
    State.USED: (
        "used|fully used|redeemed|fully redeemed|used up|spent|exhausted|depleted|empty|consumed|"
        "fully spent|completed|complete|zero balance|no balance|burned|burnt|already used|"
        "already redeemed|limit reached|used in order|fully consumed|finalized",
        "utilisé|utilisée|entièrement utilisé|consommé|consommée|épuisé|épuisée|encaissé|vide|"
        "échangé|échangée|totalement utilisé|déjà utilisé|dépensé|soldé|utilisés",
        "benutzt|verwendet|eingelöst|genutzt|verbraucht|aufgebraucht|leer|vollständig eingelöst|"
        "komplett eingelöst|entwertet|erschöpft|ausgeschöpft|gebraucht|bereits eingelöst|"
        "vollständig verwendet|ganz eingelöst|eingeloest|vollständig genutzt",
        "usado|usada|utilizado|utilizada|canjeado|canjeada|agotado|agotada|consumido|vacío|"
        "gastado|totalmente usado|ya usado|completamente usado|redimido",
        "usato|usata|utilizzato|utilizzata|riscattato|riscattata|esaurito|esaurita|consumato|"
        "vuoto|speso|completamente usato|già usato|totalmente utilizzato|completamente utilizzato",
        "gebruikt|verzilverd|ingewisseld|ingeleverd|opgebruikt|leeg|volledig gebruikt|besteed|"
        "verbruikt|volledig verzilverd|al gebruikt|uitgegeven saldo|op",
        "użyty|użyta|wykorzystany|wykorzystana|zrealizowany|zrealizowana|wyczerpany|pusty|"
        "w pełni wykorzystany|zużyty|całkowicie wykorzystany|użyto|skasowany|już użyty",
        "usado|usada|utilizado|utilizada|resgatado|resgatada|esgotado|esgotada|consumido|vazio|"
        "gasto|totalmente usado|já usado|totalmente utilizado|completamente usado",
    ),
}

_YES = (
    "yes|y|true|t|x|✓|✔|☑|on|ja|j|wahr|oui|o|vrai|si|sí|sì|verdadero|vero|sim|verdadeiro|tak|"
    "prawda|waar|1|☒"
)
_NO = (
    "no|n|false|f|nein|non|faux|falso|não|nao|nie|fałsz|nee|onwaar|off|never|none|null|n/a|-|–|"
    "—|niemals|jamais|nunca|mai|nooit|nigdy|☐|✗|✘|nil|falsch"
)
_COUNT = re.compile(
    r"(?P<count>[-+]?\d+)(?:[.,]0+)?(?:\s?(?:x|×|mal|times?|fois|veces|volte|keer|"
    r"razy|vezes|uses?))?",
    re.IGNORECASE,
)
_OF = re.compile(r"(\d+)\s*(?:/|of|von|de|sur|di|van|z)\s*(\d+)", re.IGNORECASE)


def _table() -> dict[str, State]:
    found: dict[str, State] = {}
    for state, lists in _WORDS.items():
        for words in lists:
            for word in words.split("|"):
                name = squeezed(word)
                # One word of two languages: the stricter meaning holds.
                found[name] = max(state, found.get(name, state))
    return found


_STATES = _table()
_FLAGS = dict.fromkeys(_YES.split("|"), True) | dict.fromkeys(_NO.split("|"), False)


def state_of(word: str) -> State | None:
    """Tell what a status says of a code; None when the word is not known."""
    return _STATES.get(squeezed(word))


def flag_of(text: str) -> bool | None:
    """Read a yes or no, however it is written; None when it is neither."""
    plain = text.strip().casefold()
    found = _FLAGS.get(plain)
    if found is None and (count := count_of(plain)) is not None:
        return count != 0
    return found


def count_of(text: str) -> int | None:
    """Read a count as `3`, `1.0` or `2 times`; None when it is none."""
    match = _COUNT.fullmatch(text.strip())
    return int(match["count"]) if match is not None and len(match["count"]) < 16 else None


def share_of(text: str) -> tuple[int, int] | None:
    """Read used and allowed uses in one cell, as `1/5` or `1 of 5`."""
    match = _OF.fullmatch(text.strip())
    return (int(match[1]), int(match[2])) if match is not None else None
