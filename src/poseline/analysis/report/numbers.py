"""Numbers as a reader is shown them: rounded to what their uncertainty allows, in words that break nowhere.

The uncertainty keeps one digit, or two where they are below 36 (so that 0.14 does not become 0.1), and the number ends
at the same decimal place.
"""

from __future__ import annotations

from math import floor, isfinite, log10

from poseline.analysis.event import Quantity

MISSING = "\N{EN DASH}"
"""Where there is no number."""
_THIN = "\N{NARROW NO-BREAK SPACE}"
_UNITS = {"deg": "°", "1/min": f"{_THIN}/min", "": "", "%": f"{_THIN}%"}
"""How units are written; others follow the number as they are."""
_TWO_DIGITS = 0.355
"""Share of the next power of ten below which an uncertainty keeps two digits."""
_UNSURE_DIGITS = 2
"""Significant digits of a number whose uncertainty is not known."""


def with_unit(value: float, sigma: float, unit: str) -> str:
    """Such as `93 ± 12°`; `≈ 93°` where the uncertainty is not known, a dash where the value is not."""
    if not isfinite(value):
        return MISSING
    after = _UNITS.get(unit, f"{_THIN}{unit}")
    if not (isfinite(sigma) and sigma > 0):
        return f"≈{_THIN}{_signed(value, _place(value, _UNSURE_DIGITS))}{after}"
    place = place_of(sigma)
    return f"{_signed(value, place)} ±{_THIN}{_fixed(sigma, place)}{after}"


def quantity(given: Quantity) -> str:
    """A measured quantity; shares are told in per cent, statures as such."""
    if given.unit == "":
        return with_unit(100 * given.value, 100 * given.sigma, "%")
    return with_unit(given.value, given.sigma, given.unit)


def finely(value: float, sigma: float, unit: str) -> str:
    """A number by itself, to one decimal place more than an uncertainty of `sigma` allows."""
    factor, shown = (100.0, "%") if unit == "" else (1.0, unit)
    place = 1 + place_of(factor * sigma) if isfinite(sigma) and sigma > 0 else _place(factor * value, _UNSURE_DIGITS)
    return f"{_signed(factor * value, place)}{_UNITS.get(shown, f'{_THIN}{shown}')}"


def place_of(sigma: float) -> int:
    """The decimal place at which a number of this uncertainty ends: 1 for tenths, 0 for ones, -1 for tens."""
    power = floor(log10(sigma)) + 1
    two = sigma / 10**power < _TWO_DIGITS
    return 2 - power if two else 1 - power


def percent(share: float) -> str:
    """A share of frames or points; what is not nothing is not told as 0 %, nor what is not all as 100 %."""
    if not isfinite(share):
        return MISSING
    if 0 < share < 0.005:
        return f"below 1{_THIN}%"
    if 0.995 <= share < 1:
        return f"above 99{_THIN}%"
    return f"{100 * share:.0f}{_THIN}%"


def seconds(value: float) -> str:
    """A time of the clip, to a hundredth of a second; minutes where there are any."""
    if not isfinite(value):
        return MISSING
    if value < 60:
        return f"{value:.2f}{_THIN}s"
    minutes, rest = divmod(round(value, 2), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:05.2f}{_THIN}h" if hours else f"{minutes}:{rest:05.2f}{_THIN}min"


def _place(value: float, digits: int) -> int:
    return digits - 1 - floor(log10(abs(value))) if value else 0


def _fixed(value: float, place: int) -> str:
    rounded = round(value, place)
    return f"{rounded:.{max(0, place)}f}"


def _signed(value: float, place: int) -> str:
    """With a real minus sign, and none before zero."""
    text = _fixed(value, place)
    return text.lstrip("-") if not float(text) else text.replace("-", "\N{MINUS SIGN}")
