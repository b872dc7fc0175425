"""A made-up store catalog with fixed names, sizes and days, so that pictures are the same on every machine."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

from pepip.environment.purposes import PROJECT, SCRIPT, TOOL, Purpose
from pepip.environment.survey import Survey, Unlinked
from pepip.environment.venv_id import ScriptNote
from pepip.host.disk_usage import Branch, Weight
from pepip.host.freed_space import Gain
from pepip.host.running_processes import Process
from pepip.model import Entry, Installed
from pepip.operations import census, reclaim, savings
from pepip.operations.adoption.freed_space import Freed, FreedSpace
from pepip.operations.adoption.preview import AdoptionPreview, FoundVenv
from pepip.operations.entry_details import Details, User
from pepip.operations.needs import UnmetNeed
from pepip.operations.overview import Overview
from pepip.operations.prune import Orphan, PruneOptions, PrunePreview
from pepip.operations.reclaim import Bundle, Choice, Reclaimable
from pepip.operations.reporting import Summary
from pepip.operations.upgrades import BY_LOCK, BY_PIP, Preview, Target, UpgradePlan
from pepip.operations.why import Line, Reason
from pepip.store.audit_answers import OUTDATED, VULNERABLE, YANKED, Answer, Finding
from pepip.store.growth_log import Growth, Prune, Sample
from pepip.store.listing import Stored
from pepip.store.registry_file import Registration
from pepip.store.trash import Grave
from pepip.tui import catalog as catalogs
from pepip.tui.catalog import Catalog, Trouble

DAY = 86_400
FIRST_DAY = 1_772_323_200 + 12 * 3600  # noon is on the same day in most time zones

PACKAGES = {
    "torch==2.9.1": ("cpython-312-linux-x86_64", 1_730_400_000, 11_204),
    "triton==3.5.1": ("cpython-312-linux-x86_64", 598_100_000, 1_402),
    "numpy==2.0.2": ("cpython-312-linux-x86_64", 72_800_000, 931),
    "numpy==2.4.1": ("cpython-312-linux-x86_64", 60_700_000, 914),
    "pandas==3.0.1": ("cpython-312-linux-x86_64", 48_200_000, 2_710),
    "django==5.2.9": ("py3-none-any", 41_500_000, 6_580),
    "cryptography==46.0.3": ("abi3-linux-x86_64", 14_100_000, 212),
    "requests==2.32.5": ("py3-none-any", 520_000, 42),
    "rich==14.2.0": ("py3-none-any", 1_500_000, 160),
    "requests-extra[/]==0.1": ("py3-none-any", 9_000, 3),
    "idna==3.11": ("py3-none-any", 405_500, 22),
    "sqlalchemy==1.4.54": ("cpython-39-linux-x86_64", 7_300_000, 640),
}
PROJECTS = {
    "api": ["django==5.2.9", "requests==2.32.5", "idna==3.11", "cryptography==46.0.3"],
    "research": ["torch==2.9.1", "triton==3.5.1", "numpy==2.4.1", "pandas==3.0.1", "rich==14.2.0"],
    "training [gpu]": ["torch==2.9.1", "triton==3.5.1", "numpy==2.4.1", "requests==2.32.5", "idna==3.11"],
    "crawler": ["requests==2.32.5", "idna==3.11", "rich==14.2.0", "requests-extra[/]==0.1"],
}


OTHERS = {
    "plot [3d].py": ["numpy==2.0.2", "requests==2.32.5"],
    "black": ["rich==14.2.0"],
}
"""A script and a tool."""


def of(home: str, *, projects: Iterable[str] = tuple(PROJECTS), notices: tuple[Trouble, ...] = ()) -> Catalog:
    """Return the catalog of a store in `home`/.pepip, with projects in `home`/code."""
    stored = [_stored(home, number, pin) for number, pin in enumerate(PACKAGES)]
    stored.sort(key=lambda item: (item.name, item.version))
    ids = {f"{item.name}=={item.version}": item.id for item in stored}
    weights = {ids[pin]: Weight(int(size * 0.9), size // 50, size // 13) for pin, (_, size, _) in PACKAGES.items()}
    shares = []
    for name in projects:
        known = _known(home, name, ids)
        linked = sum(weights[entry_id].total for entry_id in known.entries or ())
        shares.append(savings.VenvShare(known, 1_200_000, 1_200_000 + linked))
    used = [entry_id for share in shares for entry_id in share.known.entries or ()]
    sums = savings.sum_up(weights, shares, used, (), kept=set(used), trashed_bytes=0)
    seen = census.Census(stored, [share.known for share in shares], [], {})
    overview = Overview(seen, {item.id: weights[item.id].total for item in stored}, shares, sums)
    used_at = {share.known.environment: FIRST_DAY + (39 - 17 * number) * DAY for number, share in enumerate(shares)}
    return catalogs._of(overview, notices, is_fresh=True)._replace(used_at=used_at)


def grave(found: Catalog) -> Grave:
    """Return what an undo would bring back: a project with two entries."""
    ids = tuple(sorted(found.stored)[:2])
    return Grave("", FIRST_DAY + 40 * DAY - 300, FIRST_DAY + 41 * DAY - 300, ids, (sorted(found.shares)[0],))


def audited(home: str) -> Catalog:
    """Return the catalog of a user who has asked for advisories, yanked and newer releases."""
    found = of(home)
    pins = frozenset(tuple(pin.split("==")) for pin in PACKAGES if "[" not in pin)
    loud = "Cookies are sent to another host [after a redirect]"
    findings = {
        VULNERABLE: (
            Finding(VULNERABLE, "django", "5.2.9", "PYSEC-2026-7", ("CVE-2026-1",), "SQL | injection", (), ""),
            Finding(
                VULNERABLE, "requests", "2.32.5", "GHSA-x", ("CVE-2026-2",), loud, ("2.33.0",), "https://x.example/1"
            ),
        ),
        YANKED: (Finding(YANKED, "idna", "3.11", summary="broken metadata"),),
        OUTDATED: (
            Finding(OUTDATED, "numpy", "2.0.2", fixed=("2.4.2",)),
            Finding(OUTDATED, "numpy", "2.4.1", fixed=("2.4.2",)),
            Finding(OUTDATED, "rich", "14.2.0", fixed=("14.3.1",)),
        ),
    }
    sources = {VULNERABLE: "uv audit", YANKED: "uv pip compile", OUTDATED: "uv pip list --outdated"}
    answers = {
        kind: Answer(kind, FIRST_DAY + 30 * DAY, sources[kind], pins, found_of_kind)  # type: ignore[arg-type]
        for kind, found_of_kind in findings.items()
    }
    return found._replace(answers=answers)


def grown(home: str) -> Catalog:
    """Return the catalog of a store with a sample for most of the last 200 days, and three prunes."""
    found = of(home)
    assert found.overview is not None
    now = int(time.time())
    on_disk = found.overview.savings.on_disk_bytes
    samples, size = [], on_disk // 5
    pruned = {12, 40, 150}
    for age in range(200, 0, -1):
        size = size * 3 // 5 if age in pruned else size + on_disk // 90
        if age % 9:
            samples.append(Sample(now - age * DAY, size, 2 * size, 0, 0, 0))
    prunes = tuple(Prune(now - age * DAY, 9, on_disk // 3) for age in sorted(pruned, reverse=True))
    return found._replace(growth=Growth(tuple(samples), prunes))


def empty() -> Catalog:
    """Return the catalog of a store that does not exist yet."""
    return Catalog(None, {}, {}, {}, Trouble(catalogs.ABSENT, "", ""), (), is_fresh=True)


def details(found: Catalog, name: str, version: str) -> list[Details]:
    """Return the details of an entry, as `entry_details` would."""
    (item,) = [item for item in found.stored.values() if (item.name, item.version) == (name, version)]
    entry = Entry(item.id, item.path, name, version, "", "", (), (), (), (), (), (), (), {}, 0)
    needing = tuple(key for key, other in found.stored.items() if other.name in {"requests", "pandas"})
    dependants = needing if name in {"idna", "numpy"} else ()
    needs = ("idna<4,>=2.5", "urllib3<3,>=1.21.1") if name == "requests" else ()
    users = tuple(User(root, ()) for root in found.users.get(item.id, ()))
    return [Details(item, entry, "What it is in one sentence [of its own].", needs, dependants, (), users, {})]


def unshared(home: str) -> AdoptionPreview:
    """Return what a search for environments of other tools has found: three to link, and one to leave alone."""
    names = {
        "site [old]": ("uv", 14),
        "notebooks": ("virtualenv", 61),
        "../.local/share/uv/tools/ruff": ("uv tool", 1),
    }
    venvs, freed = [], {}
    for number, (name, (tool, packages)) in enumerate(names.items()):
        copies = tuple(Unlinked(f"package-{n}", "1.0", "", "", (), "", (), (0, 0), (0, 0)) for n in range(packages))
        if number == 0:
            own = Unlinked("api", "0.1", "", "it is editable", ("api/[x].py",), "", (), (0, 0), (0, 0))
            copies = (*copies, own)
        survey = Survey(copies, 0, 9_400_000 * packages, 40 * packages, 0, 1, ())
        root = os.path.normpath(f"{home}/code/{name}" + ("" if ".." in name else "/.venv"))
        processes = (Process(4711, "jupyter-lab"),) if tool == "virtualenv" else ()
        venvs.append(FoundVenv(root, tool, "3.12.12", "", survey, processes))
        freed[number] = Freed(8_100_000 * (packages - 1), 35 * packages)
    nothing = Survey((), 0, 0, 0, 0, 1, ())
    venvs.append(FoundVenv(f"{home}/code/gone/.venv", "pip", "3.9", "its interpreter is gone", nothing))
    space = FreedSpace(freed, sum(freed.values(), Freed()), 0, 12, {})
    return AdoptionPreview(venvs, [], [], [], [], space, 76)


def preview(found: Catalog) -> PrunePreview:
    """Return the preview of a prune: all unused entries, and one project that can't be reached."""
    seen = found.overview
    assert seen is not None
    orphans = [Orphan(item, seen.sizes[item.id]) for item in seen.census.stored if item.id not in found.users]
    away = _known("/mnt/usb", "laptop", {})._replace(
        state=census.UNREACHABLE, reason="the disk of /mnt/usb is not there", entries=frozenset({"a", "b"})
    )
    return PrunePreview(orphans, *freed_by(orphans), [], [away], [], "", [])


