"""The one table of what notices say. To tell something new, add a row here and its Chinese words."""

from kashop.notices.types import Text

PROBLEMS = {
    "not_set_up": "This channel was not set up within a day.",
    "no_such_host": "No name server knows this host: check its spelling.",
    "not_public": "The address leads into a private network: if that is meant, name it under private_networks in kashop.toml.",
    "no_connection": "No connection: check host and port, and whether a firewall is between.",
    "too_slow": "No answer in time: check host and port, and whether a firewall is between.",
    "bad_certificate": "The server's certificate is not trusted or is for another name: check the host's spelling.",
    "wrong_security": "The server does not speak TLS there: try STARTTLS with port 587, or TLS with port 465.",
    "no_starttls": "The server offers no STARTTLS: try TLS with port 465.",
    "password_in_clear": "The password is not sent without encryption: choose STARTTLS or TLS, or empty the user name.",
    "wrong_login": "The server does not accept user name and password; some want an authorisation code. It said: {detail}",
    "sender_refused": "The server does not take mail from this sender address. It said: {detail}",
    "recipient_refused": "The server does not take mail for this recipient. It said: {detail}",
    "mail_refused": "The server did not take the mail. It said: {detail}",
    "bad_answer": "The receiver answered {detail}: it must answer 2xx.",
    "too_large": "The receiver's answer is longer than 64 KB: it must be short.",
    "gone": "The receiver answered 410: it wants no more notices. Check the webhook address.",
    "file": "The file cannot be written: {detail}",
    "file_inside": "The file stands in the data directory: choose a place outside.",
    "secret_gone": "Its link was dropped when it was given up: make a new one.",
    "broken_seal": "What was sealed in it does not open: it is another shop's, or was changed.",
    "setting_seal": "The stored password or key does not open: set it again.",
    "unexpected": "Something went wrong on our side ({detail}): the server's log tells more.",
}
"""Why a try failed and what to do, by the short word that is stored."""

_FACTOR = {
    "enrolled": "One-time codes were set up for your log-in",
    "recovery_codes": "New recovery codes were made for your log-in",
    "removed": "One-time codes were taken away from your log-in",
    "reset": "Whoever runs the server took one-time codes away from your log-in",
    "recovery_used": "A recovery code was used to prove that it is you",
}
_SUSPICION = {
    "new_place": "a log-in from a browser and a network that are new to this account",
    "failures": "many wrong passwords",
    "codes": "the right password, but wrong one-time codes",
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
            words={"webhook": "Webhook", "file": "File"} | PROBLEMS,
        ),
        Text(
            about="login.suspicious",
            title="Unusual log-ins of {account}",
            sentence="Account {account}: {kind}, from {ip} ({user_agent}). "
            "If this was not you, change your password and end the other sessions.",
            page="/admin/account",
            words=_SUSPICION,
        ),
        Text(
            about="factor.changed",
            title="Your log-in was changed",
            sentence="{change}. If this was not you, tell the owner of the shop at once.",
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
            about="supplier.registered",
            title="A supplier's key waits to be confirmed",
            sentence="A key was registered for {name}. Compare its fingerprint with him by telephone or face to face, then "
            "confirm it: until then nothing is taken that it signs.",
            is_shop_wide=True,
            page="/admin/suppliers",
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
            about="refund.asked",
            title="Somebody asks to send money back",
            sentence="{by} asks to send back {amount} of the order {order}: {reason}. Somebody else has to approve it.",
            is_shop_wide=True,
            page="/admin/approvals",
        ),
        Text(
            about="confirm.asked",
            title="Somebody asks to confirm a payment by hand",
            sentence="{by} vouches that the order {order} was paid: {reason}. Somebody else has to approve it.",
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
            about="statement.differences",
            title="{count} differences with the statement of {account}",
            sentence="The statement of {account} for {day} and the shop's own record differ in {count} places. Look at "
            "Reconciliation in the panel.",
            is_shop_wide=True,
            page="/admin/statements",
        ),
        Text(
            about="statement.missing",
            title="No statement of {account} for {day}",
            sentence="The vendor of {account} gave no statement for {day} within a week ({problem}). Download it there and "
            "upload it, or close the difference with a reason.",
            is_shop_wide=True,
            page="/admin/statements",
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


def told_problem(problem: str) -> tuple[str, str]:
    """A stored problem as a msgid and the detail that fills it."""
    code, _, detail = problem.partition(": ")
    return PROBLEMS.get(code, code), detail
