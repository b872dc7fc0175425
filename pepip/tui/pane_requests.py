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
    """A request on an environment. The path is empty if there is none."""

    def __init__(self, environment: str) -> None:
        super().__init__()
        self.environment = environment


class InstallIntoEnvironment(EnvironmentRequest):
    """Install into the environment. Without one, the user names it."""


class RepairEverything(EnvironmentRequest):
    """Repair the store, and all environments."""


class SyncEnvironment(EnvironmentRequest):
    """Sync the environment with its lock."""


class ForgetEnvironment(EnvironmentRequest):
    """Take the environment out of the registry."""


class CopyEnvironmentCommand(EnvironmentRequest):
    """Copy the command that shows the environment."""


class PackageRequest(EnvironmentRequest):
    """A request on packages of an environment. Only an upgrade may have none."""

    def __init__(self, environment: str, packages: Sequence[str]) -> None:
        super().__init__(environment)
        self.packages = packages


class UpgradePackages(PackageRequest):
    """Upgrade these packages, or all if there are none."""


class UninstallPackages(PackageRequest):
    """Uninstall these packages."""


class DetachPackage(PackageRequest):
    """Make the first package a private copy."""


class AttachPackage(PackageRequest):
    """Link the first package again."""


class ExplainPackage(PackageRequest):
    """Say why the environment has the first package."""


class RemoveEnvironment(EnvironmentRequest):
    """Remove the environment. If it is a tool's, uv uninstalls the tool and its launchers."""


class EjectEnvironment(EnvironmentRequest):
    """Give the environment real files in place of all links."""


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
