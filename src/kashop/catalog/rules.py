"""What a product may look like, what a line costs, what a buyer may answer. Pure."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

import msgspec

from kashop.catalog.types import BuyerField, ProductDraft, SkuDraft, Tier
from kashop.lib import money, patterns
from kashop.lib.errors import FieldError, Invalid
from kashop.lib.text import is_email, is_phone, is_plain

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?", re.ASCII)
FIELD_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
FIELD_KINDS = ("text", "number", "email", "phone", "select", "checkbox")
CONTACT_TYPES = ("email", "phone", "qq", "any", "none")
STOCK_DISPLAYS = ("exact", "level", "hidden")
MAX_QUANTITY = 1000

_MESSAGE = "Please correct the marked fields."


def unit_price(price_minor: int, tiers: Sequence[Tier], quantity: int) -> int:
    """What each one costs when `quantity` are bought: the price of the highest tier reached."""
    reached = [t for t in tiers if quantity >= t.min_quantity]
    return max(reached, key=lambda t: t.min_quantity).price_minor if reached else price_minor


def parse_tiers(text: str, currency: str) -> tuple[tuple[int, int], ...]:
    """`10=51.9;50=51.5` → ((10, 5190), (50, 5150)). Raises Invalid for `tiers`."""
    tiers = []
    for part in filter(None, (p.strip() for p in re.split(r"[;\n]", text))):
        quantity, _, price = part.partition("=")
        if not (quantity.strip().isascii() and quantity.strip().isdigit() and len(quantity) < 6):
            raise Invalid.of("tiers", "Write tiers as quantity=price, such as 10=51.90;50=51.50.")
        tiers.append((int(quantity), money.parse(price, currency, field="tiers")))
    return tuple(tiers)


def checked_product(draft: ProductDraft) -> ProductDraft:
    """The draft with its texts trimmed. Raises Invalid naming every wrong field."""
    draft = msgspec.structs.replace(draft, slug=draft.slug.strip(), name=draft.name.strip(), summary=draft.summary.strip())
    wrong = [
        FieldError(field, message)
        for is_right, field, message in (
            (SLUG.fullmatch(draft.slug), "slug", "Use 1 to 64 small letters, digits and hyphens."),
            (0 < len(draft.name) <= 120, "name", "Write a name of 1 to 120 characters."),
            (len(draft.summary) <= 200, "summary", "Use 200 characters at most."),
            (len(draft.description) <= 50_000, "description", "Use 50000 characters at most."),
            (len(draft.instructions) <= 20_000, "instructions", "Use 20000 characters at most."),
            (draft.delivery in ("auto", "manual"), "delivery", "Choose auto or manual."),
            (draft.contact_type in CONTACT_TYPES, "contact_type", "Choose one of the values on offer."),
            (
                draft.lookup_password in ("optional", "required"),
                "lookup_password",
                "Choose one of the values on offer.",
            ),
            (draft.stock_display in STOCK_DISPLAYS, "stock_display", "Choose one of the values on offer."),
            (1 <= draft.hold_minutes <= 1440, "hold_minutes", "Write minutes from 1 to 1440."),
            (abs(draft.position) <= 1_000_000, "position", "Write a number from -1000000 to 1000000."),
            (is_plain(draft.name + draft.summary), "name", "Control characters are not allowed."),
            (len(draft.fields) <= 20, "fields", "Ask 20 questions at most."),
        )
        if not is_right
    ]
    wrong += [error for field in draft.fields for error in _wrong_with_field(field)]
    if len({f.name for f in draft.fields}) < len(draft.fields):
        wrong.append(FieldError("fields", "Two questions have the same name."))
    if wrong:
        raise Invalid(_MESSAGE, fields=wrong)
    return draft


def checked_sku(draft: SkuDraft, *, slug: str) -> SkuDraft:
    """The draft with its code filled in and its tiers in order. Raises Invalid naming every wrong field."""
    tiers = tuple(sorted(draft.tiers))
    code = draft.sku_code.strip() or slug
    draft = msgspec.structs.replace(draft, sku_code=code, name=draft.name.strip(), tiers=tiers)
    prices = [draft.price_minor, *(price for _, price in tiers)]
    wrong = [
        FieldError(field, message)
        for is_right, field, message in (
            (SLUG.fullmatch(code), "sku_code", "Use 1 to 64 small letters, digits and hyphens."),
            (len(draft.name) <= 120 and is_plain(draft.name), "name", "Use 120 characters at most."),
            (
                0 <= draft.price_minor <= money.MAX_MINOR // MAX_QUANTITY,
                "price",
                "The price is out of range.",
            ),
            (0 <= draft.cost_minor <= money.MAX_MINOR // MAX_QUANTITY, "cost", "The cost is out of range."),
            (draft.is_free or min(prices) > 0, "price", "A price of 0 needs the free mark."),
            (
                1 <= draft.min_quantity <= draft.max_quantity,
                "min_quantity",
                "Write a number from 1 to the most per order.",
            ),
            (draft.max_quantity <= MAX_QUANTITY, "max_quantity", "Write a number up to 1000."),
            (0 <= draft.low_stock_line <= 10**9, "low_stock_line", "Write a number of 0 or more."),
            (
                all(1 < q <= MAX_QUANTITY for q, _ in tiers),
                "tiers",
                "A tier begins at 2 or more, up to 1000.",
            ),
            (all(a[0] < b[0] for a, b in pairwise(tiers)), "tiers", "Two tiers begin at the same quantity."),
            (min(prices) >= 0, "tiers", "A tier's price is out of range."),
        )
        if not is_right
    ]
    if wrong:
        raise Invalid(_MESSAGE, fields=wrong)
    return draft


def _wrong_with_field(field: BuyerField) -> list[FieldError]:
    wrong = []
    if not FIELD_NAME.fullmatch(field.name):
        wrong.append(FieldError("fields", "A question's name has small letters, digits and underscores."))
    if field.kind not in FIELD_KINDS or not 1 <= field.max_length <= 2000 or not 0 < len(field.label) <= 100:
        wrong.append(FieldError("fields", "A question needs a label, a known kind and a length up to 2000."))
    if (field.kind == "select") != bool(field.choices):
        wrong.append(FieldError("fields", "A selection needs choices, and only a selection has them."))
    if len(field.pattern) > 200:
        wrong.append(FieldError("fields", "A question's pattern is too long."))
    elif field.pattern and not patterns.compiles(field.pattern):
        wrong.append(FieldError("fields", "A question's pattern is not a regular expression."))
    elif field.pattern and not patterns.is_quick(field.pattern, max(1, min(field.max_length, 2000))):
        wrong.append(FieldError("fields", "A question's pattern can take too long: use fewer + and *, or a shorter answer."))
    return wrong


@lru_cache(maxsize=1024)
def questions(fields: str) -> tuple[BuyerField, ...]:
    """What a product asks its buyer, from its row's text."""
    return msgspec.json.decode(fields, type=tuple[BuyerField, ...])


