"""ALTCHA: proof of work that the shop hosts itself. No other site is asked, nothing is collected, nobody types anything.

Always true: a challenge is signed with keys of the shop's own and says whose order of what it is for, how hard it is and until
when it serves; answers are checked without doing the work again.
"""

from kashop.bundled.captcha_altcha.pages import PAGES, SCRIPT
from kashop.bundled.captcha_altcha.proof import Altcha
from kashop.plugins.api import CaptchaType, Page, _, hookimpl

KASHOP_PLUGIN = {"id": "captcha_altcha", "name": "ALTCHA", "version": "1.0.0", "plugin_api": 1}


@hookimpl
def register_captchas() -> list[CaptchaType]:
    """The captcha `altcha`."""
    return [CaptchaType(name="altcha", label=_("ALTCHA (proof of work, self-hosted)"), make=Altcha, script=SCRIPT)]


@hookimpl
def register_pages() -> list[Page]:
    """Its script and the worker that computes."""
    return PAGES
