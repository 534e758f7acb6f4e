"""Random histories against a model (promises, M1). A failure prints the steps; `make drill` tells many more."""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from kashop.plugins.kit.simulators.epay import EpaySimulator
from tests.conftest import NewShop
from tests.properties.machine import Histories

CALM = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def settings_for(histories: int, steps: int, **more: Any) -> settings:
    """How many are told, of so many steps; `more` as Hypothesis takes it."""
    return settings(
        max_examples=histories,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=CALM,
        **more,
    )


def tell(new_history: NewShop, epay: EpaySimulator, *, histories: int, steps: int) -> None:
    run_state_machine_as_test(lambda: Histories(new_history, epay), settings=settings_for(histories, steps))


def test_random_histories_go_as_the_model_says(new_history: NewShop, epay: EpaySimulator, engine: str) -> None:
    tell(new_history, epay, histories=15 if engine == "sqlite" else 2, steps=40)


@pytest.mark.drill
def test_a_great_many_random_histories(new_history: NewShop, epay: EpaySimulator) -> None:
    tell(new_history, epay, histories=300, steps=60)
