"""The actions on entries of the store."""

from __future__ import annotations

from rich.text import Text
from textual.worker import get_current_worker

from pepip import humanized
from pepip.operations import prune, reclaim, undo
from pepip.tui import adoption_jobs, background, commands, formatting, jobs, pane_requests, upgrade_actions
from pepip.tui.base_actions import BaseActions
from pepip.tui.dialogs import Choice, MessageDialog
from pepip.tui.messages import Explained
from pepip.tui.prune_dialog import PruneDialog
from pepip.tui.reclaim_dialog import ReclaimDialog
from pepip.tui.store_pane import StorePane

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pepip.store.listing import Stored
    from pepip.store.trash import Grave
    from pepip.tui.pane_requests import EntryRequest


class EntryActions(BaseActions):
    """The actions of the store pane, and pruning."""

    def carry_out(self, request: EntryRequest) -> None:
        """Carry out a request of the store pane."""
        chosen = request.chosen
        match request:
            case pane_requests.InstallEntry():
                self.ask_to_install(line=f"{chosen[0].name}=={chosen[0].version}" if chosen else "")
            case pane_requests.DescribeEntry():
                self._describe(chosen[0])
            case pane_requests.ListFiles():
                self.list_files(chosen[0])
            case pane_requests.ExplainEntry():
                self.ask_why(chosen[0].name, version=chosen[0].version)
            case pane_requests.RemoveEntries():
                self._ask_to_remove(chosen)
            case pane_requests.VerifyEntries():
                self.session.queue.submit(jobs.verify(self.session.store, chosen, self._stored))
            case pane_requests.RepairEntries():
                self._ask_to_repair(chosen)
            case pane_requests.CopyEntryCommand():
                self.copy(jobs.show_command(chosen[0]))

    def _called(self, environment: str) -> str:
        catalog = self.session.catalog
        return catalog.called(environment) if catalog else environment

    @property
    def _stored(self) -> Collection[Stored]:
        return self.session.catalog.stored.values() if self.session.catalog else ()

    def _describe(self, stored: Stored) -> None:
        """Read the detail of an entry in a thread, and show it in a dialog."""
        catalog, pane = self.session.catalog, self.app.query_one(StorePane)
        if catalog is None:
            return
        width = min(84, int(self.app.size.width * 0.96) - 5)  # the width inside the frame, without the scroll bar

        def show(text: Text) -> None:
            if not get_current_worker().is_cancelled:
                self.app.post_message(Explained("Entry", text, jobs.show_command(stored)))

        background.run(
            self.app,
            lambda: show(pane.text_of(stored, catalog, width)),
            group="detail",
            refused=lambda reason: show(Text(f"This entry can't be read: {reason}")),
        )

    def list_files(self, stored: Stored) -> None:
        """Show the folders and files of an entry."""
        from pepip.tui.files_view import FilesView

        self.app.push_screen(FilesView(stored))

    def show_map(self) -> None:
        """Show the map of the listed entries. Opening a tile shows the files of its entry."""
        from pepip.tui.map_view import MapView, plots_of

        pane = self.app.query_one(StorePane)
        listed = pane.listed

        def opened(entry_id: str | None) -> None:
            stored = pane.catalog.stored.get(entry_id) if pane.catalog and entry_id else None
            if stored is not None:
                self.list_files(stored)

        title = formatting.count(len(listed), "entry", "entries")
        self.app.push_screen(MapView(plots_of(pane.listing, listed), title=title), opened)

    def ask_to_prune(self, options: prune.PruneOptions | None = None) -> None:
        """Preview a prune with these options, and remove the ticked orphans."""
        options = options or prune.PruneOptions()
        catalog, store = self.session.catalog, self.session.store
        if catalog is None or catalog.overview is None or isinstance(self.app.screen, PruneDialog):
            return
        stored = list(catalog.stored.values())
        dialog = PruneDialog(store, options, stored)

        def decided(answer: str | None) -> None:
            if answer == "go" and dialog.preview is not None:
                job = jobs.prune(store, dialog.chosen, dialog.command, keep_seconds=dialog.keep_seconds)
                self.session.queue.submit(job)

        self.app.push_screen(dialog, decided)

    def ask_to_undo(self) -> None:
        """Show the entries that the last prune put into the trash, and bring them back if the user agrees."""
        self.ask_disk(lambda: undo.last(self.session.store), self._ask_to_bring_back)

    def _ask_to_bring_back(self, grave: Grave) -> None:
        names = [formatting.short_path(root) for root in grave.environments]
        names += [name.rpartition("/")[2] for name in grave.entry_ids]
        kinds = ((len(grave.environments), "environment", "environments"), (len(grave.entry_ids), "entry", "entries"))
        count = " and ".join(formatting.count(*kind) for kind in kinds if kind[0])
        text = Text(f"{count}, removed {formatting.moment(grave.removed_at)}.\n\n")
        text.append("\n".join(f"  {formatting.printable(name)}" for name in names[:12]))
        if len(names) > 12:
            text.append(f"\n  and {len(names) - 12} more")
        them = "them" if len(names) > 1 else "it"
        text.append(f"\n\nThe trash keeps {them} until {formatting.moment(grave.kept_until)}.")
        job = jobs.undo(self.session.store, grave)

        def decided(answer: str | None) -> None:
            if answer == "go":
                self.session.queue.submit(job)

        choices = (Choice("go", "Bring back", "primary"), Choice("", "Cancel"))
        self.app.push_screen(MessageDialog("Undo the last prune", text, choices, command=job.command), decided)

    def ask_to_reclaim(self) -> None:
        """Show the space that can be freed, and remove the ticked bundles, or show the preview of the chosen one."""
        catalog, store = self.session.catalog, self.session.store
        if catalog is None or catalog.overview is None or isinstance(self.app.screen, ReclaimDialog):
            return
        dialog = ReclaimDialog(store, catalog.overview.census, self.session.unshared)

        def decided(answer: str | None) -> None:
            bundle = dialog.bundle_of(answer or "")
            if answer == "go" and dialog.options is not None:
                self.session.queue.submit(jobs.reclaim(store, dialog.options, dialog.command))
            elif bundle is not None and bundle.kind == reclaim.UPGRADE:
                (stored,) = (catalog.stored[entry_id] for entry_id in bundle.entry_ids)
                flow = upgrade_actions.UpgradeActions(self.session, self.app)
                flow.upgrade_cells([(stored.name, bundle.environment)])
            elif bundle is not None and bundle.kind == reclaim.ADOPT:
                self.begin(lambda: adoption_jobs.adopt(store, bundle.words[2:]))
            elif bundle is not None and bundle.kind == reclaim.TRASH:
                self._ask_to_empty_the_trash(bundle)

        self.app.push_screen(dialog, decided)

    def _ask_to_empty_the_trash(self, bundle: reclaim.Bundle) -> None:
        text = Text(f"{formatting.size(bundle.freed_bytes)}: {bundle.loss}. No other entry is removed.")
        options = prune.PruneOptions(only=frozenset())
        job = jobs.reclaim(self.session.store, options, commands.prune((), is_all=False), title="empty the trash")
        self.confirm("Empty the trash", text, "Empty", job, is_destructive=True)

    def _ask_to_remove(self, chosen: Sequence[Stored]) -> None:
        """Preview the removal of entries. If one is linked or lies in a layer, say so and remove nothing."""
        users = self.session.catalog.users if self.session.catalog else {}
        linked = [item for item in chosen if item.id in users]
        layered = [item for item in chosen if item.layer]
        if layered:
            text = Text(f"{layered[0].name} {layered[0].version} is in the layer {layered[0].layer}.")
            text.append(" Only the owner of the layer can remove it.")
            self.explain("Entries of a layer are not removed", text)
            return
        if linked:
            text = Text()
            for item in linked[:12]:
                users_shown = humanized.listed([self._called(user) for user in users[item.id]], most=2)
                text.append(f"{item.name} {item.version}", "bold")
                text.append(f" is linked by {users_shown}\n")
            if len(linked) > 12:
                text.append(f"and {len(linked) - 12} more\n")
            text.append("\nFirst uninstall them from these environments.")
            self.explain("Linked entries are not removed", text)
            return
        self.ask_to_prune(prune.PruneOptions(only=frozenset(item.id for item in chosen)))

    def _ask_to_repair(self, chosen: Sequence[Stored]) -> None:
        """Name the environments that a repair concerns, ask, and repair."""
        users = self.session.catalog.users if self.session.catalog else {}
        concerned = sorted({user for item in chosen for user in users.get(item.id, ())})
        text = Text("Files that differ from their hashes are fetched again.\n")
        if concerned:
            text.append(f"\nThe repair also renews the links of {formatting.count(len(concerned), 'environment')}:\n")
            text.append("\n".join(f"  {self._called(user)}" for user in concerned[:15]))
            if len(concerned) > 15:
                text.append(f"\n  and {len(concerned) - 15} more")
        else:
            text.append("\nNo environment links these entries.")
        pins = ", ".join(f"{item.name}=={item.version}" for item in chosen[:3])
        self.confirm(f"Repair {pins}", text, "Repair", jobs.repair(self.session.store, chosen, self._stored))
