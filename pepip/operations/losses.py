"""Messages on distributions whose entries are lost, or lie in a layer that can't be used now."""

from __future__ import annotations

from pepip import humanized, paths
from pepip.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pepip.model import Environment, Installed
    from pepip.store.root import Store


def refuse_without_layers(store: Store, environment: Environment, lost: Iterable[Installed]) -> None:
    """Raise StoreError if one of the lost entries belongs to a layer that can't be used now."""
    for root, reason in sorted(store.layers_away().items()):
        names = [item.name for item in lost if paths.layer_of(item.entry_id) == root]
        if names:
            raise StoreError(
                f"{environment.root} links {humanized.listed(names)} from the layer {root}, which {reason}",
                hint="make the layer available again, or store them in your own store with `pepip store repair`",
            )


def sentences(store: Store, lost: Iterable[Installed]) -> Iterator[str]:
    """Yield a sentence on the lost distributions of the store and of each layer."""
    named = {layer.root for layer in store.layers}
    away = store.layers_away()
    for root, found in _by_layer(lost).items():
        names = ", ".join(found)
        it, was = ("it", "it was") if len(found) == 1 else ("them", "they were")
        if not root:
            yield f"the store has lost {names}, or somebody else may have changed {it} there: fetching {it} again"
        elif root not in named:
            yield f"{root} is no longer a layer: taking {names} from another store, or storing {it} in {store.root}"
        elif root in away:
            yield f"the layer {root} {away[root]}: storing {names} in {store.root}"
        else:
            yield f"the layer {root} no longer has {names} as {was}: storing {it} in {store.root}"


def layer_error(store: Store, environment: Environment, missing: Sequence[Installed]) -> StoreError:
    """Return the error for distributions that can't be fetched again, and whose layers can't be used."""
    away = store.layers_away()
    said, remedies = [], set()
    for root, names in _by_layer(missing).items():
        reason = f"the layer {root} {away[root]}" if root in away else f"{root} is no longer a layer"
        said.append(f"{humanized.listed(names)} could not be fetched again, and {reason}")
        remedies.add("make the layer available again" if root in away else "name the layer again")
    return StoreError(
        "; ".join(said),
        hint=", ".join((*sorted(remedies), f"or install into {environment.root} from the original source")),
    )


def _by_layer(lost: Iterable[Installed]) -> dict[str, list[str]]:
    """Return the names of lost distributions by the layer of their entries, empty for the store."""
    found: dict[str, list[str]] = {}
    for item in lost:
        found.setdefault(paths.layer_of(item.entry_id), []).append(item.name)
    return found