def freed_by(orphans: Iterable[Orphan]) -> tuple[int, int]:
    """Return the bytes that a removal frees: half at once, and half when uv's cache lets go."""
    freed = sum(orphan.allocated_bytes for orphan in orphans) // 2
    return freed, freed


def measure(orphans: Iterable[Orphan], options: PruneOptions) -> tuple[int, int, int]:
    """Return the same for a removal that may stay in the trash."""
    freed, shared = freed_by(orphans)
    return (0, shared, freed) if options.keep_seconds else (freed, shared, 0)


def reclaimable(found: Catalog) -> Reclaimable:
    """Return what can be freed: unused entries, an idle project, an outdated version, and foreign environments."""
    assert found.overview is not None
    previewed = preview(found)
    ids = frozenset(orphan.stored.id for orphan in previewed.orphans)
    crawler, research = (f"/home/ada/code/{name}/.venv" for name in ("crawler", "research"))
    extra = frozenset(key for key in found.stored if "extra" in key)
    numpy = frozenset(key for key in found.stored if "numpy-2.0" in key)
    bundles = [
        Bundle(reclaim.UNUSED, reclaim.UNUSED, "2 unused entries", "no environment links them", 0, 38_000_000, ids),
        Bundle(reclaim.IDLE, f"idle:{crawler}", "idle for 211 days", "uv.lock describes it", 2, 3_100_000)._replace(
            environment=crawler, entry_ids=extra
        ),
        Bundle(reclaim.ADOPT, reclaim.ADOPT, "2 environments to adopt", "files become links to one copy", 1, 9_000),
        Bundle(
            reclaim.UPGRADE, "upgrade:numpy", "numpy 2.0.2", "an upgrade removes it: 2 others have 2.4.1", 3, 72_000
        )._replace(environment=research, entry_ids=numpy),
        Bundle(reclaim.IDLE, f"idle:{research}", "idle for 400 days", "no file describes it", 4, 800_000)._replace(
            environment=research
        ),
    ]
    return Reclaimable(bundles, previewed, found.overview.census)


