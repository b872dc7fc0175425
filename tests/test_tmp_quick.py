import pytest
from tests.support import tools
from tests.test_adopt_tools import *
from tests.test_adopt_tools import test_environments_of_all_tools_are_adopted_and_ejected as check
ST = [
    Street("sci", ("numpy", "pandas", "scikit-learn", "matplotlib"), ((tools.UV_LINKS, "3.12"), (tools.PIP, "3.12"), (tools.UV_COPIES, "3.9"))),
    Street("day", ("black==24.4.2", "pytest", "ipython", "mypy"), ((tools.PIP, "3.10"), (tools.UV_COPIES, "3.13"), (tools.PIPX, "3.13"))),
    Street("lab", ("jupyterlab", "setuptools<70", "pyqt6", "pyqtgraph"), ((tools.UV_COPIES, "3.12"), (tools.PIP, "3.12"))),
]
@pytest.mark.parametrize("street", ST, ids=str)
def test_quick(request, machine, tmp_path, street):
    check(request, machine, tmp_path, street)
