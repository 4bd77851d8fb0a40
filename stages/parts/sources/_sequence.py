"""A source whose tables were read at the door, while its pictures wait to be read one by one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stages.core.errors import DataError
from stages.core.items import Item


@dataclass(frozen=True)
class Listed:
    """Items in a list; see ``stages.core.items.Source``."""

    items: Sequence[Item]
    labels: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    mask_classes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    category_ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse two pictures of one name."""
        seen: set[str] = set()
        for item in self.items:
            if item.name in seen:
                raise DataError(f"{item.name} is listed twice; each picture may be listed once")
            seen.add(item.name)

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self.items)

    def __iter__(self) -> Iterator[Item]:
        """Deliver the pictures by name."""
        return iter(sorted(self.items, key=lambda item: item.name))