def checked_answers(fields: Sequence[BuyerField], answers: Mapping[str, str]) -> tuple[dict[str, str], list[FieldError]]:
    """The buyer's answers to a product's questions, and every complaint, as `fields.<name>`. Unknown answers are complaints."""
    kept: dict[str, str] = {}
    wrong = [FieldError(f"fields.{name}", "There is no such question.") for name in answers.keys() - {f.name for f in fields}]
    for field in fields:
        answer = answers.get(field.name, "").strip()
        message = _wrong_with_answer(field, answer)
        if message:
            wrong.append(FieldError(f"fields.{field.name}", message))
        elif answer:
            kept[field.name] = answer
    return kept, wrong


def _wrong_with_answer(field: BuyerField, answer: str) -> str:
    if not answer:
        return "This is needed." if field.is_required else ""
    if len(answer) > field.max_length:
        return "This is too long."
    if not is_plain(answer):
        return "Control characters are not allowed."
    if field.kind == "number" and not (answer.isascii() and answer.isdigit()):
        return "Write digits only."
    if field.kind == "email" and not is_email(answer):
        return "This is not an e-mail address."
    if field.kind == "phone" and not is_phone(answer):
        return "This is not a phone number."
    if field.kind == "select" and answer not in field.choices:
        return "Choose one of the values on offer."
    if field.kind == "checkbox" and answer not in ("1", "on", "true"):
        return "Choose one of the values on offer."
    if field.pattern and not re.fullmatch(field.pattern, answer):
        return "This does not have the form that is asked for."
    return ""
