"""What the pages say, in every language they speak.

`WORDS` has a complete set for each language; adding one is adding an entry, and the type checker
says what is missing. Names in braces are filled in by the page.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The texts of the pages in one language; `name` is the language's own name."""

    name: str
    add_apple: str
    add_google: str
    add_all_apple: str
    add_all_google: str
    on_phone_title: str
    on_phone: str
    on_phone_picture: str
    at_till: str
    no_wallet: str
    barcode: str
    code: str
    card_number: str
    pin: str
    show_pin: str
    copy: str
    copied: str
    balance: str
    valid_from: str
    valid_until: str
    details: str
    terms: str
    partner: str
    used: str
    used_more: str
    spent: str
    spent_more: str
    expired: str
    expired_more: str
    revoked: str
    revoked_more: str
    early: str
    early_more: str
    uses_left: str
    inactive: str
    inactive_more: str
    blocked: str
    blocked_more: str
    paused: str
    paused_more: str
    set_title: str
    show: str
    get_voucher: str
    get_card: str
    offer_more: str
    offer_until: str
    offer_ended: str
    offer_ended_more: str
    offer_changed: str
    offer_changed_more: str
    nothing: str
    nothing_more: str
    sold_out: str
    sold_out_more: str
    not_found: str
    not_found_more: str
    link_withdrawn: str
    link_withdrawn_more: str
    google_later: str
    google_later_more: str
    busy: str
    busy_more: str
    fault: str
    fault_more: str
    again: str
    languages: str


