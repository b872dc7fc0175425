"""The actions on projects and their packages."""

from __future__ import annotations

from rich.text import Text

from pepip.environment import purposes
from pepip.operations import census as census_of
from pepip.tui import (
    adoption_jobs,
    commands,
    environment_jobs,
    formatting,
    jobs,
    many_projects,
    pane_requests,
    removal,
    upgrade_actions,
    user_input,
)
from pepip.tui.base_actions import BaseActions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pepip.operations.census import KnownVenv
    from pepip.tui.pane_requests import EnvironmentRequest


class ProjectActions(BaseActions):
    """The actions of the projects pane."""

    def carry_out(self, request: EnvironmentRequest) -> None:
        """Carry out a request of the projects pane."""
        store, environment = self.session.store, request.environment
        match request:
            case pane_requests.RepairEverything():
                self._ask_to_repair()
            case _ if len(request.environments) > 1:
                many_projects.ManyProjectActions(self.session, self.app).carry_out(request)
            case pane_requests.InstallIntoEnvironment() if self._is_of_uv(environment):
                self._explain_change(environment, "add")
            case pane_requests.InstallIntoEnvironment():
                place = user_input.place_of(self._place(environment))
                self.ask_to_install(place=formatting.short_path(place))
            case pane_requests.SyncEnvironment():
                self.begin(lambda: environment_jobs.sync(store, self._place(environment)))
            case pane_requests.ForgetEnvironment():
                self._ask_to_forget(environment)
            case pane_requests.CopyEnvironmentCommand():
                self.copy(commands.of("projects", environment))
            case pane_requests.EjectEnvironment():
                self._ask_to_eject(environment)
            case pane_requests.UpgradePackages():
                self._upgrade(environment, request.packages)
            case pane_requests.UninstallPackages() if self._is_of_uv(environment):
                self._explain_change(environment, "remove", request.packages)
            case pane_requests.UninstallPackages():
                names = request.packages
                self.begin(lambda: environment_jobs.uninstall(store, self._place(environment), names))
            case pane_requests.ExplainPackage():
                self.ask_why(request.packages[0], environment=environment)
            case pane_requests.RemoveEnvironment():
                self._ask_to_remove(environment)
            case pane_requests.DetachPackage():
                self._ask_to_detach(environment, request.packages[0])
            case pane_requests.AttachPackage():
                name = request.packages[0]
                self.begin(lambda: environment_jobs.attach(store, environment, name))

    def ask_to_adopt(self, environments: Sequence[str]) -> None:
        """Preview the adoption of environments that other tools made, and adopt them."""
        self.begin(lambda: adoption_jobs.adopt(self.session.store, environments))

    def _ask_to_eject(self, environment: str) -> None:
        share = self.session.catalog.shares.get(environment) if self.session.catalog else None
        if share is not None and share.known.state not in census_of.READABLE:
            self._say_there_is_nothing_to("eject", share.known)
            return
        text = Text(f"{formatting.printable(formatting.short_path(environment))}\n", "bold")
        text.append(
            "\nReal files replace all links. Afterwards the environment needs neither the store nor pepip. "
            "Nothing else changes.",
            "not bold",
        )
        if share is not None and share.alone_bytes > share.own_bytes:
            text.append(
                f"\nThis takes {formatting.size(share.alone_bytes - share.own_bytes)} more disk space.", "not bold"
            )
        text.append("\nTo undo this, adopt the environment.", "not bold")
        self.confirm("Eject this environment", text, "Eject", adoption_jobs.eject(self.session.store, environment))

    def upgrade_cells(self, cells: Sequence[tuple[str, str]]) -> None:
        """Preview the upgrade of packages, each in an environment, and upgrade them."""
        upgrade_actions.UpgradeActions(self.session, self.app).upgrade_cells(cells)

    def _ask_to_remove(self, environment: str) -> None:
        catalog = self.session.catalog
        share = catalog.shares.get(environment) if catalog else None
        if catalog is None or catalog.overview is None or share is None:
            return
        if share.known.state == census_of.MISSING:
            self._ask_to_forget(environment)  # only its registration is left
            return
        if share.known.purpose.kind != purposes.TOOL:
            census, known = catalog.overview.census, share.known
            self.begin(lambda: removal.remove(self.session.store, census, known))
            return
        name = formatting.printable(share.known.name)
        text = Text(f"uv uninstalls {name} with its launchers. Entries that only this tool links become unused.")
        text.append(f"\n\n{formatting.printable(environment)}", "bold")
        job = environment_jobs.uninstall_tool(self.session.store, environment)
        self.confirm(f"Remove the tool {name}", text, "Remove", job, is_destructive=True)

    def _is_of_uv(self, environment: str) -> bool:
        """Whether uv decides which packages an environment has, as it does for a tool, a script and a single run."""
        share = self.session.catalog.shares.get(environment) if self.session.catalog else None
        return share is not None and share.known.purpose.kind != purposes.PROJECT

    def _explain_change(self, environment: str, verb: str, packages: Sequence[str] = ("PACKAGE",)) -> None:
        """Say how to add packages to an environment that uv keeps, or to remove them: `verb` is `add` or `remove`."""
        assert self.session.catalog is not None
        known = self.session.catalog.shares[environment].known
        name, command = formatting.printable(known.name), ""
        if known.purpose.kind == purposes.TOOL:
            text = f"The tool {name} has the packages that it was installed with."
            text += " d removes the tool, U upgrades it." if verb == "remove" else " This adds one:"
            command = commands.of("tool", "install", known.name, "--with", *packages) if verb == "add" else ""
        elif known.purpose.script is not None:
            text = f"The script {name} lists the packages that it needs. "
            text += "After a change of this list, its next run updates the environment."
            command = commands.of(verb, "--script", known.purpose.script.path, *packages)
        else:
            text = "uv makes this environment for one request, and another environment for the next request."
        self.explain("uv keeps this environment", Text(text), command=command)

    def _place(self, environment: str) -> str:
        """Return the `.venv` by which a project knows its environment, which may lie elsewhere."""
        share = self.session.catalog.shares.get(environment) if self.session.catalog else None
        return share.known.name if share and share.known.purpose.kind == purposes.PROJECT else environment

    def _upgrade(self, environment: str, packages: Sequence[str]) -> None:
        place = self._place(environment)
        share = self.session.catalog.shares.get(environment) if self.session.catalog else None
        if share is not None and share.known.purpose.kind != purposes.PROJECT:
            flow = upgrade_actions.UpgradeActions(self.session, self.app)
            flow.upgrade([(share.known, tuple(packages))])
            return

        def go_on(has_lock: object) -> None:
            names = packages
            if not names and not has_lock:
                names = sorted(package.name for package in share.known.packages) if share else ()
                if share is not None and not names:
                    self._say_there_is_nothing_to("upgrade", share.known)
                    return
            self.begin(lambda: environment_jobs.upgrade(self.session.store, place, names))

        self.ask_disk(lambda: environment_jobs.syncs_by_lock(place), go_on)

    def _say_there_is_nothing_to(self, verb: str, known: KnownVenv) -> None:
        reason = known.reason or "it has no packages"
        self.app.notify(f"nothing to {verb}: {reason}", severity="warning", timeout=4, markup=False)

    def _ask_to_repair(self) -> None:
        text = Text(
            "Reads every byte of all entries. Files that differ from their hashes are fetched again, and broken "
            "environments are linked again."
        )
        self.confirm("Repair the store", text, "Repair", jobs.repair(self.session.store))

    def _ask_to_detach(self, environment: str, name: str) -> None:
        text = Text(
            "The package becomes a real, writable copy in this environment. Other environments do not change."
        )
        text.append(f"\n\n{formatting.printable(environment)}", "bold")
        self.ask_disk(
            lambda: environment_jobs.detach(self.session.store, environment, name),
            lambda job: self.confirm(f"Detach {name}", text, "Detach", job),
        )

    def _ask_to_forget(self, environment: str) -> None:
        catalog = self.session.catalog
        share = catalog.shares.get(environment) if catalog else None
        if catalog is None or catalog.overview is None or share is None:
            return
        text = Text(
            "Entries that only this environment links become unused, and a prune removes them. The next install "
            "into the environment registers it again."
        )
        text.append(f"\n\n{formatting.printable(environment)}", "bold")
        job = environment_jobs.forget(self.session.store, share.known, catalog.overview.census.projects)
        self.confirm("Forget this environment", text, "Forget", job, is_destructive=True)
