"""The one table of what notices say. To tell something new, add a row here and its Chinese words."""

from kashop.notices.types import Text

_FACTOR = {
    "totp.enabled": "The app that makes log-in codes was set up",
    "totp.disabled": "The app that makes log-in codes was removed",
    "totp.reset": "The second step was reset by an owner",
    "recovery.made": "New recovery codes were made",
    "recovery.used": "A recovery code was used",
}
_ROLE = {
    "owner": "Owner",
    "manager": "Manager",
    "stock": "Stock keeper",
    "support": "Support",
    "finance": "Finance",
    "auditor": "Auditor",
}

_WHY_SEALED = {"start": "the shop was started", "asked": "somebody asked for it", "alarm": "an alarm"}

_WHY_UNUSUAL = {"again": "the second file within a minute", "night": "at night", "day": "very many within 24 hours"}

TEXTS: dict[str, Text] = {
    t.about: t
    for t in (
        Text(
            about="notice.test",
            title="A test",
            sentence="If you read this, the shop {shop} can reach you.",
        ),
        Text(
            about="notice.given_up",
            title="A notice could not be delivered",
            sentence="The shop gave up on {what} over the channel {channel}: {problem}. Look at Notices in the panel.",
            is_shop_wide=True,
            page="/admin/notices",
            words={"webhook": "Webhook", "file": "File", "mail": "Mail"},
        ),
        Text(
            about="login.suspicious",
            title="An unusual log-in",
            sentence="Somebody logged in as {email} from {ip}, with a browser that this account has not used before. "
            "If it was not you, change your password and end the other sessions.",
            page="/admin/account",
        ),
        Text(
            about="factor.changed",
            title="Your log-in was changed",
            sentence="{what}: {email}. If it was not you, tell the owner of the shop at once.",
            page="/admin/account",
            words=_FACTOR,
        ),
        Text(
            about="password.reset",
            title="Set a new password",
            sentence="Somebody asked for a new password for {email}. Open this link within {minutes} minutes to set one: {link} "
            "If it was not you, do nothing.",
            secrets=("link",),
        ),
        Text(
            about="password.changed",
            title="Your password was changed",
            sentence="The password of {email} was changed. If it was not you, tell the owner of the shop at once.",
            page="/admin/account",
        ),
        Text(
            about="staff.invited",
            title="You are invited to work at {shop}",
            sentence="{by} invites you as {role}. Open this link within {hours} hours to set your password: {link}",
            secrets=("link",),
            words=_ROLE,
        ),
        Text(
            about="vault.alarm",
            title="Alarm: a seal in the vault was broken",
            sentence="A sealed code or key does not open where it stands ({where}). Somebody may have changed the database. "
            "The order concerned is on the exceptions desk; nothing was delivered.",
            is_shop_wide=True,
            page="/admin/exceptions",
        ),
        Text(
            about="vault.sealed",
            title="The vault is sealed",
            sentence="The shop sells and takes money, and deliveries wait until somebody unseals the vault. Why: {why}.",
            is_shop_wide=True,
            page="/admin",
            words=_WHY_SEALED,
        ),
        Text(
            about="export.asked",
            title="Somebody asks to export codes",
            sentence="{by} asks to export {count} codes: {reason}. Somebody else has to approve it.",
            is_shop_wide=True,
            page="/admin/approvals",
        ),
        Text(
            about="reveal.asked",
            title="Somebody asks to see codes",
            sentence="{by} asks to see {count} codes: {reason}. Somebody else has to approve it.",
            is_shop_wide=True,
            page="/admin/approvals",
        ),
        Text(
            about="export.unusual",
            title="Codes were taken out in an unusual way",
            sentence="{by} revealed or exported {count} codes: {why}. If you do not know why, ask, and look at the audit.",
            is_shop_wide=True,
            page="/admin/approvals",
            words=_WHY_UNUSUAL,
        ),
        Text(
            about="audit.checkpoint",
            title="Audit checkpoint {size}",
            sentence="Keep this: with it anybody can show later that the shop's history was not cut or changed.\n\n{note}",
            is_shop_wide=True,
        ),
        Text(
            about="codes.low",
            title="Stock is low: {product}",
            sentence="{product} has {left} codes left.",
            is_shop_wide=True,
            page="/admin/stock",
        ),
    )
}


def text_of(about: str) -> Text:
    """What a kind of notice says; of a kind without a row, its bare name, since an alarm must never be lost for want of words."""
    return TEXTS.get(about) or Text(about=about, title="{about}", sentence="{about}", is_shop_wide=True)
