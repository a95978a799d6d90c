"""What all tests share: how property tests run, and that no test sees the settings of the machine that it runs on."""

import os
from collections.abc import Iterator

import hypothesis
import pytest

from apps.environments import PREFIX

# A busy machine is slow now and then: an example has no deadline. What was found once is found again everywhere.
hypothesis.settings.register_profile("everywhere", deadline=None, derandomize=True)
hypothesis.settings.load_profile("everywhere")


@pytest.fixture(autouse=True, scope="session")
def no_settings_from_outside() -> Iterator[None]:
    """Take every CONSTRUCTS_ variable out of the environment, for this process and for those that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.upper().startswith(PREFIX):
                patch.delenv(name)
        yield
