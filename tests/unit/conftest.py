"""How many examples hypothesis tries: few and always the same ones, or as many random ones as a variable asks for.

`PEPIP_TEST_EXAMPLES=5000 pytest tests/unit` looks for new examples. One that fails is printed, and belongs into the
test as an explicit `@example`.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES_VARIABLE = "PEPIP_TEST_EXAMPLES"

# Nothing is remembered in a folder of examples, and a busy machine is no failure.
_CALM = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])

settings.register_profile("few", _CALM, derandomize=True, max_examples=50)
settings.register_profile(
    "many", _CALM, derandomize=False, max_examples=int(os.environ.get(EXAMPLES_VARIABLE, "1000")), print_blob=True
)
settings.load_profile("many" if os.environ.get(EXAMPLES_VARIABLE) else "few")
