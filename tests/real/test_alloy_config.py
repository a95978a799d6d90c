"""Alloy's configuration, the default and random accepted ones, read by the real Alloy."""

import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from constructs_lib.config.alloy import AlloyConfig, Block, Shipment, Streams, to_alloy
from constructs_lib.contract import Endpoint, Pods, Port
from tests.cluster.programs import built
from tests.config.alloy_inputs import CONFIGS

LOKI = Endpoint(pods=Pods.named("monitoring", "loki"), service="loki", port=Port(name="web", number=3100))
DEFAULT = AlloyConfig(shipments=(Shipment(loki=LOKI),), streams=Streams())


def alloy(*arguments: str, config: str) -> subprocess.CompletedProcess[str]:
    """Let it read a configuration, whatever it says."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "config.alloy"
        path.write_text(config, encoding="utf-8")
        command = [built("alloy"), *arguments, str(path)]
        return subprocess.run(command, check=False, capture_output=True, encoding="utf-8")


@pytest.mark.trap(60)
@pytest.mark.trap(62)
@settings(max_examples=30, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))
@example(DEFAULT)
@given(CONFIGS)
def test_whatever_is_accepted_here_is_accepted_there(config: AlloyConfig) -> None:
    """Nothing that the constructs accept is refused by Alloy, which finds its features stable."""
    checked = alloy("validate", config=config.to_text())
    assert checked.returncode == 0, checked.stderr


def test_what_is_wrong_is_noticed() -> None:
    """The judge is one: an argument that there is not, and a reference to nothing."""
    text = DEFAULT.to_text()
    assert alloy("validate", config=text.replace("max_backoff_retries", "max_retries")).returncode != 0
    assert alloy("validate", config=text.replace("files.output", "nothing.output")).returncode != 0


@settings(max_examples=30, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))
@example('\ufeff"\\\n\t${x}\x00\x7f\u2028')
@given(st.text())
def test_every_text_is_read_and_written_as_alloy_would(text: str) -> None:
    """Its formatter would change nothing."""
    inner = Block("stage.static_labels", None, {"values": [text, "b"]})
    written = to_alloy([Block("loki.process", "label", {"forward_to": [], "text": text}, (inner,))])
    formatted = alloy("fmt", config=written)
    assert formatted.returncode == 0, formatted.stderr
    assert formatted.stdout == written


def test_the_default_is_written_as_alloy_would() -> None:
    """Who reads it reads what they know."""
    assert alloy("fmt", config=DEFAULT.to_text()).stdout == DEFAULT.to_text()
