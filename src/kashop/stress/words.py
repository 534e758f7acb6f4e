"""The report's texts in both languages at once: it is one file, which whoever it is shown to reads in his own."""

from kashop.lib.catalogue import DEFAULT_LOCALE, SOURCE_LOCALE, translations


def both(text: str, **params: object) -> dict[str, str]:
    """A msgid in English and in Chinese, its places filled."""
    return {"en": translations(SOURCE_LOCALE).say(text, params), "zh": translations(DEFAULT_LOCALE).say(text, params)}
