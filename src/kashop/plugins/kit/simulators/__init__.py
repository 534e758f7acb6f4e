"""The simulated vendors of the box: a module each vendor, with its classes in SIMULATORS."""

import importlib
import pkgutil

from kashop.plugins.kit.simulator import Simulator


def simulators() -> dict[str, type[Simulator]]:
    """Every simulated vendor by its name."""
    modules = (importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__))
    classes: list[type[Simulator]] = [kind for module in modules for kind in module.SIMULATORS]
    return {kind.name: kind for kind in sorted(classes, key=lambda kind: kind.name)}
