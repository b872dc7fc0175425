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
    by_root: dict[str, list[str]] = {}
    for item in lost:
        by_root.setdefault(paths.layer_of(item.entry_id), []).append(item.name)
    named = {layer.root for layer in store.layers}
    away = store.layers_away()
    for root, found in by_root.items():
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


def waiting(store: Store, environment: Environment, missing: Sequence[Installed]) -> StoreError:
    """Return the error for distributions that can't be fetched again, and whose layer is away or no longer named."""
    root = paths.layer_of(missing[0].entry_id)
    names = humanized.listed([item.name for item in missing])
    reason = store.layers_away().get(root)
    said = f"the layer {root} {reason}" if reason else f"{root} is no longer a layer"
    return StoreError(
        f"{names} could not be fetched again, and {said}",
        hint=f"{'make' if reason else 'name'} the layer{' available' if reason else ''} again, or install into "
        f"{environment.root} from the original source",
    )