WORDS: dict[str, Words] = {
    "en": Words(
        name="English",
        add_apple="Add to Apple Wallet",
        add_google="Add to Google Wallet",
        add_all_apple="Add all to Apple Wallet",
        add_all_google="Add all to Google Wallet",
        on_phone_title="Continue on your phone",
        on_phone="Scan this with your phone’s camera and add it to your wallet there.",
        on_phone_picture="Code that opens this page on your phone",
        at_till="At the till",
        no_wallet="No wallet? Show this barcode on the screen or printed.",
        barcode="Barcode to show at the till",
        code="Code",
        card_number="Card number",
        pin="PIN",
        show_pin="Show PIN",
        copy="Copy",
        copied="Copied",
        balance="Balance",
        valid_from="Valid from {date}",
        valid_until="Valid until {date}",
        details="Details",
        terms="Terms",
        partner="Redeem this with {organization}. It cannot be used at our own tills.",
        used="Already used",
        used_more="This voucher has been redeemed. Thank you for your visit.",
        spent="Nothing left on it",
        spent_more="The whole amount of this gift card has been used.",
        expired="Expired",
        expired_more="It was valid until {date}.",
        revoked="No longer valid",
        revoked_more="{organization} has withdrawn this voucher.",
        early="Not valid yet",
        early_more="You can use it from {date}, and add it to your wallet today.",
        uses_left="Uses left",
        inactive="Not activated yet",
        inactive_more="It can be used once it has been activated at the till.",
        blocked="Blocked at present",
        blocked_more="Please contact {organization}: they can tell you why.",
        paused="Not available at present",
        paused_more="Please keep it: it can be used again later.",
        set_title="Your vouchers",
        show="Show",
        get_voucher="Get my voucher",
        get_card="Get my gift card",
        offer_more="This offer is for you personally. One tap, and it is yours.",
        offer_until="Can be claimed until {date}",
        offer_ended="This offer has ended",
        offer_ended_more="We are sorry: it can no longer be claimed.",
        offer_changed="This offer has changed",
        offer_changed_more="This is what it is now. You have not claimed anything yet.",
        nothing="Nothing for you here at the moment",
        nothing_more="This offer does not apply to you right now. Thank you for your interest.",
        sold_out="All gone",
        sold_out_more="We are sorry: there is no voucher of this offer left.",
        not_found="This link does not work",
        not_found_more="Is it complete? Please open it again from the message in which you got it.",
        link_withdrawn="This link has been withdrawn",
        link_withdrawn_more="Please use the latest message you received from us.",
        google_later="Just a moment",
        google_later_more="Google Wallet is still being prepared. Please try again shortly.",
        busy="Just a moment",
        busy_more="We are very busy right now. Please try again in a minute.",
        fault="That went wrong",
        fault_more="The mistake is ours. Please try again later.",
        again="Try again",
        languages="Language",
    ),
    "fr": Words(
        name="Français",
        add_apple="Ajouter à Apple Wallet",
        add_google="Ajouter à Google Wallet",
        add_all_apple="Tout ajouter à Apple Wallet",
        add_all_google="Tout ajouter à Google Wallet",
        on_phone_title="Continuer sur votre téléphone",
        on_phone="Scannez ce code avec l’appareil photo de votre téléphone pour l’y ajouter.",
        on_phone_picture="Code qui ouvre cette page sur votre téléphone",
        at_till="En caisse",
        no_wallet="Pas de wallet ? Présentez ce code-barres à l’écran ou imprimé.",
        barcode="Code-barres à présenter en caisse",
        code="Code",
        card_number="Numéro de carte",
        pin="Code PIN",
        show_pin="Afficher le code PIN",
        copy="Copier",
        copied="Copié",
        balance="Solde",
        valid_from="Valable à partir du {date}",
        valid_until="Valable jusqu’au {date}",
        details="Détails",
        terms="Conditions",
        partner="À utiliser chez {organization}. Ce bon n’est pas accepté à nos propres caisses.",
        used="Déjà utilisé",
        used_more="Ce bon a été utilisé. Merci de votre visite.",
        spent="Solde épuisé",
        spent_more="Cette carte cadeau a été entièrement utilisée.",
        expired="Expiré",
        expired_more="Il était valable jusqu’au {date}.",
        revoked="Plus valable",
        revoked_more="{organization} a retiré ce bon.",
        early="Pas encore valable",
        early_more="Vous pourrez l’utiliser à partir du {date} et l’ajouter dès aujourd’hui.",
        uses_left="Utilisations restantes",
        inactive="Pas encore activée",
        inactive_more="Utilisable une fois activée en caisse.",
        blocked="Bloqué pour le moment",
        blocked_more="Contactez {organization} pour en connaître la raison.",
        paused="Indisponible pour le moment",
        paused_more="Conservez-le : il pourra de nouveau être utilisé plus tard.",
        set_title="Vos bons",
        show="Afficher",
        get_voucher="Obtenir mon bon",
        get_card="Obtenir ma carte cadeau",
        offer_more="Cette offre vous est réservée. Un geste suffit pour en profiter.",
        offer_until="À demander jusqu’au {date}",
        offer_ended="Cette offre est terminée",
        offer_ended_more="Nous sommes désolés : elle n’est plus disponible.",
        offer_changed="Cette offre a changé",
        offer_changed_more="Voici ce qu’elle est maintenant. Vous n’avez encore rien demandé.",
        nothing="Rien pour vous pour le moment",
        nothing_more="Cette offre ne s’applique pas à vous actuellement. Merci de votre intérêt.",
        sold_out="Tout est parti",
        sold_out_more="Nous sommes désolés : il ne reste plus de bon pour cette offre.",
        not_found="Ce lien ne fonctionne pas",
        not_found_more="Est-il complet ? Rouvrez-le depuis le message qui le contenait.",
        link_withdrawn="Ce lien a été retiré",
        link_withdrawn_more="Veuillez utiliser le dernier message que nous vous avons envoyé.",
        google_later="Un instant",
        google_later_more="Google Wallet est en préparation. Veuillez réessayer sous peu.",
        busy="Un instant",
        busy_more="Nous sommes très sollicités. Veuillez réessayer dans une minute.",
        fault="Une erreur est survenue",
        fault_more="L’erreur vient de nous. Veuillez réessayer plus tard.",
        again="Réessayer",
        languages="Langue",
    ),
    "de": Words(
        name="Deutsch",
        add_apple="Zu Apple Wallet hinzufügen",
        add_google="Zu Google Wallet hinzufügen",
        add_all_apple="Alle zu Apple Wallet hinzufügen",
        add_all_google="Alle zu Google Wallet hinzufügen",
        on_phone_title="Auf dem Handy weitermachen",
        on_phone="Scannen Sie dies mit der Kamera Ihres Handys und fügen Sie es dort hinzu.",
        on_phone_picture="Code, der diese Seite auf Ihrem Handy öffnet",
        at_till="An der Kasse",
        no_wallet="Kein Wallet? Zeigen Sie diesen Strichcode am Bildschirm oder gedruckt.",
        barcode="Strichcode zum Vorzeigen an der Kasse",
        code="Code",
        card_number="Kartennummer",
        pin="PIN",
        show_pin="PIN anzeigen",
        copy="Kopieren",
        copied="Kopiert",
        balance="Guthaben",
        valid_from="Gültig ab {date}",
        valid_until="Gültig bis {date}",
        details="Einzelheiten",
        terms="Bedingungen",
        partner="Einzulösen bei {organization}. An unseren eigenen Kassen gilt er nicht.",
        used="Bereits eingelöst",
        used_more="Dieser Gutschein wurde eingelöst. Danke für Ihren Besuch.",
        spent="Guthaben aufgebraucht",
        spent_more="Der ganze Betrag dieser Geschenkkarte wurde eingelöst.",
        expired="Abgelaufen",
        expired_more="Gültig war es bis {date}.",
        revoked="Nicht mehr gültig",
        revoked_more="{organization} hat diesen Gutschein zurückgezogen.",
        early="Noch nicht gültig",
        early_more="Einlösbar ab {date}; zum Wallet hinzufügen können Sie es schon heute.",
        uses_left="Noch einlösbar",
        inactive="Noch nicht aktiviert",
        inactive_more="Einlösbar, sobald die Karte an der Kasse aktiviert wurde.",
        blocked="Zurzeit gesperrt",
        blocked_more="Bitte wenden Sie sich an {organization}; dort erfahren Sie den Grund.",
        paused="Zurzeit nicht verfügbar",
        paused_more="Bitte behalten Sie ihn: Er kann später wieder eingelöst werden.",
        set_title="Ihre Gutscheine",
        show="Anzeigen",
        get_voucher="Meinen Gutschein holen",
        get_card="Meine Geschenkkarte holen",
        offer_more="Dieses Angebot gilt nur für Sie. Ein Tipp, und es gehört Ihnen.",
        offer_until="Abzuholen bis {date}",
        offer_ended="Dieses Angebot ist beendet",
        offer_ended_more="Es tut uns leid: Es kann nicht mehr angenommen werden.",
        offer_changed="Dieses Angebot hat sich geändert",
        offer_changed_more="So gilt es jetzt. Sie haben noch nichts abgeholt.",
        nothing="Im Moment ist hier nichts für Sie dabei",
        nothing_more="Dieses Angebot gilt derzeit nicht für Sie. Danke für Ihr Interesse.",
        sold_out="Alle vergeben",
        sold_out_more="Es tut uns leid: Von diesem Angebot ist kein Gutschein mehr übrig.",
        not_found="Dieser Link funktioniert nicht",
        not_found_more="Ist er vollständig? Bitte öffnen Sie ihn noch einmal aus Ihrer Nachricht.",
        link_withdrawn="Dieser Link wurde zurückgezogen",
        link_withdrawn_more="Bitte verwenden Sie die neueste Nachricht, die Sie von uns haben.",
        google_later="Einen Moment bitte",
        google_later_more="Google Wallet wird vorbereitet. Bitte gleich noch einmal versuchen.",
        busy="Einen Moment bitte",
        busy_more="Gerade ist viel los. Bitte versuchen Sie es in einer Minute noch einmal.",
        fault="Das hat nicht geklappt",
        fault_more="Der Fehler liegt bei uns. Bitte versuchen Sie es später noch einmal.",
        again="Noch einmal versuchen",
        languages="Sprache",
    ),
    "es": Words(
        name="Español",
        add_apple="Añadir a Apple Wallet",
        add_google="Añadir a Google Wallet",
        add_all_apple="Añadir todo a Apple Wallet",
        add_all_google="Añadir todo a Google Wallet",
        on_phone_title="Continuar en el móvil",
        on_phone="Escanee esto con la cámara de su móvil y añádalo allí.",
        on_phone_picture="Código que abre esta página en su móvil",
        at_till="En caja",
        no_wallet="¿Sin wallet? Muestre este código de barras en pantalla o impreso.",
        barcode="Código de barras para mostrar en caja",
        code="Código",
        card_number="Número de tarjeta",
        pin="PIN",
        show_pin="Mostrar PIN",
        copy="Copiar",
        copied="Copiado",
        balance="Saldo",
        valid_from="Válido desde el {date}",
        valid_until="Válido hasta el {date}",
        details="Detalles",
        terms="Condiciones",
        partner="Canjéelo en {organization}. No es válido en nuestras propias cajas.",
        used="Ya utilizado",
        used_more="Este cupón se ha canjeado. Gracias por su visita.",
        spent="Sin saldo",
        spent_more="Se ha utilizado todo el importe de esta tarjeta regalo.",
        expired="Caducado",
        expired_more="Era válido hasta el {date}.",
        revoked="Ya no es válido",
        revoked_more="{organization} ha retirado este cupón.",
        early="Aún no es válido",
        early_more="Podrá utilizarlo desde el {date} y añadirlo a su wallet hoy mismo.",
        uses_left="Usos restantes",
        inactive="Sin activar",
        inactive_more="Podrá utilizarla cuando se active en caja.",
        blocked="Bloqueado por el momento",
        blocked_more="Póngase en contacto con {organization} para saber el motivo.",
        paused="No disponible por el momento",
        paused_more="Consérvelo: podrá utilizarse de nuevo más adelante.",
        set_title="Sus cupones",
        show="Mostrar",
        get_voucher="Obtener mi cupón",
        get_card="Obtener mi tarjeta regalo",
        offer_more="Esta oferta es personal. Con un toque será suya.",
        offer_until="Disponible hasta el {date}",
        offer_ended="Esta oferta ha terminado",
        offer_ended_more="Lo sentimos: ya no se puede aceptar.",
        offer_changed="Esta oferta ha cambiado",
        offer_changed_more="Así es ahora. Todavía no ha aceptado nada.",
        nothing="De momento no hay nada para usted",
        nothing_more="Esta oferta no es para usted en este momento. Gracias por su interés.",
        sold_out="Agotado",
        sold_out_more="Lo sentimos: ya no quedan cupones de esta oferta.",
        not_found="Este enlace no funciona",
        not_found_more="¿Está completo? Ábralo de nuevo desde el mensaje en que lo recibió.",
        link_withdrawn="Este enlace se ha retirado",
        link_withdrawn_more="Utilice el último mensaje que haya recibido de nuestra parte.",
        google_later="Un momento",
        google_later_more="Google Wallet aún se está preparando. Inténtelo de nuevo enseguida.",
        busy="Un momento",
        busy_more="Ahora hay mucha demanda. Inténtelo de nuevo en un minuto.",
        fault="Algo ha fallado",
        fault_more="El error es nuestro. Inténtelo de nuevo más tarde.",
        again="Intentar de nuevo",
        languages="Idioma",
    ),
}
