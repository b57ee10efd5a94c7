"""The words in dates: months and weekdays in many languages, halves of the day, time zones."""

from __future__ import annotations

import itertools
import unicodedata
from functools import lru_cache

_MONTHS = """
january february march april may june july august september october november december
januar februar märz april mai juni juli august september oktober november dezember
jänner feber marz april mai juni juli august sept okt nov dez
janvier février mars avril mai juin juillet août septembre octobre novembre décembre
enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre
janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro
januari februari maart april mei juni juli augustus september oktober november december
januar februar marts april maj juni juli august september oktober november december
januari februari mars april maj juni juli augusti september oktober november december
januar februar mars april mai juni juli august september oktober november desember
styczeń luty marzec kwiecień maj czerwiec lipiec sierpień wrzesień październik listopad grudzień
stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia
leden únor březen duben květen červen červenec srpen září říjen listopad prosinec
ledna února března dubna května června července srpna září října listopadu prosince
január február március április május június július augusztus szeptember október november december
ianuarie februarie martie aprilie mai iunie iulie august septembrie octombrie noiembrie decembrie
ocak şubat mart nisan mayıs haziran temmuz ağustos eylül ekim kasım aralık
január február marec apríl máj jún júl august september október november december
januari februari maret april mei juni juli agustus september oktober november desember
январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь декабрь
января февраля марта апреля мая июня июля августа сентября октября ноября декабря
січень лютий березень квітень травень червень липень серпень вересень жовтень листопад грудень
січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня
ιανουαριου φεβρουαριου μαρτιου απριλιου μαιου ιουνιου ιουλιου αυγουστου σεπτεμβριου οκτωβριου νοεμβριου δεκεμβριου
"""  # noqa: E501 (a line a language)
_WEEKDAYS = """
mon tue wed thu fri sat sun mo di mi do fr sa so die mit don fre sam son lun mar mer mie jeu jue ven vie dim
sab dom gio dins woe zat zon ter qua qui sex seg mo, di,
"""
_ZONES = """
HST -10 AKST -9 AKDT -8 PST -8 PDT -7 MST -7 MDT -6 CST -6 CDT -5 EST -5 EDT -4 WET 0 WEST 1 CET 1 MEZ 1
CEST 2 MESZ 2 EET 2 EEST 3 MSK 3 HKT 8 AWST 8 JST 9 KST 9 AEST 10 AEDT 11 NZST 12 NZDT 13
"""
_HOURS_AHEAD = dict(zip(_ZONES.split()[::2], map(int, _ZONES.split()[1::2]), strict=True))
ZONE = rf"(?:[Zz]|UTC|GMT|{'|'.join(_HOURS_AHEAD)}|[+-][0-9]{{2}}:?(?:[0-9]{{2}})?)"
"""A time zone after a time, as a regular expression."""


def _plain_word(word: str) -> str:
    letters = unicodedata.normalize("NFKD", word.lower().removesuffix("."))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def is_weekday(word: str) -> bool:
    """Whether a text begins with the name of a weekday.

    >>> is_weekday("Tue, 18 May"), is_weekday("18 May")
    (True, False)
    """
    return _plain_word(word[:3]) in _WEEKDAYS.split()


@lru_cache(maxsize=1)
def _known_months() -> tuple[tuple[str, int], ...]:
    names = map(_plain_word, _MONTHS.split())
    return tuple(zip(names, itertools.cycle(range(1, 13)), strict=False))


@lru_cache(maxsize=1024)
def month_number(word: str) -> int:
    """The number of a month that is named in full or by its first letters; 0 for none or several.

    >>> month_number("Sept."), month_number("мая"), month_number("červen"), month_number("ju")
    (9, 5, 6, 0)
    """
    plain = _plain_word(word)
    found = {number for name, number in _known_months() if name == plain}
    if not found and len(plain) >= 3:
        found = {number for name, number in _known_months() if name.startswith(plain)}
    return found.pop() if len(found) == 1 else 0


def seconds_ahead(word: str) -> int:
    """The seconds that a zone is ahead of UTC.

    >>> seconds_ahead("+0530"), seconds_ahead("EST"), seconds_ahead("Z")
    (19800, -18000, 0)
    """
    if word[:1] not in ("+", "-"):
        return 3600 * _HOURS_AHEAD.get(word, 0)
    digits = word[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:] or 0) * 60
    return -seconds if word[0] == "-" else seconds