def gain(found: Catalog, choice: Choice) -> Gain:
    """Return what chosen bundles free: a part of it only with uv's cache."""
    freed = 40_000_000 * len(choice.keys)
    return Gain(freed * 3, 0) if choice.with_cache else Gain(freed, freed * 2)


def _stored(home: str, number: int, pin: str) -> Stored:
    name, _, version = pin.partition("==")
    bucket, _, files = PACKAGES[pin]
    entry_id = f"{bucket}/{name.replace('/', '_')}-{version}"
    return Stored(
        id=entry_id,
        path=f"{home}/.pepip/packages/{entry_id}",
        name=name,
        version=version,
        identity=f"sha256:{number:064x}",
        origin=f"{name}-{version}-{bucket}.whl",
        file_count=files,
        stored_at=FIRST_DAY + number * DAY,
        last_linked_at=FIRST_DAY + (number + 20) * DAY,
        state="ok",
    )


def _known(home: str, name: str, ids: dict[str, str]) -> census.KnownVenv:
    root = f"{home}/code/{name}/.venv"
    pins = {**PROJECTS, **OTHERS}.get(name, [])
    purpose = Purpose(PROJECT, root)
    if name.endswith(".py"):
        root = f"{home}/.cache/uv/environments-v2/plot-1a2b3c"
        purpose = Purpose(SCRIPT, f"{home}/code/{name}", ScriptNote(f"{home}/code/{name}", ""))
    elif name in OTHERS:
        root = f"{home}/.local/share/uv/tools/{name}"
        purpose = Purpose(TOOL, name)
    packages = [Installed(*pin.split("=="), "", ids[pin]) for pin in pins]
    if name == "research":
        packages.append(Installed("research", "0.1.0", "", ""))
    entries = frozenset(ids[pin] for pin in pins)
    registration = Registration("", root, f"{home}/code/{name}", 0, "", tuple(entries))
    return census.KnownVenv(
        root, os.path.dirname(root), "3.12.12", census.OK, "", tuple(packages), entries, registration, purpose
    )


