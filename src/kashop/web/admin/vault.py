"""The vault: whether it is sealed, what unseals it, and the way from one to the other."""

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.flows import vault as flow
from kashop.lib.errors import Conflict, Invalid, Refusal
from kashop.vault import Sealed
from kashop.vault.unseal import MOST_PASSPHRASE
from kashop.web.admin.page import Shown, again, answer, refused_as, row_id, see
from kashop.web.forms import Form
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, shop_of


@get("/admin/vault", guards=[Needs("vault.view")])
async def vault_page(request: AnyRequest) -> Response[bytes]:
    """How it stands."""
    return await _page(request)


@post("/admin/vault/seal", guards=[Needs("vault.edit", step_up=True)])
async def seal(request: AnyRequest) -> Redirect:
    """Forget the vault's keys; deliveries wait."""
    await flow.seal(shop_of(request), actor_of(request))
    return see("/admin/vault", "sealed")


@post("/admin/vault/unseal", guards=[Needs("vault.edit")])
async def unseal(request: AnyRequest) -> Response[bytes] | Redirect:
    """By a passphrase or a recovery code: who knows one needs no other proof."""
    form = form_of(request)
    given = flow.Given(form.secret("passphrase", most=MOST_PASSPHRASE), form.secret("recovery", most=100).strip())
    try:
        form.done()
        if not (given.passphrase or given.recovery):
            raise Invalid.of("passphrase", "Please fill in this field.")
        await flow.open_with(shop_of(request), given, actor_of(request))
    except (Invalid, flow.WrongSecret) as refused:
        return await _refused(request, form, refused)
    return see("/admin/vault", "unsealed")


@post("/admin/vault/unseal/keyfile", guards=[Needs("vault.edit", step_up=True)])
async def unseal_by_key_file(request: AnyRequest) -> Response[bytes] | Redirect:
    """By the key file that lies on the machine."""
    try:
        await flow.open_with(shop_of(request), flow.Given(), actor_of(request))
    except flow.WrongSecret as refused:
        return await _refused(request, form_of(request), refused)
    return see("/admin/vault", "unsealed")


@post("/admin/vault/passphrases", guards=[Needs("vault.edit", step_up=True)])
async def add_passphrase(request: AnyRequest) -> Response[bytes] | Redirect:
    """One more passphrase."""
    form = form_of(request)
    try:
        label, new = form.text("label", most=60), form.secret("new_passphrase", most=MOST_PASSPHRASE)
        if new != form.secret("repeated", most=MOST_PASSPHRASE):
            form.complain("repeated", "The two do not match.")
        form.done()
        await flow.add_passphrase(shop_of(request), new, label, actor_of(request), field="new_passphrase")
    except (Invalid, Conflict, Sealed) as refused:
        return await _refused(request, form, refused)
    return see("/admin/vault", "added")


@post("/admin/vault/keyfile", guards=[Needs("vault.edit", step_up=True)])
async def use_key_file(request: AnyRequest) -> Response[bytes] | Redirect:
    """Unseal by itself at every start again."""
    try:
        await flow.use_key_file(shop_of(request), actor_of(request))
    except Sealed as refused:
        return await _refused(request, form_of(request), refused)
    return see("/admin/vault", "saved")


@post("/admin/vault/recovery", guards=[Needs("vault.edit", step_up=True)])
async def make_recovery(request: AnyRequest) -> Response[bytes]:
    """A new recovery code, shown this once."""
    try:
        code = await flow.make_recovery(shop_of(request), actor_of(request))
    except Sealed as refused:
        return await _refused(request, form_of(request), refused)
    return answer(request, "recovery.html", code=code)


@post("/admin/vault/methods/{method:str}/drop", guards=[Needs("vault.edit", step_up=True)])
async def drop_method(request: AnyRequest, method: FromPath[str]) -> Response[bytes] | Redirect:
    """Take away a way to unseal."""
    try:
        await flow.drop_method(shop_of(request), row_id(method), actor_of(request))
    except (Conflict, Sealed) as refused:
        return await _refused(request, form_of(request), refused)
    return see("/admin/vault", "removed")


async def _refused(request: AnyRequest, form: Form, refused: Refusal) -> Response[bytes]:
    shown = again(request, form, refused) if isinstance(refused, Invalid) else refused_as(request, form, refused)
    return await _page(request, shown, refused.status)


async def _page(request: AnyRequest, form: Shown | None = None, status: int = 200) -> Response[bytes]:
    shop = shop_of(request)
    known = await flow.status(shop)
    return answer(
        request,
        "vault.html",
        status=status,
        form=form or Shown(),
        vault=known,
        ways={method.method for method in known.methods},
        key_file=shop.config.unseal_key_file,
    )


route_handlers = [
    vault_page,
    seal,
    unseal,
    unseal_by_key_file,
    add_passphrase,
    use_key_file,
    make_recovery,
    drop_method,
]
