"""Sets the number of examples that hypothesis tries: a few fixed ones, or many random ones.

`PEPIP_TEST_EXAMPLES=5000 pytest tests/unit` tries random examples. A failing one is printed; add it to the test as an
explicit `@example`.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES_VARIABLE = "PEPIP_TEST_EXAMPLES"

# No database of examples is kept, and a slow run on a busy machine is no failure.
_CALM = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])

settings.register_profile("few", _CALM, derandomize=True, max_examples=50)
settings.register_profile(
    "many", _CALM, derandomize=False, max_examples=int(os.environ.get(EXAMPLES_VARIABLE, "1000")), print_blob=True
)
settings.load_profile("many" if os.environ.get(EXAMPLES_VARIABLE) else "few")
