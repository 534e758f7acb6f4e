"""The vendor that plugin authors test against."""

from kashop.plugins.kit.simulator import tell
from kashop.plugins.kit.vendorwords import Told
from tests.serving import free_port


def test_a_callback_that_nobody_hears_says_why() -> None:
    heard = tell(Told("GET", f"http://127.0.0.1:{free_port()}/notify"))
    assert heard.status == 0
    assert "Connection refused" in heard.body
