"""The requests of panes: an action on entries, environments or packages. The app carries them out."""

from __future__ import annotations

from textual.message import Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pepip.store.listing import Stored


class EntryRequest(Message):
    """A request on the chosen entries. Only an install may have none."""

    def __init__(self, chosen: Sequence[Stored]) -> None:
        super().__init__()
        self.chosen = chosen


class InstallEntry(EntryRequest):
    """Install an entry into a project. Without an entry, the user names packages."""


class RemoveEntries(EntryRequest):
    """Remove entries that no environment links."""


class VerifyEntries(EntryRequest):
    """Verify entries."""


class RepairEntries(EntryRequest):
    """Repair entries."""


class DescribeEntry(EntryRequest):
    """Show the detail of an entry in a dialog."""


class CopyEntryCommand(EntryRequest):
    """Copy the command that shows an entry."""


class ListFiles(EntryRequest):
    """Show the folders and files of an entry."""


class ExplainEntry(EntryRequest):
    """Say why environments have an entry."""


class EnvironmentRequest(Message):
    """A request on environments: at least one, except for an install and a repair.

    `environment` is the first one, empty if there is none.
    """

    def __init__(self, environments: Sequence[str]) -> None:
        super().__init__()
        self.environments = environments
        self.environment = environments[0] if environments else ""


class InstallIntoEnvironment(EnvironmentRequest):
    """Install into the environments. Without any, the user names one."""


class RepairEverything(EnvironmentRequest):
    """Repair the store, and all environments."""


class SyncEnvironment(EnvironmentRequest):
    """Sync the environments with their locks."""


class ForgetEnvironment(EnvironmentRequest):
    """Take the environments out of the registry."""


class CopyEnvironmentCommand(EnvironmentRequest):
    """Copy the command that shows the environments."""


class UpgradePackages(EnvironmentRequest):
    """Upgrade these packages of one environment. Without packages, upgrade all packages of the environments."""

    def __init__(self, environments: Sequence[str], packages: Sequence[str]) -> None:
        super().__init__(environments)
        self.packages = packages


class PackageRequest(EnvironmentRequest):
    """A request on packages of one environment."""

    def __init__(self, environment: str, packages: Sequence[str]) -> None:
        super().__init__([environment])
        self.packages = packages


class UninstallPackages(PackageRequest):
    """Uninstall these packages."""


class DetachPackage(PackageRequest):
    """Make the first package a private copy."""


class AttachPackage(PackageRequest):
    """Link the first package again."""


class ExplainPackage(PackageRequest):
    """Say why the environment has the first package."""


class RemoveEnvironment(EnvironmentRequest):
    """Remove the environments. uv uninstalls tools with their launchers."""


class EjectEnvironment(EnvironmentRequest):
    """Give the environments real files in place of all links."""


class AdoptEnvironments(Message):
    """Link environments that other tools made."""

    def __init__(self, environments: Sequence[str]) -> None:
        super().__init__()
        self.environments = environments


class ShowMap(Message):
    """Show the map of the entries that the store pane lists."""


class UpgradeEverywhere(Message):
    """Upgrade packages in several environments. Each cell is a package name and the root of an environment."""

    def __init__(self, cells: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self.cells = cells
