"""The plugin host: loads plugins, asks their hooks, keeps each one's failure to itself.

Always true: bundled plugins are loaded by the same steps as a stranger's; a plugin that cannot be imported
or whose hook raises is off, with a reason in `plugins`, and the others go on. Hooks are called by our own
loop: one raise in a plain `pm.hook.x()` would silence all that follow.
"""

import asyncio
import inspect
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pluggy

from kashop.lib import logs
from kashop.payments.types import Gateway, GatewayType
from kashop.plugins import finders, guard, hookspecs
from kashop.plugins.context import RunningContext, where
from kashop.plugins.finders import Found
from kashop.plugins.manifest import Unfit
from kashop.plugins.types import Page, PageRequest, PageResponse
from kashop.plugins.wire import scrubbed
from kashop.risk.captcha import Captcha, CaptchaType

HOOK_SECONDS = 5.0
PAGE_SECONDS = 20.0

log = logs.get_logger("kashop.plugins")


class PluginInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One plugin as the operator sees it.

    `origin` is bundled, package or file; a `problem` means that it is off.
    """

    id: str
    version: str
    origin: str
    problem: str = ""


class Host:
    """The plugins of one shop."""

    def __init__(self) -> None:
        self._pm = pluggy.PluginManager("kashop")
        self._pm.add_hookspecs(hookspecs)
        self._infos: dict[str, PluginInfo] = {}
        self._gateways: dict[str, tuple[str, GatewayType]] = {}
        self._captchas: dict[str, tuple[str, CaptchaType]] = {}
        self._pages: dict[str, list[Page]] = {}
        self._make_context: Callable[[str], RunningContext] | None = None
        self._contexts: dict[str, RunningContext] = {}
        self._is_started = False

    @classmethod
    def load(cls, data: Path, *, safe_mode: bool = False) -> "Host":
        """The plugins in the box, of installed packages and in `<data>/plugins/`; only those in the box in
        safe mode.
        """
        host = cls()
        found: list[Found] = list(finders.bundled())
        if not safe_mode:
            found += [*finders.packages(), *finders.files(data / "plugins")]
        host.take(found)
        return host

    def take(self, found: Iterable[Found]) -> None:
        """Load what was found, one after another."""
        for plugin in found:
            if plugin.id in self._infos:
                log.warning("plugin is off", plugin=plugin.id, origin=plugin.origin, problem="its id is taken")
                key = f"{plugin.id} ({plugin.origin})"
                self._infos[key] = _info(plugin, f"the id {plugin.id} is taken")
                continue
            self._infos[plugin.id] = _info(plugin, plugin.problem)
            if plugin.problem:
                log.warning("plugin is off", plugin=plugin.id, origin=plugin.origin, problem=plugin.problem)
            else:
                self._take(plugin)

    @property
    def plugins(self) -> list[PluginInfo]:
        """Every plugin that was found, those that are off too."""
        return list(self._infos.values())

    @property
    def gateway_types(self) -> dict[str, GatewayType]:
        """The gateway types of the plugins that are on, by their name."""
        return {name: kind for name, (_plugin, kind) in self._gateways.items()}

    def find_gateway_type(self, name: str) -> GatewayType | None:
        """The gateway type of that name, if its plugin is on."""
        known = self._gateways.get(name)
        return None if known is None else known[1]

    def is_of_box(self, gateway_type: str) -> bool:
        """Whether a gateway type comes from a plugin in the box, and not from a stranger's."""
        known = self._gateways.get(gateway_type)
        return known is not None and self._infos[known[0]].origin == "bundled"

    @property
    def captcha_types(self) -> dict[str, CaptchaType]:
        """The captchas of the plugins that are on, by their name, with the whole address of their script."""
        return {
            name: msgspec.structs.replace(kind, script=f"/x/{plugin}/{kind.script}")
            for name, (plugin, kind) in self._captchas.items()
        }

    def captcha(self, name: str, secret: bytes) -> Captcha:
        """A captcha at work. What it raises is the caller's to bear: it is a stranger's code."""
        plugin, known = self._captchas[name]
        made: Captcha = known.make(secret, self._context(plugin))
        return made

    def pages(self) -> list[tuple[str, Page]]:
        """The pages of the plugins that are on, with their plugin's id."""
        return [(plugin, page) for plugin, pages in self._pages.items() for page in pages]

    def equip(self, make_context: Callable[[str], RunningContext]) -> None:
        """Say how a plugin's Context is made: before the first gateway is made, or page answered."""
        self._make_context = make_context

    def gateway(self, kind: GatewayType | str, options: dict[str, str]) -> Gateway:
        """A gateway of checked options.

        Raises Invalid by option; afterwards it raises only what its protocol names.
        """
        plugin, known = self._gateways[kind if isinstance(kind, str) else kind.type]
        return guard.made(known, dict(options), self._context(plugin))

    async def answer(self, plugin: str, request: PageRequest) -> PageResponse:
        """What a plugin's page says: 404 without such a page, 405 for another method, 500 when it breaks."""
        pages = [(page, params) for page in self._pages.get(plugin, ()) if (params := page.match(request.path)) is not None]
        if not pages:
            return PageResponse(status=404)
        for page, params in pages:
            if request.method in page.methods:
                return await self._answer(plugin, page, msgspec.structs.replace(request, params=params))
        allowed = sorted({method for page, _params in pages for method in page.methods})
        return PageResponse(status=405, headers={"allow": ", ".join(allowed)})

    async def start(self, make_context: Callable[[str], RunningContext] | None = None) -> None:
        """Tell every plugin that a server starts."""
        if make_context is not None:
            self.equip(make_context)
        self._is_started = True
        await self._tell("startup")

    async def stop(self) -> None:
        """Tell every plugin that the server stops, if it started, then cancel their work and close their
        clients.
        """
        if self._is_started:
            self._is_started = False
            await self._tell("shutdown")
        contexts, self._contexts = self._contexts, {}
        for context in contexts.values():
            await context.close()

    def _take(self, plugin: Found) -> None:
        try:
            module = plugin.load()
            self._pm.register(module, name=plugin.id)
            self._refuse_strange_hooks(module)
            gateways = self._collected(module, "register_gateways", GatewayType)
            captchas = self._collected(module, "register_captchas", CaptchaType)
            pages = self._collected(module, "register_pages", Page)
            if taken := [kind.type for kind in gateways if kind.type in self._gateways]:
                raise Unfit(f"the gateway type {taken[0]} is taken")
            if taken := [kind.name for kind in captchas if kind.name in self._captchas]:
                raise Unfit(f"the captcha {taken[0]} is taken")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's code may raise anything
            self._switch_off(plugin.id, error)
            return
        self._gateways |= {kind.type: (plugin.id, kind) for kind in gateways}
        self._captchas |= {kind.name: (plugin.id, kind) for kind in captchas}
        self._pages[plugin.id] = pages

    def _refuse_strange_hooks(self, module: Any) -> None:
        for caller in self._pm.get_hookcallers(module) or ():
            if not caller.has_spec():
                raise Unfit(f"there is no hook {caller.name}")
            if any(i.plugin is module and (i.hookwrapper or i.wrapper) for i in caller.get_hookimpls()):
                raise Unfit(f"its hook {caller.name} is a wrapper, which is not supported")

    def _collected(self, module: Any, hook: str, kind: type) -> list[Any]:
        """What one plugin answers to a hook that collects."""
        found: list[Any] = []
        for impl in getattr(self._pm.hook, hook).get_hookimpls():
            if impl.plugin is module:
                found += impl.function()
        if wrong := [thing for thing in found if not isinstance(thing, kind)]:
            raise Unfit(f"{hook} gave a {type(wrong[0]).__name__}")
        return found

    async def _tell(self, hook: str) -> None:
        impls = getattr(self._pm.hook, hook).get_hookimpls()
        for impl in impls:
            context = self._context(impl.plugin_name)
            call = partial(impl.function, **({"ctx": context} if "ctx" in impl.argnames else {}))
            try:
                await asyncio.wait_for(_run(call), HOOK_SECONDS)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's code may raise anything
                self._switch_off(impl.plugin_name, error, hook=hook)

    async def _answer(self, plugin: str, page: Page, request: PageRequest) -> PageResponse:
        try:
            response = await asyncio.wait_for(page.answer(self._context(plugin), request), PAGE_SECONDS)
            if not isinstance(response, PageResponse):
                raise TypeError("a page answers with a PageResponse")
        except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything
            log.error(
                "plugin page failed",
                plugin=plugin,
                page=page.path,
                error=type(error).__name__,
                where=where(error),
            )
            return PageResponse(status=500)
        return response

    def _context(self, plugin: str) -> RunningContext:
        if self._make_context is None:
            raise RuntimeError("the host is not equipped: it does not know how a plugin's Context is made")
        if plugin not in self._contexts:
            self._contexts[plugin] = self._make_context(plugin)
        return self._contexts[plugin]

    def _switch_off(self, plugin: str, error: BaseException, *, hook: str = "") -> None:
        """Take a plugin out, with a reason.

        Only our own words are repeated: a stranger's message may quote a secret.
        """
        is_ours = isinstance(error, Unfit | pluggy.PluginValidationError | ImportError)
        said = scrubbed(error) if is_ours else type(error).__name__
        problem = f"{hook}: {said}" if hook else said
        log.error("plugin is off", plugin=plugin, problem=problem, where=where(error))
        self._infos[plugin] = msgspec.structs.replace(self._infos[plugin], problem=problem)
        self._gateways = {name: (owner, kind) for name, (owner, kind) in self._gateways.items() if owner != plugin}
        self._captchas = {name: (owner, kind) for name, (owner, kind) in self._captchas.items() if owner != plugin}
        self._pages.pop(plugin, None)
        if self._pm.has_plugin(plugin):
            self._pm.unregister(name=plugin)


def _info(plugin: Found, problem: str) -> PluginInfo:
    return PluginInfo(id=plugin.id, version=plugin.version, origin=plugin.origin, problem=problem)


async def _run(call: Callable[[], Any]) -> None:
    """Call a hook that is sync or async; a sync one on a thread, so that it cannot hold up the loop."""
    if inspect.iscoroutinefunction(call.func if isinstance(call, partial) else call):
        await call()
    else:
        await asyncio.to_thread(call)
