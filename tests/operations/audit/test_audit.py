"""`pepip audit` with a real uv, an index and a service of advisories on the loopback device."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.advisories import Service, record, service
from tests.support.indexes import CountingServer, Index, counting_server
from tests.support.wheels import Wheel
from tests.support.workbench import SettledWorkbench, Workbench

WHEELS = [
    *(Wheel("drum", version, files={"drum.py": f"V = {version!r}\n"}) for version in ("1.0", "1.1", "2.0", "3.0a1")),
    Wheel("horn", "1.0", files={"horn.py": ""}),
]
LOUD = record("A-1", "drum", {"introduced": "0"}, {"fixed": "1.1"}, aliases=["C-7"], summary="Too loud")


@dataclass(frozen=True, kw_only=True)
class Town(SettledWorkbench):
    """A user with two projects, an index, and a service of advisories."""

    index: CountingServer
    advisories: Service

    def audit(self, *words: str, **variables: str) -> tuple[int, dict[str, Any]]:
        """Return the exit code and the document of an audit by the service."""
        words = ("audit", "--json", "--service-url", self.advisories.url, *words)
        output = self.pepip(*words, check=False, variables=variables)
        assert output.stdout, output.stderr
        return output.returncode, json.loads(output.stdout)


@pytest.fixture
def town(workbench: Workbench) -> Iterator[Town]:
    """Return a town where `drum` 1.0 is vulnerable, and 1.1 is yanked."""
    with counting_server() as index, service({("drum", "1.0"): LOUD}) as advisories:
        yanked = {WHEELS[1].filename: "out of tune"}
        index.add("main", Index(wheels=WHEELS, yanked=yanked), workbench.folder / "index")
        folder = workbench.machine.make_folder(workbench.folder / "code")
        settings = {"UV_DEFAULT_INDEX": index.simple("main"), "PIP_FIND_LINKS": ""}
        town = Town.like(workbench, folder=folder, name=".", variables=settings, index=index, advisories=advisories)
        town.at("one").install("drum==1.0", "horn")
        town.at("two").install("drum==1.1", "horn")
        town.at("three").install("drum==1.0")
        index.take_requests()
        yield town


def test_an_audit_finds_vulnerable_yanked_and_outdated_packages(town: Town) -> None:
    """Each finding names the environments. The service is asked about each version once, an index about each name."""
    code, document = town.audit()

    one, two, three = (str(town.folder / name / ".venv") for name in ("one", "two", "three"))
    found = [
        (item["kind"], item["name"], item["version"], item["id"], item["fixed"], item["environments"])
        for item in document["findings"]
    ]
    assert code == 1
    assert sorted(found) == [
        ("outdated", "drum", "1.0", "", ["2.0"], [one, three]),
        ("outdated", "drum", "1.1", "", ["2.0"], [two]),
        ("vulnerable", "drum", "1.0", "A-1", ["1.1"], [one, three]),
        ("yanked", "drum", "1.1", "", [], [two]),
    ]
    assert Counter(town.advisories.asked) == Counter([("drum", "1.0"), ("drum", "1.1"), ("horn", "1.0")])
    (loud,) = [item for item in document["findings"] if item["kind"] == "vulnerable"]
    assert loud["aliases"] == ["C-7"]
    assert loud["link"] == "https://advisories.example/A-1"
    (reason,) = [item["summary"] for item in document["findings"] if item["kind"] == "yanked"]
    assert reason == "out of tune"
    assert all(answer["asked_at"] for answer in document["answers"].values())


@pytest.mark.real_world
def test_the_last_answers_are_kept_and_shown_without_asking(town: Town) -> None:
    """They concern the environments of now: what was installed since is unanswered."""
    town.audit()
    town.at("four").install("drum==2.0")
    town.advisories.asked.clear()
    town.index.take_requests()

    output = town.pepip("audit", "--last", "--json", check=False, variables={"UV_OFFLINE": "1"})

    document = json.loads(output.stdout)
    assert output.returncode == 1
    assert len(document["findings"]) == 4
    assert document["answers"]["vulnerable"]["unanswered"] == [{"name": "drum", "version": "2.0"}]
    assert town.advisories.asked == []
    assert town.index.take_requests() == []


@pytest.mark.real_world
def test_osv_records_answer_without_a_network(town: Town, tmp_path: Path) -> None:
    """Nobody is asked, and the findings are the same as those of the service."""
    _, document = town.audit("--only", "vulnerable")
    records = tmp_path / "records.json"
    records.write_text(json.dumps(LOUD))
    town.advisories.asked.clear()

    output = town.pepip("audit", "--osv", str(records), "--json", check=False, variables={"UV_OFFLINE": "1"})

    assert output.returncode == 1
    assert json.loads(output.stdout)["findings"] == document["findings"]
    assert town.advisories.asked == []
    assert town.index.take_requests() == []


@pytest.mark.real_world
def test_outdated_alone_is_no_failure(town: Town) -> None:
    """The exit code is 0, and nobody is asked for advisories."""
    code, document = town.audit("--only", "outdated")

    assert code == 0
    assert {item["kind"] for item in document["findings"]} == {"outdated"}
    assert town.advisories.asked == []


@pytest.mark.real_world
def test_a_version_that_no_index_knows_spoils_no_other_answer(town: Town, tmp_path: Path) -> None:
    """It is unanswered. A distribution from a file is not asked about at all."""
    file = Wheel("flute", "1.0", files={"flute.py": ""}).write(tmp_path)
    town.at("one").install(str(file))
    gone = Wheel("drum", "0.9", files={"drum.py": ""})
    town.index.add("main", Index(wheels=[*WHEELS, gone], yanked={WHEELS[1].filename: ""}), tmp_path / "index")
    town.at("three").install("drum==0.9")
    town.index.add("main", Index(wheels=WHEELS, yanked={WHEELS[1].filename: ""}), tmp_path / "fewer")

    _, document = town.audit("--only", "yanked")

    assert [item["version"] for item in document["findings"]] == ["1.1"]
    assert document["answers"]["yanked"]["unanswered"] == [{"name": "drum", "version": "0.9"}]
    assert document["not_of_an_index"] == [{"name": "flute", "version": "1.0"}]


def test_a_project_is_asked_about_with_its_own_index(town: Town, tmp_path: Path) -> None:
    """A private name is asked of the index that the project names, and of no other."""
    secret = Wheel("secret", "1.0", files={"secret.py": ""})
    town.index.add("private", Index(wheels=[secret]), tmp_path / "private")
    hidden = town.at("hidden")
    hidden.machine.make_folder(hidden.project)
    index = f'[[index]]\nurl = "{town.index.simple("private")}"\ndefault = true\n'
    (hidden.project / "uv.toml").write_text(index)
    hidden.pepip("install", "secret", variables={"UV_DEFAULT_INDEX": ""})
    town.index.take_requests()

    town.audit("--only", "yanked", "--only", "outdated", UV_DEFAULT_INDEX="", UV_INDEX_URL="")

    asked = {(request.index, request.project) for request in town.index.take_requests()}
    assert ("private", "secret") in asked
    assert ("main", "secret") not in asked


@pytest.mark.real_world
@pytest.mark.parametrize("kind", ["vulnerable", "yanked", "outdated"])
def test_without_a_network_there_is_one_sentence(town: Town, kind: str) -> None:
    """Also where uv itself would find nothing, and not say so. The answers of before stay."""
    town.audit()
    _, before = town.audit("--last")

    output = town.pepip("audit", "--only", kind, check=False, variables={"UV_OFFLINE": "1"})

    assert output.returncode == 1
    first, hint = output.stderr.splitlines()
    assert first.startswith("error: the network gave no answer: ")
    assert hint.startswith("hint: `pepip audit --osv FILE`")
    assert town.audit("--last")[1] == before


@pytest.mark.real_world
def test_a_service_that_does_not_answer_is_one_sentence(town: Town) -> None:
    """The reason is uv's, in one line."""
    refusing = {"UV_HTTP_RETRIES": "0"}

    output = town.pepip("audit", "--service-url", "http://127.0.0.1:9/", check=False, variables=refusing)

    first, _ = output.stderr.splitlines()[-2:]
    assert output.returncode == 1
    assert first.startswith("error: the network gave no answer: ")
    assert "refused" in first


@pytest.mark.real_world
def test_an_answer_for_people_has_a_date(town: Town) -> None:
    """A table, and one line for each kind of question."""
    output = town.pepip("audit", "--service-url", town.advisories.url, check=False)

    assert "Too loud" in output.stdout
    lines = [line for line in output.stderr.splitlines() if "distributions" in line]
    assert [line.partition(":")[0] for line in lines] == [
        "1 of 3 distributions vulnerable",
        "1 of 3 distributions yanked",
        "2 of 3 distributions outdated",
    ]
    assert all(line.rpartition(", ")[2].count("-") == 2 for line in lines)


def test_settings_that_another_user_put_into_the_temporary_folder_do_not_count(town: Town, tmp_path: Path) -> None:
    """The search of uv for settings goes on in the folders above the one where it works."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    (temporary / "uv.toml").write_text("no TOML [\n")
    (temporary / "pyproject.toml").write_text("no TOML [\n")

    code, document = town.audit(TMPDIR=str(temporary))

    assert code == 1
    assert {item["kind"] for item in document["findings"]} == {"vulnerable", "yanked", "outdated"}
