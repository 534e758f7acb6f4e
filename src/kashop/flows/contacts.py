"""How a buyer says where he is found again: his contact and his look-up password, held against what the products ask for."""

from collections.abc import Sequence

from kashop.catalog.types import Offer
from kashop.lib.errors import FieldError
from kashop.lib.text import is_email, is_phone, is_plain, is_qq

_CONTACTS = {
    "email": (is_email, "This is not an e-mail address."),
    "phone": (is_phone, "This is not a phone number."),
    "qq": (is_qq, "This is not a QQ number."),
}


def wrong_contact(contact_type: str, contact: str, password: str, offers: Sequence[Offer]) -> list[FieldError]:
    """What is wrong with them, by field."""
    wrong = []
    wanted = {o.product.contact_type for o in offers}
    needed = bool(wanted - {"none"})
    if contact_type not in (*_CONTACTS, "any", "none"):
        wrong.append(FieldError("contact.type", "Choose one of the values on offer."))
    kinds = (wanted & _CONTACTS.keys()) | ({contact_type} & _CONTACTS.keys())
    if needed and not contact.strip():
        wrong.append(FieldError("contact", "This is needed."))
    elif len(contact) > 254:
        wrong.append(FieldError("contact", "This is too long."))
    elif not is_plain(contact):
        wrong.append(FieldError("contact", "Control characters are not allowed."))
    elif contact.strip():
        wrong += [FieldError("contact", _CONTACTS[k][1]) for k in sorted(kinds) if not _CONTACTS[k][0](contact.strip())]
    if not password and any(_asks_password(o) for o in offers):
        wrong.append(FieldError("lookup_password", "This is needed."))
    if password and not 4 <= len(password) <= 64:
        wrong.append(FieldError("lookup_password", "Use 4 to 64 characters."))
    return wrong


def _asks_password(offer: Offer) -> bool:
    return offer.product.lookup_password == "required"  # noqa: S105 - a rule about passwords, not one
