r"""Keyboard layouts: what a host makes of the keys that a scanner presses.

A scanner that types ("keyboard wedge") presses the keys of a US keyboard; which characters arrive
is decided by the layout that its host is set to. Each layout here is what its four rows give
without and with shift, key by key in the order of `_KEYS`; `\0` is a key that gives nothing by
itself (a dead one). Sources: the layouts of Windows, macOS (French) and X.Org's xkeyboard-config.
"""

from __future__ import annotations

from itertools import chain

#: The keys of a US keyboard, from left to right: without shift, then with it.
_KEYS = (
    "`1234567890-=qwertyuiop[]asdfghjkl;'zxcvbnm,./",
    '~!@#$%^&*()_+QWERTYUIOP{}ASDFGHJKL:"ZXCVBNM<>?',
)

_QWERTY = ("qwertyuiop[]asdfghjkl;'zxcvbnm,./", 'QWERTYUIOP{}ASDFGHJKL:"ZXCVBNM<>?')

_LAYOUTS: dict[str, tuple[str, str]] = {
    "German (QWERTZ)": (
        "^1234567890ß´qwertzuiopü+asdfghjklöäyxcvbnm,.-",
        '°!"§$%&/()=?`QWERTZUIOPÜ*ASDFGHJKLÖÄYXCVBNM;:_',
    ),
    "Swiss (QWERTZ)": (
        "§1234567890'^qwertzuiopè¨asdfghjkléàyxcvbnm,.-",
        '°+"*ç%&/()=?`QWERTZUIOPü!ASDFGHJKLöäYXCVBNM;:_',
    ),
    "French (AZERTY)": (
        "²&é\"'(-è_çà)=azertyuiop^$qsdfghjklmùwxcvbn,;:!",
        "\x001234567890°+AZERTYUIOP¨£QSDFGHJKLM%WXCVBN?./§",
    ),
    "Belgian (AZERTY)": (
        "²&é\"'(§è!çà)-azertyuiop^$qsdfghjklmùwxcvbn,;:=",
        "³1234567890°_AZERTYUIOP¨*QSDFGHJKLM%WXCVBN?./+",
    ),
    "French (AZERTY, NF Z71-300)": (
        "@àéèê()‘’«»'^azertyuiop-+qsdfghjklm/wxcvbn.,:;",
        '#1234567890"¨AZERTYUIOP–±QSDFGHJKLM\\WXCVBN?!…=',
    ),
    "Czech (QWERTZ)": (
        ";+ěščřžýáíé=´qwertzuiopú)asdfghjklů§yxcvbnm,.-",
        '°1234567890%ˇQWERTZUIOP/(ASDFGHJKL"!YXCVBNM?:_',
    ),
    "Slovak (QWERTZ)": (
        ";+ľščťžýáíé=´qwertzuiopúäasdfghjklô§yxcvbnm,.-",
        '°1234567890%ˇQWERTZUIOP/(ASDFGHJKL"!YXCVBNM?:_',
    ),
    "Hungarian (QWERTZ)": (
        "0123456789öüóqwertzuiopőúasdfghjkléáyxcvbnm,.-",
        "§'\"+!%/=()ÖÜÓQWERTZUIOPŐÚASDFGHJKLÉÁYXCVBNM?:_",
    ),
    "Spanish": (
        "º1234567890'¡qwertyuiop`+asdfghjklñ´zxcvbnm,.-",
        'ª!"·$%&/()=?¿QWERTYUIOP^*ASDFGHJKLÑ¨ZXCVBNM;:_',
    ),
    "Lithuanian": (
        "`ąčęėįšųū90-ž" + _QWERTY[0],
        "~ĄČĘĖĮŠŲŪ()_Ž" + _QWERTY[1],
    ),
    "Turkish Q": (
        '"1234567890*-qwertyuıopğüasdfghjklşizxcvbnmöç.',
        "é!'^+%&/()=?_QWERTYUIOPĞÜASDFGHJKLŞİZXCVBNMÖÇ:",
    ),
    "Turkish F": (
        "+1234567890/-fgğıodrnhpqwuieaütkmlyşjövcçzsb.,",
        "*!\"^$%&'()=?_FGĞIODRNHPQWUİEAÜTKMLYŞJÖVCÇZSB:;",
    ),
    "Greek": (
        "`1234567890-=;ςερτυθιοπ[]ασδφγηξκλ\0'ζχψωβνμ,./",
        '~!@#$%^&*()_+:\0ΕΡΤΥΘΙΟΠ{}ΑΣΔΦΓΗΞΚΛ\0"ΖΧΨΩΒΝΜ<>?',
    ),
    "Russian": (
        "ё1234567890-=йцукенгшщзхъфывапролджэячсмитьбю.",
        'Ё!"№;%:?*()_+ЙЦУКЕНГШЩЗХЪФЫВАПРОЛДЖЭЯЧСМИТЬБЮ,',
    ),
    "Ukrainian": (
        "'1234567890-=йцукенгшщзхїфівапролджєячсмитьбю.",
        '\0!"№;%:?*()_+ЙЦУКЕНГШЩЗХЇФІВАПРОЛДЖЄЯЧСМИТЬБЮ,',
    ),
    "Dvorak": (
        "`1234567890[]',.pyfgcrl/=aoeuidhtns-;qjkxbmwvz",
        '~!@#$%^&*(){}"<>PYFGCRL?+AOEUIDHTNS_:QJKXBMWVZ',
    ),
    "Colemak": (
        "`1234567890-=qwfpgjluy;[]arstdhneio'zxcvbkm,./",
        '~!@#$%^&*()_+QWFPGJLUY:{}ARSTDHNEIO"ZXCVBKM<>?',
    ),
    "French (BÉPO)": (
        "$\"«»()@+-/*=%bépoè\0vdljzwauie,ctsrnmàyx.k'qghf",
        "#1234567890°`BÉPOÈ!VDLJZWAUIE;CTSRNMÀYX:K?QGHF",
    ),
}


def _table(plain: str, shifted: str) -> dict[int, str]:
    """A layout's `str.translate` table, to what a US keyboard has on the same keys."""
    table: dict[int, str] = {}
    for given, key in chain(zip(plain, _KEYS[0], strict=True), zip(shifted, _KEYS[1], strict=True)):
        table.setdefault(ord(given), key)
    # Of a key of a digit that digit is meant, whichever of the two rows has digits.
    for given, key in zip(shifted[_DIGITS], _KEYS[0][_DIGITS], strict=True):
        if given.isdigit():
            table[ord(given)] = key
    # Caps lock is a shift of letters on one system and of every key on another.
    for typed, key in list(table.items()):
        for other in (chr(typed).upper(), chr(typed).lower()):
            if len(other) == 1:
                table.setdefault(ord(other), key)
    table.pop(0, None)
    return table


_DIGITS = slice(1, 11)
#: For each layout: of the characters that it types, what a US keyboard has on the same keys.
TABLES = {name: _table(plain, shifted) for name, (plain, shifted) in _LAYOUTS.items()}
#: The layouts that have no digit on any key without shift, so that a scanner types none.
DIGITLESS = tuple(
    name
    for name, (plain, _) in _LAYOUTS.items()
    if not any("0" <= each <= "9" for each in plain[_DIGITS][:8])
)
#: What the digits are with shift, where caps lock shifts every key or a layout was taken for ours.
UNSHIFTED = str.maketrans(_KEYS[1][_DIGITS], _KEYS[0][_DIGITS])
