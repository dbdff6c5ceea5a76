"""Times of a film as a person reads them."""

from fractions import Fraction


def timecode(seconds: Fraction) -> str:
    """`1:02:03.456`, or `2:03.456` below an hour."""
    milliseconds = round(seconds * 1000)
    sign, milliseconds = ("-", -milliseconds) if milliseconds < 0 else ("", milliseconds)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{sign}{clock}:{rest // 1000:02d}.{rest % 1000:03d}"