def files_of(stored: Stored) -> Branch:
    """Return the files of an entry, as `entry_files` would."""
    names = {"lib": 7, "[core]": 4, "tests": 3, "__init__.py": 0, "io.py": 0}
    children = [
        Branch(name, stored.file_count * 9000 // (number + 2), max(1, files), is_folder=bool(files))
        for number, (name, files) in enumerate(names.items())
    ]
    return Branch(stored.name, sum(child.size_bytes for child in children), stored.file_count, True, tuple(children))


def reasons(name: str, environments: Iterable[census.KnownVenv]) -> list[Reason]:
    """Return the reasons for a package, as `why` would: two environments have one, and the others another one."""
    found = []
    for known in environments:
        item = next((item for item in known.packages if item.name == name), None)
        if item is None:
            continue
        is_own = known.environment.endswith(("research/.venv", "[gpu]/.venv"))
        stated = Line(1 - is_own, "", "", f"{name}>=1", "pyproject.toml")
        up = (stated,) if is_own else (Line(0, "parent[extra]", "1.0", f"{name}<9"), stated)
        down = (Line(0, "child", "2.0", "child"), Line(1, "leaf", "3.1", "leaf>=3"), Line(0, "leaf", "3.1", "leaf"))
        found.append(Reason(known, name, item.version, up, down, ("leaf",) if is_own else ()))
    return found


def upgrade_plan(environments: Iterable[census.KnownVenv]) -> UpgradePlan:
    """Return a plan for environments: the first has a change, the second a failure, the third nothing to do."""
    api, research, training = list(environments)[:3]
    change = Summary(
        api.environment,
        dry_run=True,
        linked=(("requests", "2.33.0"), ("idna", "3.12")),
        removed=(("requests", "2.32.5"), ("idna", "3.11")),
        reused=("requests",),
        downloaded=("idna",),
        downloads=(("sha256:1", 71_000),),
        download_bytes=71_000,
    )
    broken = (UnmetNeed("crawler", "0.3", "requests<2.33", "2.33.0"),)
    return UpgradePlan(
        (
            Preview(Target(api, ("requests",), BY_PIP), change, "", broken),
            Preview(Target(research, ("numpy",), BY_LOCK), None, "No solution found: numpy<2 and numpy>=3 [x]"),
            Preview(Target(training, ("numpy", "requests"), BY_LOCK), Summary(training.environment, dry_run=True)),
        ),
        (),
    )
